/** Money: set aside before it is spent, settled when it has been, never twice and never beyond a limit. */
import { describe, expect, it } from 'vitest'
import { tick } from '../../functions/schedule.ts'
import { ownerOf } from '../../shared/access/oidc.ts'
import type { Config } from '../../shared/config.ts'
import type { Context } from '../../shared/context.ts'
import { batchRequest, budgetRequest, budgetsQuery, type JobRequest } from '../../shared/openai/index.ts'
import {
  createBudget,
  deleteBudget,
  getBudget,
  listBudgets,
  reserve,
  toMicros,
  updateBudget,
} from '../../shared/spending/index.ts'
import {
  cancelBatch,
  commandJob,
  createBatch,
  getBatch,
  getJob,
  jobEvents,
  submitJob,
  toJobObject,
} from '../../shared/training/index.ts'
import { EVENTS, JOBS } from '../../shared/training/records.ts'
import { createEndpoint, listDeliveries } from '../../shared/webhooks/index.ts'
import { budget, COST, callerWith, costs, keyOf, seen, wrongsIn } from './support/money.ts'
import { addDataset, ask, jobsIn, MODEL, OWNER, settle } from './support/placing.ts'
import { createWorld, type Mood, type World } from './support/world.ts'

const start = async (config: Partial<Config> = {}, names: [string, ...string[]] = ['one', 'two']) => {
  const world = createWorld(names, config)
  await addDataset(world)
  return world
}

const feel = ({ accounts }: World, name: string, mood: Mood) => {
  const account = accounts[name]
  if (account) account.mood = (method, path) => (method === 'POST' && path.endsWith('/jobs') ? mood : 'well')
}

/** The high figure of what every job here is estimated to cost. */
const HIGH = await (async () => {
  const world = await start()
  const { estimate } = await ask(world.process().context)
  return 'missing' in estimate ? 0 : (estimate.usd?.high ?? 0)
})()

/** Room for so many jobs, and not one more. */
const roomFor = (jobs: number) => (toMicros(HIGH) * jobs + 1) / 1e6

const create = (world: World, request: Partial<JobRequest> = {}, isAsync = false) =>
  ask(world.process().context, request, isAsync)
/** A creation by one of the owner's keys. */
const by = ({ context }: { context: Context }, key: string, owner = OWNER) =>
  submitJob({ ...context, caller: callerWith(key, owner) }, owner, {
    model: MODEL,
    training_file: 'file-train',
  })

const messages = async (world: World, id: string) =>
  (await jobEvents(world.process().context, OWNER, id, { limit: 100 })).data.map(({ message }) => message)

const sentTo = ({ accounts }: World) =>
  Object.values(accounts).flatMap(({ jobs, files }) => [...jobs.map(({ id }) => id), ...files])

it('a job of the tests costs something, and less than it is estimated to', () => {
  expect(HIGH).toBeGreaterThan(COST)
})

describe('a job within its budgets', () => {
  it('has the high figure of its estimate set aside, and its cost settled (LiteLLM 8: job cost is not tracked)', async () => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: 1 })
    const job = await create(world)
    expect(toJobObject(job).tunegate).toMatchObject({ reserved_usd: HIGH, cost_usd: null })
    expect(await seen(world, all)).toMatchObject({ spent_usd: 0, reserved_usd: HIGH, month: '2026-11' })
    await settle(world)
    expect(await seen(world, all)).toMatchObject({
      spent_usd: COST,
      reserved_usd: 0,
      remaining_usd: (1e6 - toMicros(COST)) / 1e6,
    })
    const [kept] = await jobsIn(world)
    expect(kept && toJobObject(kept).tunegate).toMatchObject({ reserved_usd: 0, cost_usd: COST })
  })

  it.each(['cancelled', 'failed'] as const)('that has %s: what is known of its cost counts', async end => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: 1 })
    const job = await create(world)
    const { one } = world.accounts
    if (end === 'cancelled') await commandJob(world.process().context, OWNER, job.id, 'cancel')
    else if (one)
      one.fate = native => {
        Object.assign(native, { status: 'failed', error: { code: 'x', message: 'No.', param: null } })
      }
    await settle(world)
    // OpenAI bills a cancelled job's work, and here does not tell how much it was: it counts as what was set aside.
    expect(await seen(world, all)).toMatchObject({
      spent_usd: end === 'cancelled' ? HIGH : 0,
      reserved_usd: 0,
    })
    const [kept] = await jobsIn(world)
    expect(kept && toJobObject(kept).tunegate.cost_usd).toBe(end === 'cancelled' ? null : 0)
    expect((await costs(world)).unknown).toBe(end === 'cancelled' ? 1 : 0)
  })

  it('counts in the month it began in, whenever it ends', async () => {
    const world = await start()
    world.platform.clock.time = Date.UTC(2026, 10, 30, 23, 50)
    const all = await budget(world, { monthly_limit_usd: roomFor(1) })
    await create(world)
    await expect(create(world)).rejects.toMatchObject({ status: 402 })
    world.wait(1200)
    // A new month has room of its own.
    await create(world)
    await settle(world)
    expect(await seen(world, all)).toMatchObject({ month: '2026-12', spent_usd: COST, reserved_usd: 0 })
    world.platform.clock.time = Date.UTC(2026, 10, 30)
    expect(await seen(world, all)).toMatchObject({ month: '2026-11', spent_usd: COST, reserved_usd: 0 })
  })
})

