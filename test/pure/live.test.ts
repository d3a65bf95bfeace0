import { describe, expect, it } from 'vitest'
import { followEvents, type Told, toEventStream } from '../../shared/training/index.ts'
import { arrivalOf, EVENTS, JOBS } from '../../shared/training/records.ts'
import { nativeJob, startFake } from './support/fake-provider.ts'
import { jobRecord } from './support/job-record.ts'

const OWNER = 'owner'
const ID = 'ftjob-AbCdEf12345678'

const start = async () => {
  const bench = startFake()
  const { store, clock } = bench.platform
  bench.state.job = nativeJob({ status: 'running', nativeStatus: 'Running' })
  await JOBS.create(store, jobRecord({ id: ID, native: bench.state.job }))
  /** Writes an event that happened at one time and came at another. */
  const write = (name: string, { happened = clock.now(), came = clock.now() } = {}) =>
    EVENTS.putAll(store, [
      {
        job: ID,
        written_at: came,
        event: {
          id: `ftevent-${happened}${name}`,
          created_at: Math.floor(happened / 1000),
          level: 'info',
          message: name,
          type: 'message',
          data: {},
        },
      },
    ])
  return { ...bench, write }
}

const saying = (said: Told) => (typeof said === 'string' ? said : said.event.message)

/** Everything a feed says until it ends. */
const all = async (feed: AsyncGenerator<Told> | undefined): Promise<string[]> => {
  const said: string[] = []
  for await (const each of feed ?? []) said.push(saying(each))
  return said
}
const next = async (feed: AsyncGenerator<Told> | undefined) => {
  const { value } = (await feed?.next()) ?? {}
  if (value === undefined) throw new Error('The feed has ended.')
  return value
}

describe('a live feed', () => {
  it('tells what has been, then what comes, and ends with the job', async () => {
    const { context, state, write } = await start()
    await write('first')
    const feed = await followEvents(context, OWNER, ID, undefined)
    expect(saying(await next(feed))).toBe('first')
    await write('second')
    expect(saying(await next(feed))).toBe('second')
    state.job = nativeJob()
    const rest = await all(feed)
    expect(rest.filter(said => said !== 'alive')).toEqual([
      expect.stringContaining('The job is succeeded'),
      'over',
    ])
  })

  it('misses nothing that comes late of what happened early', async () => {
    const { context, platform, write } = await start()
    await write('later')
    const feed = await followEvents(context, OWNER, ID, undefined)
    expect(saying(await next(feed))).toBe('later')
    await write('earlier', { happened: platform.clock.now() - 60_000 })
    expect(saying(await next(feed))).toBe('earlier')
  })

  it('waits until what may still be written in between has been', async () => {
    const { context, platform, write } = await start()
    const now = platform.clock.now()
    await write('ours', { came: now })
    const feed = await followEvents(context, OWNER, ID, undefined, { look: 100, settle: 1500 })
    const first = next(feed)
    // Stamped before, written after.
    await write('theirs', { came: now - 1 })
    expect(saying(await first)).toBe('theirs')
    expect(saying(await next(feed))).toBe('ours')
  })

  it('tells an event once that two readers have written', async () => {
    const { context, platform, write } = await start()
    const happened = platform.clock.now()
    await write('twice', { happened })
    const feed = await followEvents(context, OWNER, ID, undefined)
    expect(saying(await next(feed))).toBe('twice')
    await write('twice', { happened })
    await write('after')
    expect(saying(await next(feed))).toBe('after')
  })

  it('goes on behind the last event that was heard, by its place or its id', async () => {
    const { context, platform, write } = await start()
    for (const name of ['one', 'two', 'three']) {
      platform.clock.time += 10
      await write(name)
    }
    const heard = (await EVENTS.list(platform.store, 'arrival', ID, { order: 'asc', limit: 2 })).items[1]
    if (!heard) throw new Error('There is no second event.')
    for (const after of [arrivalOf(heard), heard.event.id]) {
      const feed = await followEvents(context, OWNER, ID, after)
      expect(saying(await next(feed))).toBe('three')
      await feed?.return(undefined)
    }
  })

  it('has nothing more to say of a job that is over and told', async () => {
    const { context, platform, write } = await start()
    await write('only')
    await JOBS.update(platform.store, ID, value => ({
      ...value,
      status: 'succeeded',
      feed: { ...value.feed, is_complete: true },
    }))
    const [heard] = (await EVENTS.list(platform.store, 'arrival', ID, { limit: 1 })).items
    expect(await followEvents(context, OWNER, ID, heard?.event.id)).toBeUndefined()
    expect(await all(await followEvents(context, OWNER, ID, undefined))).toEqual(['only', 'over'])
  })

  it.each([
    ['hears', 300_000],
    ['does not hear', 60_000],
  ])(
    'gives signs of life, and lets go of a connection that is old where it %s of clients that leave',
    async (hears, longest) => {
      const { context, platform } = await start()
      platform.hearsClientsLeave = hears === 'hears'
      const began = platform.clock.now()
      const said = await all(await followEvents(context, OWNER, ID, undefined))
      expect(said).toEqual(Array(longest / 15_000 - 1).fill('alive'))
      expect(platform.clock.now() - began).toBe(longest)
    },
  )

  it('asks the provider less often than it looks', async () => {
    const { context, state, platform } = await start()
    let asked = 0
    Object.defineProperty(state, 'job', {
      get: () => {
        asked++
        return nativeJob({ status: 'running', nativeStatus: 'Running' })
      },
    })
    const queries = () =>
      platform.store.queries.filter(({ kind, slot }) => kind === 'event' && slot === 'b').length
    await all(await followEvents(context, OWNER, ID, undefined, { look: 1000, ask: 5000, longest: 60_000 }))
    expect(asked).toBe(12)
    expect(queries()).toBe(60)
  })

  it("is closed to others, and refuses a place that is none of this job's", async () => {
    const { context } = await start()
    await expect(followEvents(context, 'other', ID, undefined)).rejects.toMatchObject({ status: 404 })
    await expect(followEvents(context, OWNER, ID, 'ftevent-none')).rejects.toMatchObject({
      status: 400,
      param: 'after',
    })
  })
})

describe('as server-sent events', () => {
  it('each has its place and its object; the end is [DONE]', async () => {
    const event = {
      id: 'ftevent-1',
      created_at: 1,
      level: 'info',
      message: 'a\nb',
      type: 'message',
      data: {},
    }
    async function* feed(): AsyncGenerator<Told> {
      yield { at: '00000001ftevent-1', event: event as Exclude<Told, string>['event'] }
      yield 'alive'
      yield 'over'
    }
    expect(await new Response(toEventStream(feed())).text()).toBe(
      'retry: 2000\n\n' +
        `id: 00000001ftevent-1\ndata: ${JSON.stringify({ object: 'fine_tuning.job.event', ...event })}\n\n` +
        ': still here\n\n' +
        'event: done\ndata: [DONE]\n\n',
    )
  })

  it('a reader that leaves ends the feed', async () => {
    let isEnded = false
    async function* feed(): AsyncGenerator<Told> {
      try {
        for (;;) yield 'alive'
      } finally {
        isEnded = true
      }
    }
    const reader = toEventStream(feed()).getReader()
    await reader.read()
    await reader.read()
    await reader.cancel()
    expect(isEnded).toBe(true)
  })
})
