/** What goes on after training: deployments that are billed by the hour, and models that are about to be retired. */
import { describe, expect, it } from 'vitest'
import { tick } from '../../functions/schedule.ts'
import { budgetRequest, type CostsResult, costsQuery } from '../../shared/openai/index.ts'
import { deleteModel, getModel, MODELS } from '../../shared/serving/index.ts'
import { costsPage, createBudget, getBudget, toMicros, toUsd } from '../../shared/spending/index.ts'
import { deleteDeployment, deployJob, getDeployment, getJob } from '../../shared/training/index.ts'
import { JOBS } from '../../shared/training/records.ts'
import { createEndpoint, listDeliveries } from '../../shared/webhooks/index.ts'
import { type FakeBench, fault, nativeDeployment, nativeJob, startFake } from './support/fake-provider.ts'
import { jobRecord } from './support/job-record.ts'

const OWNER = 'owner'
const HOUR = 1.7
const PRICE = {
  provider: 'fake',
  model: '*',
  unit: 'hosting_hour',
  usd: HOUR,
  per: 1,
  source: 'a test',
  as_of: '2026-11',
} as const

/** A job's tune, deployed at 06:00. */
const start = async ({ isPriced = true, status = 'ready' as 'ready' | 'deploying' } = {}) => {
  const bench = startFake()
  const { context, platform, state } = bench
  if (isPriced) Object.assign(context.config, { prices: [PRICE] })
  platform.variables.TUNEGATE_ENCRYPTION_KEY = 'k'.repeat(32)
  platform.clock.time = Date.UTC(2026, 10, 20, 6)
  await JOBS.create(platform.store, jobRecord({ key: 'key_1' }))
  const { id, fine_tuned_model: name } = await getJob(context, OWNER, jobRecord().id)
  state.deployment = nativeDeployment({ status })
  await deployJob(context, OWNER, id)
  const hours = async (count: number) => {
    for (let hour = 0; hour < count; hour++) {
      platform.clock.time += 3_600_000
      await tick(context)
    }
  }
  return { ...bench, id, name: name ?? '', hours }
}

const costs = async ({ context }: FakeBench, query: object = {}) => {
  const parsed = costsQuery.parse({ start_time: Date.UTC(2026, 10, 1) / 1000, limit: 180, ...query })
  const { data } = await costsPage(context, OWNER, parsed)
  return data.flatMap(({ results }): CostsResult[] => results)
}
/** Whole sums, in dollars. */
const sumOf = async (bench: FakeBench) =>
  toUsd((await costs(bench)).reduce((total, { amount }) => total + toMicros(amount.value), 0))