describe('a job that waits over the end of a month', () => {
  it('counts in the month in which its money was set aside, in budgets as in costs', async () => {
    const world = await start({}, ['one'])
    world.platform.clock.time = Date.UTC(2026, 10, 30, 23, 59)
    const all = await budget(world, { monthly_limit_usd: 1 })
    feel(world, 'one', 'busy')
    await create(world, {}, true)
    await tick(world.process().context)
    world.wait(3600)
    feel(world, 'one', 'well')
    await settle(world)
    expect(await seen(world, all)).toMatchObject({ month: '2026-12', spent_usd: COST, reserved_usd: 0 })
    const { results } = await costs(world, { group_by: ['day'] })
    expect(results).toMatchObject([{ day: '2026-12-01', amount: { value: COST } }])
  })
})

describe('over budget', () => {
  it('is a 402 before anything is stored, copied or asked', async () => {
    const world = await start()
    const own = await budget(world, { monthly_limit_usd: HIGH / 2, scope: { type: 'owner' }, owner: OWNER })
    await expect(create(world)).rejects.toMatchObject({
      status: 402,
      code: 'budget_exceeded',
      type: 'insufficient_quota',
      message: expect.stringMatching(new RegExp(`${own.id}.*2026-11.*\\$0 reserved.*\\$${HIGH}`)),
      tunegate: { budget: own.id, limit_usd: HIGH / 2, spent_usd: 0, reserved_usd: 0, estimate_usd: HIGH },
    })
    expect(await jobsIn(world)).toEqual([])
    expect(sentTo(world)).toEqual([])
    expect((await EVENTS.list(world.platform.store, 'job', '', { limit: 10 })).items).toEqual([])
    expect(await seen(world, own)).toMatchObject({ spent_usd: 0, reserved_usd: 0, alerts: [] })
  })

  it.each([false, true])('of two creations at once one passes (asynchronous: %s)', async isAsync => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: roomFor(1) })
    const ends = await Promise.allSettled([1, 2].map(() => create(world, {}, isAsync)))
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(ends.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { status: 402 } })
    expect(await jobsIn(world)).toHaveLength(1)
    await settle(world)
    expect(await wrongsIn(world, all)).toEqual([])
  })

  it('no option that the provider does not have makes the estimate smaller', async () => {
    const world = await start()
    await budget(world, { monthly_limit_usd: HIGH / 2 })
    for (const epoch_count of [0, 0.5, 1, -9]) {
      const options = { openai: { epoch_count } }
      const asked = create(world, { provider_options: options, drop_params: true })
      await expect(asked, String(epoch_count)).rejects.toMatchObject({ code: 'budget_exceeded' })
    }
  })

  it('of many at once as many pass as there is room for', async () => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: roomFor(7) })
    const ends = await Promise.allSettled(Array.from({ length: 24 }, () => create(world)))
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(7)
    await settle(world)
    expect(await wrongsIn(world, all)).toEqual([])
  })

  it("of several budgets each is asked; a refusal gives back what the others had set aside, and tells no one's", async () => {
    const world = await start()
    const key = await keyOf(world)
    const all = await budget(world, { monthly_limit_usd: 1 })
    const own = await budget(world, { monthly_limit_usd: 1, scope: { type: 'owner' } }, OWNER)
    const keys = await budget(world, { monthly_limit_usd: HIGH / 2, scope: { type: 'key', key_id: key } })
    const { context } = world.process()
    await expect(by({ context }, key)).rejects.toMatchObject({ tunegate: { budget: keys.id } })
    for (const each of [all, own, keys]) expect(await seen(world, each)).toMatchObject({ reserved_usd: 0 })
    // Another key is another matter.
    await by({ context }, await keyOf(world))
    for (const each of [all, own]) expect(await seen(world, each)).toMatchObject({ reserved_usd: HIGH })
    expect(await seen(world, keys)).toMatchObject({ reserved_usd: 0 })
  })

  it('says of a budget for everything nothing of what others have used', async () => {
    const world = await start()
    await budget(world, { monthly_limit_usd: roomFor(1) })
    await create(world)
    const refused = await create(world).catch((error: unknown) => error)
    expect(refused).toMatchObject({ tunegate: { spent_usd: null, reserved_usd: null } })
    expect(String(refused)).not.toMatch(/spent|reserved/)
  })

  it('with provider: "auto" is a reason not to choose a place', async () => {
    const dear = { provider: 'one', model: '*', unit: 'training_token', usd: 500, per: 1e6 } as const
    const world = await start({ prices: [{ ...dear, source: 'a test', as_of: '2026-11' }] })
    await budget(world, { monthly_limit_usd: roomFor(1) })
    const job = await create(world, { provider: 'auto' })
    expect(job.targets.map(({ connection }) => connection)).toEqual(['two'])
    const [routed] = (await jobEvents(world.process().context, OWNER, job.id, { limit: 100 })).data.filter(
      ({ message }) => message.startsWith('Routed to'),
    )
    expect(routed?.data).toMatchObject({
      rejected: [{ connection: 'one', reason: expect.stringContaining('no room for this job') }],
    })
  })
})

