import { describe, expect, it } from 'vitest'
import { tick } from '../../functions/schedule.ts'
import type { Config } from '../../shared/config.ts'
import type { JobRequest } from '../../shared/openai/index.ts'
import { commandJob, getJob, jobEvents, toJobObject } from '../../shared/training/index.ts'
import { addDataset, ask, jobsIn, OWNER, settle } from './support/placing.ts'
import { createWorld, type Mood, type World } from './support/world.ts'

const start = async (moods: Record<string, Mood> = {}, config: Partial<Config> = {}): Promise<World> => {
  const world = createWorld(['one', 'two', 'three'], config)
  await addDataset(world)
  for (const [name, mood] of Object.entries(moods)) feel(world, name, mood)
  return world
}

/** How an account takes what is sent to it; it can always be asked. */
const feel = ({ accounts }: World, name: string, mood: Mood) => {
  const account = accounts[name]
  if (account) account.mood = (method, path) => (method === 'POST' && path.endsWith('/jobs') ? mood : 'well')
}

const trained = ({ accounts }: World) =>
  Object.values(accounts).flatMap(({ name, jobs }) => jobs.map(({ status }) => `${name} ${status}`))

const messages = async (world: World, id: string) => {
  const { context } = world.process()
  return (await jobEvents(context, OWNER, id, { limit: 100 })).data.map(({ message }) => message)
}

const create = (world: World, request: Partial<JobRequest> = {}, isAsync = false) =>
  ask(world.process().context, request, isAsync)

describe('fallback_providers', () => {
  it.each<[Mood, string]>([
    ['busy', 'capacity'],
    ['poor', 'quota'],
    ['ill', 'outage'],
    ['deaf', 'outage'],
    ['closed', 'policy'],
  ])('a provider that is %s: the next one has its turn (%s)', async (mood, verdict) => {
    const world = await start({ one: mood })
    const job = await create(world, { fallback_providers: ['two', 'three'] })
    expect(job).toMatchObject({ connection: 'two', native_id: 'ftjob-two-1' })
    await settle(world)
    expect(trained(world)).toEqual(['two succeeded'])
    const [kept] = await jobsIn(world)
    expect(kept && toJobObject(kept).tunegate.attempts).toMatchObject([
      { connection: 'one', outcome: verdict, native_id: null, error: { code: expect.any(String) } },
      { connection: 'two', outcome: 'succeeded', native_id: 'ftjob-two-1', error: null },
    ])
    expect(await messages(world, job.id)).toEqual(
      expect.arrayContaining([
        expect.stringContaining(`Not accepted by one (${verdict})`),
        expect.stringContaining('Falling back to two'),
      ]),
    )
  })

  it('never for bad data: the refusal is the answer, and no job is left', async () => {
    const world = await start({ one: 'fussy' })
    await expect(create(world, { fallback_providers: ['two'] })).rejects.toMatchObject({ status: 400 })
    expect(await jobsIn(world)).toEqual([])
    expect(trained(world)).toEqual([])
  })

  it('the last refusal names those before it', async () => {
    const world = await start({ one: 'poor', two: 'busy', three: 'closed' })
    await expect(create(world, { fallback_providers: ['two', 'three'] })).rejects.toMatchObject({
      status: 403,
      message: expect.stringContaining('one (quota), two (capacity)'),
    })
    expect(await jobsIn(world)).toEqual([])
  })

  it('a provider that acted without saying so is found out, and its job cancelled', async () => {
    const world = await start({ one: 'lost' })
    const { one } = world.accounts
    // It acts, and neither its answer nor its list comes through.
    if (one)
      one.mood = (method, path) => (path.includes('/jobs') ? (method === 'POST' ? 'lost' : 'ill') : 'well')
    await create(world, { fallback_providers: ['two'] })
    expect(trained(world)).toEqual(['one queued', 'two queued'])
    if (one) one.mood = () => 'well'
    await settle(world)
    expect(trained(world)).toEqual(['one cancelled', 'two succeeded'])
    const [job] = await jobsIn(world)
    expect(job?.past).toMatchObject([{ native_id: 'ftjob-one-1', is_unsettled: false }])
    expect(await messages(world, job?.id ?? '')).toContainEqual(expect.stringContaining('after all'))
  })

  it.each([
    ['server_error', true],
    ['exceeded_quota', true],
    ['invalid_training_file', false],
  ])('a job that dies of %s goes on elsewhere: %s', async (code, isTheirs) => {
    const world = await start()
    const { one } = world.accounts
    if (one)
      one.fate = job => {
        job.status = 'failed'
        job.error = { code, message: 'It broke.', param: null }
      }
    await create(world, { fallback_providers: ['two'] })
    await settle(world)
    expect(trained(world)).toEqual(isTheirs ? ['one failed', 'two succeeded'] : ['one failed'])
    expect((await jobsIn(world))[0]?.status).toBe(isTheirs ? 'succeeded' : 'failed')
  })

  it('each attempt has a label of its own: an account that had the job before does not have it again', async () => {
    const world = await start()
    const { one } = world.accounts
    if (one)
      one.fate = job => {
        Object.assign(job, { status: 'failed', error: { code: 'server_error', message: 'Oh.', param: null } })
      }
    const { context } = world.process()
    const both = { ...context.config.connections, again: { ...context.config.connections.one } }
    Object.assign(context.config, { connections: both })
    const job = await ask(context, { fallback_providers: ['again'] })
    world.wait(60)
    await getJob(context, OWNER, job.id)
    await tick(context)
    expect(one?.jobs.map(({ label }) => label)).toEqual([job.id, `${job.id}-2`])
  })

  it.each<[Partial<JobRequest>, string]>([
    [{ fallback_providers: ['nowhere'] }, 'fallback_providers[0]'],
    [{ fallback_providers: ['two', 'auto'] }, 'fallback_providers[1]'],
    [{ provider: 'auto', fallback_providers: ['two'] }, 'fallback_providers'],
  ])('%j is refused, naming %s', async (request, param) => {
    const world = await start()
    await expect(create(world, request)).rejects.toMatchObject({ status: 400, param })
    expect(await jobsIn(world)).toEqual([])
  })
})