describe('bills after training: a deployment', () => {
  it('is entered for each day, however often the schedule looks (users 11: idle hosting is billed)', async () => {
    const bench = await start()
    await bench.hours(42)
    await Promise.all([tick(bench.context), tick(bench.context)])
    const rows = await costs(bench, { group_by: ['day', 'line_item', 'job', 'key', 'connection', 'model'] })
    expect(rows).toMatchObject([
      { day: '2026-11-20', line_item: 'hosting', job: bench.id, key: 'key_1', amount: { value: 30.6 } },
      { day: '2026-11-21', connection: 'main', amount: { value: 40.8 }, unknown: 0 },
    ])
    expect(await sumOf(bench)).toBe(toUsd(toMicros(42 * HOUR)))
  })

  it.each([
    [
      'taken down',
      ({ context, id }: Awaited<ReturnType<typeof start>>) => deleteDeployment(context, OWNER, id),
    ],
    [
      'deleted with its model',
      ({ context, name }: Awaited<ReturnType<typeof start>>) => deleteModel(context, OWNER, name),
    ],
    [
      'gone by itself',
      async ({ context, id, state }: Awaited<ReturnType<typeof start>>) => {
        state.deployment = fault(404)
        await getDeployment(context, OWNER, id)
      },
    ],
  ])('%s costs up to then, and no more', async (_, end) => {
    const bench = await start()
    await bench.hours(30)
    bench.platform.clock.time += 1_800_000
    await end(bench)
    await bench.hours(30)
    expect(await sumOf(bench)).toBe(toUsd(toMicros(30.5 * HOUR)))
    expect((await MODELS.get(bench.platform.store, bench.name))?.value.hosting).toEqual([])
  })

  it('taken down costs no more, though a list that lags still shows it', async () => {
    const bench = await start()
    await bench.hours(2)
    const { store } = bench.platform
    const shown = await store.get('model', bench.name)
    await deleteDeployment(bench.context, OWNER, bench.id)
    await tick(bench.context)
    const { list } = store
    store.list = async query => (query.kind === 'model' && shown ? [shown] : list(query))
    await bench.hours(1)
    store.list = list
    expect(await sumOf(bench)).toBe(toUsd(toMicros(2 * HOUR)))
  })

  it('and another after it are told apart', async () => {
    const bench = await start()
    await bench.hours(2)
    await deleteDeployment(bench.context, OWNER, bench.id)
    await bench.hours(5)
    bench.state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(bench.context, OWNER, bench.id)
    await bench.hours(3)
    expect(await sumOf(bench)).toBe(toUsd(toMicros(5 * HOUR)))
  })

  it('that no one has looked at before it was taken down is taken to have been there', async () => {
    const bench = await start({ status: 'deploying' })
    bench.platform.clock.time += 1_800_000
    await deleteDeployment(bench.context, OWNER, bench.id)
    await bench.hours(2)
    expect(await sumOf(bench)).toBe(toUsd(toMicros(0.5 * HOUR)))
  })

  it('that never comes up costs nothing', async () => {
    const bench = await start({ status: 'deploying' })
    bench.state.deployment = nativeDeployment({ status: 'failed' })
    await bench.hours(30)
    expect(await sumOf(bench)).toBeLessThanOrEqual(0)
    expect((await MODELS.get(bench.platform.store, bench.name))?.value.hosting).toEqual([])
  })

  it.each([
    ['fails', 'failed', 0],
    ['comes up', 'ready', 6],
  ] as const)(
    'that is hours on its way, and then %s, is entered as what it was',
    async (_, status, hours) => {
      const bench = await start({ status: 'deploying' })
      const request = budgetRequest.parse({ scope: { type: 'owner' }, monthly_limit_usd: 100 })
      const { id } = await createBudget(bench.context, OWNER, request)
      await bench.hours(3)
      bench.state.deployment = nativeDeployment({ status })
      await bench.hours(3)
      const cost = toUsd(toMicros(hours * HOUR))
      expect(await sumOf(bench)).toBe(cost)
      expect(await getBudget(bench.context, OWNER, id)).toMatchObject({ spent_usd: cost })
    },
  )

  it('of which no price is known is counted apart, never as 0', async () => {
    const bench = await start({ isPriced: false })
    await bench.hours(30)
    expect(await costs(bench, { group_by: ['day'] })).toMatchObject([
      { day: '2026-11-20', amount: { value: 0 }, unknown: 1 },
      { day: '2026-11-21', unknown: 1 },
    ])
  })

  it('counts in budgets from when they were made, and reaches their thresholds', async () => {
    const bench = await start()
    const { context } = bench
    await bench.hours(10)
    const { id } = await createEndpoint(context, OWNER, {
      name: 'alerts',
      url: 'https://hooks.example.com/in',
      event_types: ['tunegate.budget.alert'],
    })
    const made = await createBudget(
      context,
      OWNER,
      budgetRequest.parse({ scope: { type: 'owner' }, monthly_limit_usd: 20 * HOUR, thresholds: [0.5, 1] }),
    )
    await bench.hours(8)
    expect(await getBudget(context, OWNER, made.id)).toMatchObject({ spent_usd: 8 * HOUR, alerts: [] })
    await bench.hours(40)
    expect(await getBudget(context, OWNER, made.id)).toMatchObject({
      spent_usd: toUsd(toMicros(48 * HOUR)),
      remaining_usd: 0,
    })
    const { data } = await listDeliveries(context, id, { limit: 10 })
    expect(data).toHaveLength(2)
  })

  it('costs the same wherever a write of the schedule fails', async () => {
    let failures = 0
    for (let at = 1; at <= 60; at++) {
      const bench = await start()
      const { context, platform } = bench
      const made = await createBudget(
        context,
        OWNER,
        budgetRequest.parse({ scope: { type: 'owner' }, monthly_limit_usd: 30 * HOUR }),
      )
      const { put, putAll } = platform.store
      let writes = 0
      const mayFail = () => {
        if (++writes !== at) return
        failures++
        throw new Error('the store is away')
      }
      platform.store.put = async (...args) => {
        mayFail()
        return put(...args)
      }
      platform.store.putAll = async (...args) => {
        mayFail()
        return putAll(...args)
      }
      await bench.hours(6)
      platform.store.put = put
      platform.store.putAll = putAll
      await bench.hours(40)
      await deleteDeployment(context, OWNER, bench.id)
      await bench.hours(2)
      expect([at, await sumOf(bench)]).toEqual([at, toUsd(toMicros(46 * HOUR))])
      expect((await getBudget(context, OWNER, made.id)).spent_usd).toBe(toUsd(toMicros(46 * HOUR)))
    }
    expect(failures).toBeGreaterThan(20)
  })

  it('goes on over the end of a month, in each month its part', async () => {
    const bench = await start()
    const { context, platform } = bench
    const own = await createBudget(
      context,
      OWNER,
      budgetRequest.parse({ scope: { type: 'owner' }, monthly_limit_usd: 5000 }),
    )
    platform.clock.time = Date.UTC(2026, 11, 1, 5)
    await tick(context)
    expect(await getBudget(context, OWNER, own.id)).toMatchObject({ month: '2026-12', spent_usd: 5 * HOUR })
    platform.clock.time = Date.UTC(2026, 10, 30)
    expect(await getBudget(context, OWNER, own.id)).toMatchObject({
      month: '2026-11',
      spent_usd: toUsd(toMicros((18 + 10 * 24) * HOUR)),
    })
  })
})