describe('a fallback', () => {
  it('has what the attempt before it has given back', async () => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: roomFor(1) })
    feel(world, 'one', 'poor')
    const job = await create(world, { fallback_providers: ['two'] })
    expect(job.connection).toBe('two')
    expect(await seen(world, all)).toMatchObject({ reserved_usd: HIGH })
    await settle(world)
    expect(await wrongsIn(world, all)).toEqual([])
    const [kept] = await jobsIn(world)
    expect(kept && toJobObject(kept).tunegate.attempts).toMatchObject([
      { connection: 'one', cost_usd: 0 },
      { connection: 'two', cost_usd: COST },
    ])
    expect((await costs(world)).results).toMatchObject([{ amount: { value: COST } }])
  })

  it('is refused when the budget has no room for it any more: the job fails with that', async () => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: roomFor(1) })
    const { one } = world.accounts
    if (one)
      one.fate = native => {
        Object.assign(native, {
          status: 'failed',
          error: { code: 'server_error', message: 'Oh.', param: null },
        })
      }
    const job = await create(world, { fallback_providers: ['two'] })
    await updateBudget(world.process().context, null, all.id, { monthly_limit_usd: HIGH / 2 })
    await settle(world)
    expect((await jobsIn(world))[0]).toMatchObject({
      status: 'failed',
      error: { code: 'budget_exceeded', message: expect.stringContaining(all.id) },
    })
    expect(world.accounts.two?.jobs).toEqual([])
    expect(await wrongsIn(world, all)).toEqual([])
    expect(await messages(world, job.id)).toContainEqual(expect.stringContaining('Failed by one (outage)'))
  })

  it('that is refused is no failure of its place, and the next has its turn', async () => {
    const dear = { provider: 'two', model: '*', unit: 'training_token', usd: 8, per: 1e6 } as const
    const prices = [{ ...dear, source: 'a test', as_of: '2026-11' }]
    const world = await start({ prices }, ['one', 'two', 'three'])
    const all = await budget(world, { monthly_limit_usd: 1 })
    const { one } = world.accounts
    if (one)
      one.fate = native => {
        Object.assign(native, {
          status: 'failed',
          error: { code: 'server_error', message: 'Oh.', param: null },
        })
      }
    const job = await create(world, { fallback_providers: ['two', 'three'] })
    expect(job.targets).toHaveLength(3)
    await updateBudget(world.process().context, null, all.id, { monthly_limit_usd: roomFor(1) })
    await settle(world)
    expect((await jobsIn(world))[0]).toMatchObject({ status: 'succeeded', connection: 'three' })
    expect(await messages(world, job.id)).toContainEqual(
      expect.stringContaining('Not accepted by two (budget)'),
    )
    await updateBudget(world.process().context, null, all.id, { monthly_limit_usd: 1 })
    expect((await create(world, { provider: 'auto' })).targets.map(({ connection }) => connection)).toContain(
      'two',
    )
  })
})