describe('a job no one has room for', () => {
  it('waits, when no one waits for it, and is placed when there is room', async () => {
    const world = await start({ one: 'busy', two: 'poor' })
    await create(world, { fallback_providers: ['two'] }, true)
    for (let ticks = 0; ticks < 4; ticks++) {
      await tick(world.process().context)
      world.wait(300)
    }
    expect((await jobsIn(world))[0]).toMatchObject({ stage: 'placing', status: 'queued' })
    feel(world, 'two', 'well')
    await settle(world)
    expect(trained(world)).toEqual(['two succeeded'])
  })

  it('fails when it has waited for as long as it may', async () => {
    const world = await start(
      { one: 'busy' },
      { jobs: { submissionGrace: 120, placement: 3600, deadline: null } },
    )
    await create(world, {}, true)
    for (let hours = 0; hours < 3; hours++) {
      await tick(world.process().context)
      world.wait(3000)
    }
    await settle(world)
    expect((await jobsIn(world))[0]).toMatchObject({
      status: 'failed',
      error: { code: 'rate_limit_exceeded' },
    })
  })
})

describe('provider: "auto"', () => {
  it('takes the connections as they are liked, and tells why', async () => {
    const world = await start({}, { preference: ['three', 'one'] })
    const job = await create(world, { provider: 'auto' })
    expect(job.connection).toBe('three')
    const { context } = world.process()
    const routed = (await jobEvents(context, OWNER, job.id, { limit: 100 })).data.find(({ message }) =>
      message.startsWith('Routed to'),
    )
    expect(routed?.message).toMatch(/three .*, then one .*, then two/)
    expect(routed?.data).toMatchObject({
      chosen: [{ connection: 'three', exact: true }, { connection: 'one' }, { connection: 'two' }],
      rejected: [],
    })
  })

  it('falls back by itself, and asks those last who have failed of late', async () => {
    const world = await start({ one: 'busy' })
    const places = async () =>
      (await create(world, { provider: 'auto' })).targets.map(({ connection }) => connection)
    for (let jobs = 0; jobs < 3; jobs++) expect(await places()).toContain('one')
    expect(await places()).toEqual(['two', 'three', 'one'])
    expect(trained(world)).toHaveLength(4)
    world.wait(1000)
    expect(await places()).toEqual(['one', 'two', 'three'])
  })

  it('names every connection and its reason when none can', async () => {
    const world = await start()
    await expect(create(world, { provider: 'auto', model: 'nothing-like-it' })).rejects.toMatchObject({
      status: 400,
      param: 'provider',
      message: expect.stringMatching(/one has neither.*two has neither.*three has neither/),
    })
  })
})

