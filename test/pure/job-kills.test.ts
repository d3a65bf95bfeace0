/** The process dies at each of its calls in turn, before the call's effect or after it: nothing is lost, nothing is doubled. */
import { describe, expect, it } from 'vitest'
import { tick } from '../../functions/schedule.ts'
import { addDataset, ask, drain, jobsIn, settle } from './support/placing.ts'
import { createWorld, type World } from './support/world.ts'

const start = async (): Promise<World> => {
  const world = createWorld(['one', 'two'])
  await addDataset(world)
  return world
}

/** How many calls the work makes when nobody kills it. */
const callsOf = async (work: (world: World) => Promise<{ calls: number }>): Promise<number> =>
  (await work(await start())).calls

const submission = async (world: World, kill?: { at: number; isAfter: boolean }) => {
  const process = world.process(kill)
  const end = await process.run(context => ask(context))
  return { calls: process.calls, end }
}

const calls = await callsOf(submission)

describe('a submission', () => {
  it('makes calls at which it can be killed', () => {
    expect(calls).toBeGreaterThan(10)
  })

  const kills = Array.from({ length: calls }, (_, index) => index + 1)
  describe.each([
    ['before', false],
    ['after', true],
  ])('killed %s the effect', (_when, isAfter) => {
    it.each(kills)('of its call %i: one job, or none where none was written down', async at => {
      const world = await start()
      const { end } = await submission(world, { at, isAfter })
      expect(end).toBe('killed')
      await settle(world)
      const jobs = await jobsIn(world)
      const { one, two } = world.accounts
      expect(jobs.length).toBeLessThanOrEqual(1)
      expect(one?.jobs).toHaveLength(jobs.length)
      expect(two?.jobs).toEqual([])
      for (const job of jobs) {
        expect(job).toMatchObject({
          status: 'succeeded',
          native_id: one?.jobs[0]?.id,
          fine_tuned_model: expect.stringMatching(/^ft:/),
          past: [],
        })
      }
    })
  })

  it('that has been written down is never lost', async () => {
    let kept = 0
    for (const at of kills) {
      const world = await start()
      await submission(world, { at, isAfter: true })
      kept += (await jobsIn(world)).length
    }
    // All but the calls that plan the job.
    expect(kept).toBeGreaterThan(calls / 2)
  })
})

describe('watching a job to its end', () => {
  /** A job that is accepted; then as many ticks as it takes, of which the last-but-one may be killed. */
  const watch = async (world: World, kill?: { at: number; isAfter: boolean }) => {
    await world.process().run(context => ask(context))
    world.wait(120)
    const process = world.process(kill)
    const end = await process.run(async context => {
      for (let ticks = 0; ticks < 4; ticks++) {
        await tick(context)
        world.wait(120)
      }
    })
    return { calls: process.calls, end }
  }

  it('may be cut off anywhere', async () => {
    const most = await callsOf(watch)
    expect(most).toBeGreaterThan(15)
    for (let at = 1; at <= most; at++) {
      for (const isAfter of [false, true]) {
        const world = await start()
        expect((await watch(world, { at, isAfter })).end).toBe('killed')
        world.wait(600)
        await settle(world)
        const [job] = await jobsIn(world)
        expect(job).toMatchObject({
          status: 'succeeded',
          stage: 'over',
          fine_tuned_model: expect.any(String),
        })
        expect(world.accounts.one?.jobs).toHaveLength(1)
      }
    }
  })
})

describe('a fallback', () => {
  const fall = async (world: World, kill?: { at: number; isAfter: boolean }) => {
    const { one } = world.accounts
    if (one) one.mood = method => (method === 'POST' ? 'poor' : 'well')
    const process = world.process(kill)
    const end = await process.run(context => ask(context, { fallback_providers: ['two'] }))
    return { calls: process.calls, end }
  }

  it('may be cut off anywhere: the job is trained once, by whoever takes it', async () => {
    const most = await callsOf(fall)
    for (let at = 1; at <= most; at++) {
      for (const isAfter of [false, true]) {
        const world = await start()
        expect((await fall(world, { at, isAfter })).end).toBe('killed')
        await settle(world)
        const jobs = await jobsIn(world)
        const trained = Object.values(world.accounts).flatMap(account => account.jobs)
        expect(trained).toHaveLength(jobs.length)
        for (const job of jobs) expect(job).toMatchObject({ status: 'succeeded', connection: 'two' })
      }
    }
  })
})

describe('a job answered before it is placed', () => {
  it('is placed by the queue', async () => {
    const world = await start()
    const { context } = world.process()
    const job = await ask(context, {}, true)
    expect(job).toMatchObject({ status: 'queued', native_id: null })
    expect(world.accounts.one?.jobs).toEqual([])
    await drain(world, context)
    expect(world.accounts.one?.jobs).toHaveLength(1)
    await settle(world)
  })

  it('is placed by the schedule when the queue has lost it', async () => {
    const world = await start()
    await ask(world.process().context, {}, true)
    world.platform.tasks.length = 0
    await settle(world)
    expect(await jobsIn(world)).toMatchObject([{ status: 'succeeded' }])
    expect(world.accounts.one?.jobs).toHaveLength(1)
  })
})