describe("a job's budget_limit", () => {
  it.each(['budget_limit', 'max_cost_usd'] as const)('as %s refuses what may cost more', async name => {
    const world = await start()
    await expect(create(world, { [name]: HIGH / 2 })).rejects.toMatchObject({
      status: 402,
      code: 'budget_exceeded',
      param: 'budget_limit',
      tunegate: { budget: null, limit_usd: HIGH / 2, estimate_usd: HIGH },
    })
    expect(sentTo(world)).toEqual([])
    expect(await jobsIn(world)).toEqual([])
    const job = await create(world, { [name]: HIGH })
    expect(toJobObject(job).tunegate.budget_limit_usd).toBe(HIGH)
  })

  it('is for all attempts together', async () => {
    const world = await start()
    const { one } = world.accounts
    // It acts and cannot be asked: whether that has cost anything is not known.
    if (one)
      one.mood = (method, path) => (path.includes('/jobs') ? (method === 'POST' ? 'lost' : 'ill') : 'well')
    const all = await budget(world, { monthly_limit_usd: 1 })
    await expect(
      create(world, { fallback_providers: ['two'], budget_limit: HIGH * 1.5 }),
    ).rejects.toMatchObject({
      status: 402,
      param: 'budget_limit',
      message: expect.stringMatching(/for earlier attempts/),
    })
    expect(world.accounts.two?.jobs).toEqual([])
    if (one) one.mood = () => 'well'
    await settle(world)
    expect(await wrongsIn(world, all)).toEqual([])
  })

  it('is told when it has been passed, and the job goes on: providers bill what is trained', async () => {
    const world = await start()
    const job = await create(world, { budget_limit: HIGH })
    // As if the provider had trained more than it was expected to.
    await JOBS.update(world.platform.store, job.id, value => ({
      ...value,
      request: { ...value.request, budget_limit: COST / 2 },
    }))
    await settle(world)
    expect((await jobsIn(world))[0]).toMatchObject({ status: 'succeeded', is_over_limit: true })
    const told = (await messages(world, job.id)).filter(message =>
      message.includes('more than its budget_limit'),
    )
    expect(told).toHaveLength(1)
  })
})

describe('a price that is not known', () => {
  const UNKNOWN = { model: 'gpt-5-unpriced' }

  it('is never 0: with a budget in force it is refused (users 1: spend reported as 0)', async () => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: 1000 })
    await expect(create(world, UNKNOWN)).rejects.toMatchObject({
      status: 402,
      code: 'price_unknown',
      message: expect.stringMatching(new RegExp(`${all.id}.*No price`)),
    })
    expect(sentTo(world)).toEqual([])
  })

  it('passes where every budget says so, with a warning; and is counted apart', async () => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: 1, unknown_prices: 'allow' })
    const job = await create(world, UNKNOWN)
    expect(await messages(world, job.id)).toContainEqual(expect.stringContaining('no budget counts it'))
    await settle(world)
    expect(await seen(world, all)).toMatchObject({ spent_usd: 0, reserved_usd: 0 })
    expect(await costs(world)).toMatchObject({ usd: 0, unknown: 1 })
    const [kept] = await jobsIn(world)
    expect(kept && toJobObject(kept).tunegate.cost_usd).toBeNull()
  })

  it.each([
    ['refuse', 'rejected'],
    ['allow', 'fulfilled'],
  ] as const)("with a job's own limit is as the configuration says: %s", async (unknownPrices, end) => {
    const world = await start({ unknownPrices })
    const [settled] = await Promise.allSettled([create(world, { ...UNKNOWN, budget_limit: 5 })])
    expect(settled.status).toBe(end)
  })

  it('is nobody’s business where nothing is limited', async () => {
    const world = await start()
    await create(world, UNKNOWN)
    expect(sentTo(world)).toHaveLength(2)
  })
})