describe('things that happen at once', () => {
  it('two ticks: each step is done by one', async () => {
    const world = await start()
    await create(world, {}, true)
    world.platform.tasks.length = 0
    await Promise.all(Array.from({ length: 4 }, () => tick(world.process().context)))
    expect(trained(world)).toEqual(['one queued'])
  })

  it('a task and its double, late', async () => {
    const world = await start()
    await create(world, {}, true)
    const [task] = world.platform.tasks
    if (task) world.platform.tasks.push(task, task)
    await settle(world)
    expect(trained(world)).toEqual(['one succeeded'])
  })

  it('a cancellation before the job is placed: it never is', async () => {
    const world = await start()
    const { id } = await create(world, {}, true)
    const cancelled = await commandJob(world.process().context, OWNER, id, 'cancel')
    expect(cancelled.status).toBe('cancelled')
    await settle(world)
    expect(trained(world)).toEqual([])
    expect((await jobsIn(world))[0]).toMatchObject({ status: 'cancelled', error: null })
  })

  it('a cancellation while it is unknown whether the provider has the job: it is cancelled there', async () => {
    const world = await start()
    const { one } = world.accounts
    if (one)
      one.mood = (method, path) => (path.includes('/jobs') ? (method === 'POST' ? 'lost' : 'ill') : 'well')
    await expect(create(world)).rejects.toMatchObject({ code: 'submission_outcome_unknown' })
    const [{ id } = { id: '' }] = await jobsIn(world)
    expect((await commandJob(world.process().context, OWNER, id, 'cancel')).status).toBe('queued')
    if (one) one.mood = () => 'well'
    await settle(world)
    expect(trained(world)).toEqual(['one cancelled'])
    expect((await jobsIn(world))[0]?.status).toBe('cancelled')
  })

  it('a cancellation and a success: the record says what the provider says', async () => {
    const world = await start()
    const { id } = await create(world)
    const { one } = world.accounts
    if (one?.jobs[0]) one.jobs[0].status = 'succeeded'
    const { context } = world.process()
    await expect(commandJob(context, OWNER, id, 'cancel')).rejects.toMatchObject({ code: 'invalid_state' })
    expect((await jobsIn(world))[0]?.status).toBe('succeeded')
  })
})

describe('an outage', () => {
  it('of an hour fails no job and is not made worse by them', async () => {
    const world = await start()
    for (let jobs = 0; jobs < 30; jobs++) await create(world)
    const { one } = world.accounts
    let asked = 0
    if (one)
      one.mood = () => {
        asked++
        return 'deaf'
      }
    for (let minutes = 0; minutes < 60; minutes++) {
      world.wait(60)
      await tick(world.process().context)
    }
    // Thirty jobs that knew nothing of each other would have asked some 600 times, each time repeated.
    expect(asked).toBeLessThan(200)
    expect((await jobsIn(world)).every(({ status }) => status === 'queued')).toBe(true)
    if (one) one.mood = () => 'well'
    await settle(world)
    expect((await jobsIn(world)).every(({ status }) => status === 'succeeded')).toBe(true)
    expect(one?.jobs).toHaveLength(30)
  })
})

describe('a deadline', () => {
  it('that has passed is told once; the job goes on', async () => {
    const world = await start()
    const { one } = world.accounts
    if (one) one.fate = job => void Object.assign(job, { status: 'running' })
    const { id } = await create(world, { deadline_seconds: 600 })
    for (let ticks = 0; ticks < 4; ticks++) {
      world.wait(400)
      await tick(world.process().context)
    }
    expect((await messages(world, id)).filter(message => message.includes('deadline'))).toHaveLength(1)
    expect((await jobsIn(world))[0]).toMatchObject({ status: 'running', is_overdue: true })
  })
})