describe('a model whose base is about to be retired', () => {
  /** A tune of gpt-4.1-mini, which OpenAI serves until 2027-01-14. */
  const tuned = async () => {
    const bench = startFake()
    const { context, platform } = bench
    platform.clock.time = Date.UTC(2026, 8, 1)
    platform.variables.TUNEGATE_ENCRYPTION_KEY = 'k'.repeat(32)
    Object.assign(context.config, {
      connections: { ...context.config.connections, openai: { provider: 'openai' } },
    })
    const { id } = await createEndpoint(context, OWNER, {
      name: 'retiring',
      url: 'https://hooks.example.com/in',
      event_types: ['tunegate.model.retiring'],
    })
    await JOBS.create(platform.store, jobRecord())
    const { fine_tuned_model } = await getJob(context, OWNER, jobRecord().id)
    const name = fine_tuned_model ?? ''
    await MODELS.update(platform.store, name, value => ({
      ...value,
      connection: 'openai',
      account: 'openai',
      base_model: 'gpt-4.1-mini-2025-04-14',
    }))
    /** Every message there has been: old ones are removed. */
    const messages = new Set<string>()
    const told = async () => {
      for (const { event_id } of (await listDeliveries(context, id, { limit: 100 })).data)
        messages.add(event_id)
      return [...messages]
    }
    const at = async (date: string) => {
      platform.clock.time = Date.parse(date)
      await tick(context)
      await tick(context)
    }
    return { ...bench, name, told, at }
  }

  it('is told 90, 30 and 7 days ahead, once each', async () => {
    const { told, at } = await tuned()
    const seen: number[] = []
    for (const date of [
      '2026-10-01',
      '2026-10-17',
      '2026-11-20',
      '2026-12-16',
      '2026-12-30',
      '2027-01-08',
      '2027-01-13',
      '2027-01-20',
    ]) {
      await at(date)
      seen.push((await told()).length)
    }
    expect(seen).toEqual([0, 1, 1, 2, 2, 3, 3, 3])
  })

  it('is told the nearest only, when several have passed', async () => {
    const { told, at } = await tuned()
    await at('2027-01-10')
    expect(await told()).toHaveLength(1)
  })

  it('says so itself', async () => {
    const { context, name } = await tuned()
    expect(await getModel(context, OWNER, name)).toMatchObject({
      id: name,
      tunegate: {
        provider: 'openai',
        base_model: 'gpt-4.1-mini-2025-04-14',
        fine_tuning_job_id: jobRecord().id,
        retires_at: Date.UTC(2027, 0, 14) / 1000,
      },
    })
  })

  it('a model without a date is not told of', async () => {
    const bench = startFake()
    await JOBS.create(bench.platform.store, jobRecord())
    const { fine_tuned_model } = await getJob(bench.context, OWNER, jobRecord().id)
    await tick(bench.context)
    expect((await getModel(bench.context, OWNER, fine_tuned_model ?? '')).tunegate?.retires_at).toBeNull()
    expect(nativeJob().status).toBe('succeeded')
  })

  it('is looked for by what is due alone', async () => {
    const { context, platform, at } = await tuned()
    await at('2026-12-01')
    platform.store.queries.length = 0
    await tick(context)
    const ours = platform.store.queries.filter(({ kind }) => kind === 'model')
    expect(ours).toMatchObject([{ slot: 'b', partition: 'due' }])
  })
})