describe("a batch's budget_limit", () => {
  const sweep = (budget_limit: number, max_parallel = 2) =>
    batchRequest.parse({
      jobs: Array.from({ length: 4 }, () => ({ model: MODEL, training_file: 'file-train' })),
      max_parallel,
      budget_limit,
    })

  const run = async (world: World, id: string) => {
    for (let ticks = 0; ticks < 60; ticks++) {
      const batch = await getBatch(world.process().context, OWNER, id)
      if (batch.status === 'completed') return batch
      await tick(world.process().context)
      world.wait(60)
    }
    throw new Error('The batch never ended.')
  }

  it('is for all its jobs: what runs is waited for, and what there is no room for then is refused', async () => {
    const world = await start()
    // Two jobs cost less than two are estimated to: there is room for a third, and none for a fourth.
    const limit = (toMicros(HIGH) + 2 * toMicros(COST) + 1) / 1e6
    expect(limit).toBeLessThan(HIGH + 3 * COST)
    const { id } = await createBatch(world.process().context, OWNER, sweep(limit, 4))
    const done = await run(world, id)
    expect(done.counts).toMatchObject({ succeeded: 3, failed: 1 })
    expect(done.jobs.at(-1)?.error).toMatchObject({
      code: 'budget_exceeded',
      message: expect.stringContaining(id),
    })
    expect(done).toMatchObject({ budget_limit_usd: limit, cost_usd: (3 * toMicros(COST)) / 1e6 })
    expect(await costs(world)).toMatchObject({ usd: done.cost_usd })
  })

  it("counts in its key's budget, too", async () => {
    const world = await start()
    const key = await keyOf(world)
    const keys = await budget(world, { monthly_limit_usd: 1, scope: { type: 'key', key_id: key } })
    const { context } = world.process()
    const { id } = await createBatch({ ...context, caller: callerWith(key) }, OWNER, sweep(1, 4))
    await run(world, id)
    expect(await wrongsIn(world, keys)).toEqual([])
    expect((await seen(world, keys)).spent_usd).toBe((4 * toMicros(COST)) / 1e6)
    await expect(cancelBatch(context, OWNER, id)).rejects.toMatchObject({ status: 400 })
  })
})

describe('thresholds', () => {
  const listening = async (world: World) => {
    world.platform.variables.TUNEGATE_ENCRYPTION_KEY = 'k'.repeat(32)
    const { context } = world.process()
    const { id } = await createEndpoint(context, OWNER, {
      name: 'alerts',
      url: 'https://hooks.example.com/in',
      event_types: ['tunegate.budget.alert', 'tunegate.job.attempt_failed', 'tunegate.job.overdue'],
    })
    return async () => (await listDeliveries(context, id, { limit: 100 })).data
  }

  it('are told once each: by webhook, and as an event of the job that reached them', async () => {
    const world = await start()
    const told = await listening(world)
    const limit = roomFor(2)
    const own = await budget(
      world,
      { monthly_limit_usd: limit, thresholds: [0.3, 0.9], scope: { type: 'owner' } },
      OWNER,
    )
    const first = await create(world)
    expect(await told()).toHaveLength(1)
    const second = await create(world)
    expect(await told()).toHaveLength(2)
    await settle(world)
    await create(world).catch(() => undefined)
    await settle(world)
    expect(await told()).toHaveLength(2)
    const alertsOf = async (id: string) =>
      (await messages(world, id)).filter(message => message.includes(own.id))
    expect(await alertsOf(first.id)).toMatchObject([expect.stringContaining('has reached 30 %')])
    expect(await alertsOf(second.id)).toMatchObject([expect.stringContaining('has reached 90 %')])
    expect((await seen(world, own)).alerts.map(({ threshold }) => threshold)).toEqual([0.3, 0.9])
    // A new month begins anew.
    world.wait(20 * 86_400)
    await create(world)
    expect(await told()).toHaveLength(3)
  })

  it('are told by the schedule when whoever reached them died before telling', async () => {
    const most = await (async () => {
      const world = await start()
      await listening(world)
      await budget(world, { monthly_limit_usd: roomFor(1), scope: { type: 'owner' } }, OWNER)
      const process = world.process()
      await process.run(context => ask(context))
      return process.calls
    })()
    for (let at = 1; at <= most; at++) {
      const world = await start()
      const told = await listening(world)
      await budget(world, { monthly_limit_usd: roomFor(1), scope: { type: 'owner' } }, OWNER)
      await world.process({ at, isAfter: true }).run(context => ask(context))
      await settle(world)
      // Those of the job that is there, each once.
      expect(await told()).toHaveLength(2 * (await jobsIn(world)).length)
    }
  })

  it('of a budget for everything are told to whom the admin has named', async () => {
    const world = await start()
    const told = await listening(world)
    await budget(world, { monthly_limit_usd: HIGH })
    await create(world)
    expect(await told()).toEqual([])
    await settle(world)
    await budget(world, { monthly_limit_usd: HIGH, alerts_to: OWNER })
    world.wait(20 * 86_400)
    await create(world)
    expect(await told()).toHaveLength(3)
  })

  it('and attempts that come to nothing, and deadlines', async () => {
    const world = await start()
    const told = await listening(world)
    feel(world, 'one', 'poor')
    const job = await create(world, { fallback_providers: ['two'], deadline_seconds: 60 })
    const { two } = world.accounts
    if (two) two.fate = () => undefined
    for (let ticks = 0; ticks < 3; ticks++) {
      world.wait(100)
      await tick(world.process().context)
    }
    expect((await getJob(world.process().context, OWNER, job.id)).is_overdue).toBe(true)
    expect((await told()).map(({ event_type }) => event_type).sort()).toEqual([
      'tunegate.job.attempt_failed',
      'tunegate.job.overdue',
    ])
  })
})

describe('killed anywhere', () => {
  const work = async (world: World, kill?: { at: number; isAfter: boolean }, isFalling = false) => {
    const all = await budget(world, { monthly_limit_usd: 1 })
    const own = await budget(world, { monthly_limit_usd: 1, scope: { type: 'owner' } }, OWNER)
    if (isFalling) feel(world, 'one', 'poor')
    const process = world.process(kill)
    await process.run(async context => {
      await ask(context, isFalling ? { fallback_providers: ['two'] } : {})
      for (let ticks = 0; ticks < 4; ticks++) {
        world.wait(120)
        await tick(context)
      }
    })
    return { calls: process.calls, budgets: [all, own] }
  }

  it.each([
    ['a job', false],
    ['a fallback', true],
  ])('%s leaves every account as its record says', async (_, isFalling) => {
    const { calls } = await work(await start(), undefined, isFalling)
    expect(calls).toBeGreaterThan(40)
    for (let at = 1; at <= calls; at++) {
      for (const isAfter of [false, true]) {
        const world = await start()
        const { budgets } = await work(world, { at, isAfter }, isFalling)
        world.wait(600)
        await settle(world)
        for (const each of budgets)
          expect([at, isAfter, await wrongsIn(world, each)]).toEqual([at, isAfter, []])
        const jobs = await jobsIn(world)
        expect((await costs(world)).usd).toBe((jobs.length * toMicros(COST)) / 1e6)
      }
    }
  })

  it('a refusal leaves nothing reserved', async () => {
    const refuse = async (world: World, kill?: { at: number; isAfter: boolean }) => {
      const all = await budget(world, { monthly_limit_usd: 1 })
      const own = await budget(world, { monthly_limit_usd: roomFor(1), scope: { type: 'owner' } }, OWNER)
      const process = world.process(kill)
      // The second of the budgets fills up between the look at it and the write.
      const end = await process.run(async context => {
        const ends = await Promise.allSettled([ask(context), ask(context)])
        return ends.map(({ status }) => status).sort()
      })
      return { calls: process.calls, budgets: [all, own], end }
    }
    const { calls, end } = await refuse(await start())
    expect(end).toEqual({ value: ['fulfilled', 'rejected'] })
    for (let at = 1; at <= calls; at++) {
      const world = await start()
      const { budgets } = await refuse(world, { at, isAfter: at % 2 === 0 })
      world.wait(600)
      await settle(world)
      expect((await jobsIn(world)).filter(({ status }) => status === 'succeeded').length).toBeLessThanOrEqual(
        2,
      )
      for (const each of budgets) expect([at, await wrongsIn(world, each)]).toEqual([at, []])
    }
  })

  it('a reservation that no step will settle is cleared by the schedule', async () => {
    const world = await start()
    const all = await budget(world, { monthly_limit_usd: 1 })
    const job = await create(world)
    // As of a worker that was overtaken, and wrote when all was over.
    await settle(world)
    const { context } = world.process()
    const terms = { limit_micros: 1e6, thresholds: [] }
    const ref = { holder: all.id, period: '2026-11' }
    await reserve(context, ref, { key: `${job.id}/0`, micros: 7, job: job.id }, terms)
    await reserve(context, ref, { key: 'ftjob-gone/0', micros: 7, job: 'ftjob-gone' }, terms)
    expect((await seen(world, all)).reserved_usd).toBe(0.000014)
    world.wait(7 * 3600)
    await tick(context)
    expect(await wrongsIn(world, all)).toEqual([])
  })
})

describe('who manages budgets', () => {
  const refusals = async (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      error => error.status,
    )
  const parse = (request: object) => budgetRequest.parse({ monthly_limit_usd: 1, ...request })

  it('the admin all of them; an owner its own', async () => {
    const world = await start()
    const { context } = world.process()
    const key = await keyOf(world)
    const theirs = await keyOf(world, 'other')
    const make = (manager: string | null, request: object) =>
      refusals(createBudget(context, manager, parse(request)))
    expect(await make(OWNER, { scope: { type: 'all' } })).toBe(403)
    expect(await make(OWNER, { scope: { type: 'owner' }, owner: 'other' })).toBe(403)
    expect(await make(OWNER, { scope: { type: 'key', key_id: theirs } })).toBe(404)
    expect(await make(OWNER, { scope: { type: 'key', key_id: 'key_none' } })).toBe(404)
    expect(await make(null, { scope: { type: 'owner' } })).toBe(400)
    expect(await make(OWNER, { scope: { type: 'owner' }, alerts_to: 'other' })).toBe(400)
    expect(await make(OWNER, { scope: { type: 'owner' } })).toBe('done')
    expect(await make(OWNER, { scope: { type: 'key', key_id: key } })).toBe('done')
    expect(await make(null, { scope: { type: 'key', key_id: theirs } })).toBe('done')
    const count = async (manager: string | null, owner?: string) =>
      (await listBudgets(context, manager, { limit: 100, owner })).items.length
    expect([await count(null), await count(null, 'other'), await count(OWNER)]).toEqual([3, 1, 2])
    expect(await refusals(count(OWNER, 'other'))).toBe(403)
  })

  it('the admin those of users of identity providers, too, whose owners have long names', async () => {
    const world = await start()
    const issuer = { issuer: 'https://login.example.com', owner: '{tenant}.{sub}' }
    const owner = await ownerOf(issuer, { tenant: '0'.repeat(32), sub: 'f'.repeat(32) })
    const { context } = world.process()
    await createBudget(context, null, parse({ scope: { type: 'owner' }, owner }))
    await createBudget(context, null, parse({ scope: { type: 'all' }, alerts_to: owner }))
    const query = budgetsQuery.parse({ owner })
    expect((await listBudgets(context, null, query)).items).toMatchObject([{ scope: { owner } }])
    expect((await costs(world, { owner })).usd).toBe(0)
  })

  it('what the admin has set an owner sees and does not change; what others have is not there', async () => {
    const world = await start()
    const { context } = world.process()
    const set = await createBudget(context, null, parse({ scope: { type: 'owner' }, owner: OWNER }))
    const all = await createBudget(context, null, parse({ scope: { type: 'all' } }))
    expect(await getBudget(context, OWNER, set.id)).toMatchObject({ managed_by: 'admin' })
    expect(await refusals(updateBudget(context, OWNER, set.id, { monthly_limit_usd: 9 }))).toBe(403)
    expect(await refusals(deleteBudget(context, OWNER, set.id))).toBe(403)
    for (const id of [all.id, 'budget_none']) expect(await refusals(getBudget(context, OWNER, id))).toBe(404)
    expect(await refusals(deleteBudget(context, 'other', set.id))).toBe(404)
    await deleteBudget(context, null, set.id)
    expect(await refusals(getBudget(context, null, set.id))).toBe(404)
  })

  it.each([
    { monthly_limit_usd: 0, scope: { type: 'all' } },
    { monthly_limit_usd: 0.0000001, scope: { type: 'all' } },
    { monthly_limit_usd: 1 },
    { monthly_limit_usd: 1, scope: { type: 'team' } },
    { monthly_limit_usd: 1, scope: { type: 'all' }, thresholds: [0] },
    { monthly_limit_usd: 1, scope: { type: 'all' }, unknown_prices: 'free' },
  ])('%j is no budget', request => {
    expect(budgetRequest.safeParse(request).success).toBe(false)
  })
})
