/** Money over real HTTP, by the official client: budgets, limits, alerts, costs. */
import { beforeAll, describe, expect, it } from 'vitest'
import { type BudgetObject, type CostsPage, SCOPES } from '../../shared/openai/index.ts'
import { itIsJudged, type Owner, refusal, until, useBench } from './support/bench.ts'
import { isOver, jobWhen, trained, uploaded } from './support/data.ts'

const bench = useBench()
/** A new owner, by a key that may set budgets. */
const manager = () => bench.owner(undefined, SCOPES)

interface Money {
  estimated_cost_usd: number
  cost_usd: number | null
  reserved_usd: number
  key_id: string
  estimate: { usd: { high: number } }
}
const moneyOf = (job: object): Money => (job as { tunegate: Money }).tunegate

/** Of one job of a file as they are here. */
let high: number
beforeAll(async () => {
  const { client } = await manager()
  high = moneyOf(await trained(client)).estimate.usd.high
})

const half = () => Math.floor((high * 1e6) / 2) / 1e6
const limit = (jobs: number) => (Math.round(high * 1e6) * jobs + 1) / 1e6

const budgetFor = async ({ client }: Owner, fields: object): Promise<BudgetObject> =>
  client.post('/budgets', { body: { scope: { type: 'owner' }, ...fields } })
const seen = async ({ client }: Owner, { id }: BudgetObject): Promise<BudgetObject> =>
  client.get(`/budgets/${id}`)
const costsOf = async ({ client }: Owner, ...group_by: string[]): Promise<CostsPage> =>
  client.get('/costs', { query: { start_time: Math.floor(Date.now() / 1000) - 86_400, group_by } })

const create = async ({ client }: Owner, fields: object = {}) =>
  client.fineTuning.jobs.create({
    model: 'gpt-4.1-mini',
    training_file: (await uploaded(client)).id,
    ...fields,
  })
const ended = ({ client }: Owner, id: string) => jobWhen(client, id, isOver)
const jobsOf = async ({ client }: Owner) => (await client.fineTuning.jobs.list()).data

describe('a budget', () => {
  it('is made, read, listed, changed and deleted', async () => {
    const owner = await manager()
    const made = await budgetFor(owner, { monthly_limit_usd: 10, name: 'ours' })
    expect(made).toMatchObject({
      id: expect.stringMatching(/^budget_/),
      object: 'tunegate.budget',
      name: 'ours',
      scope: { type: 'owner', owner: expect.any(String) },
      managed_by: 'owner',
      monthly_limit_usd: 10,
      thresholds: [0.5, 0.8, 1],
      unknown_prices: 'refuse',
      month: new Date().toISOString().slice(0, 7),
      spent_usd: 0,
      reserved_usd: 0,
      remaining_usd: 10,
      alerts: [],
    })
    expect(await seen(owner, made)).toEqual(made)
    expect(await owner.client.get('/budgets')).toMatchObject({ data: [made], has_more: false })
    const changed = await owner.client.post(`/budgets/${made.id}`, { body: { monthly_limit_usd: 20.5 } })
    expect(changed).toMatchObject({ id: made.id, name: 'ours', monthly_limit_usd: 20.5 })
    expect(await owner.client.delete(`/budgets/${made.id}`)).toEqual({
      id: made.id,
      object: 'tunegate.budget',
      deleted: true,
    })
    expect(await refusal(seen(owner, made))).toMatchObject({ status: 404, code: 'budget_not_found' })
  })

  it('is not there for anyone else, but for the admin', async () => {
    const owner = await manager()
    const made = await budgetFor(owner, { monthly_limit_usd: 10 })
    const stranger = await manager()
    for (const [method, body] of [['GET'], ['POST', { monthly_limit_usd: 1 }], ['DELETE']] as const) {
      const call = { method, ...(body && { body }) }
      const theirs = await bench.raw(`/v1/budgets/${made.id}`, { ...call, key: stranger.key })
      expect([method, theirs.status, theirs.error.code]).toEqual([method, 404, 'budget_not_found'])
      expect((await bench.raw(`/v1/budgets/${made.id}`, { ...call, key: null })).status).toBe(401)
      expect((await bench.raw(`/v1/budgets/${made.id}`, { ...call, key: 'tg-wrong' })).status).toBe(401)
    }
    expect(await stranger.client.get('/budgets')).toMatchObject({ data: [] })
    const { adminKey } = bench.stack
    expect((await bench.raw(`/v1/budgets/${made.id}`, { key: adminKey })).json).toEqual(made)
    const { json } = await bench.raw('/v1/budgets?limit=100', { key: adminKey })
    expect((json as { data: BudgetObject[] }).data).toContainEqual(made)
  })

  it.each([
    ['scope', { scope: { type: 'all' } }, 403],
    ['owner', { owner: 'someone' }, 403],
    ['scope.key_id', { scope: { type: 'key', key_id: 'key_none' } }, 404],
    ['monthly_limit_usd', { monthly_limit_usd: -1 }, 400],
    ['thresholds[0]', { thresholds: [0] }, 400],
    ['limit', { limit: 5 }, 400],
  ])('with a wrong %s is refused', async (param, fields, status) => {
    const owner = await manager()
    const error = await refusal(budgetFor(owner, { monthly_limit_usd: 1, ...fields }))
    expect([error.status, error.param]).toEqual([status, param])
  })
})

describe('a job', () => {
  it('within its budget is settled with what it has cost: the costs sum up to what the jobs say, beside what was estimated (users 15)', async () => {
    const owner = await manager()
    const made = await budgetFor(owner, { monthly_limit_usd: limit(3) })
    const first = await create(owner)
    expect(await seen(owner, made)).toMatchObject({ reserved_usd: high, spent_usd: 0 })
    const second = await create(owner)
    const jobs = await Promise.all([first, second].map(({ id }) => ended(owner, id)))
    const spent = jobs.reduce((sum, job) => sum + Math.round((moneyOf(job).cost_usd ?? 0) * 1e6), 0) / 1e6
    expect(spent).toBeGreaterThan(0)
    const settled = await until(
      () => seen(owner, made),
      ({ reserved_usd }) => reserved_usd === 0,
    )
    expect(settled.spent_usd).toBe(spent)
    const { data, ...page } = await costsOf(owner)
    expect(page).toMatchObject({ object: 'page', has_more: false, next_page: null })
    const results = data.flatMap(bucket => bucket.results)
    expect(results).toMatchObject([{ amount: { value: spent, currency: 'usd' }, unknown: 0, job: null }])
    expect(results[0]?.estimate.value).toBeGreaterThan(0)
    const byJob = (await costsOf(owner, 'job', 'key', 'provider', 'line_item')).data.flatMap(
      bucket => bucket.results,
    )
    expect(byJob.map(({ job, key, amount }) => [job, key, amount.value]).sort()).toEqual(
      jobs.map(job => [job.id, moneyOf(job).key_id, moneyOf(job).cost_usd]).sort(),
    )
    expect(byJob[0]).toMatchObject({ provider: 'openai', line_item: 'training', model: null })
  })

  it('beyond it is a 402, and nothing of it is anywhere', async () => {
    const owner = await manager()
    const made = await budgetFor(owner, { monthly_limit_usd: half() })
    const { id } = await uploaded(owner.client)
    const [before, sent] = [bench.stored(), bench.watch()]
    const error = await refusal(
      owner.client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file: id }),
    )
    expect(error).toMatchObject({
      status: 402,
      code: 'budget_exceeded',
      type: 'insufficient_quota',
      message: expect.stringContaining(made.id),
    })
    expect(sent()).toEqual([])
    const { count: _, ...rest } = before.records
    expect(bench.stored()).toMatchObject({ records: rest })
    expect(await jobsOf(owner)).toEqual([])
  })

  it('of two at once only one has room', async () => {
    const owner = await manager()
    const made = await budgetFor(owner, { monthly_limit_usd: limit(1) })
    await bench.set({ stepMs: 20 })
    const { id: training_file } = await uploaded(owner.client)
    const ends = await Promise.allSettled(
      [1, 2].map(() => owner.client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })),
    )
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(ends.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { status: 402 } })
    expect(await jobsOf(owner)).toHaveLength(1)
    expect(await seen(owner, made)).toMatchObject({ reserved_usd: high })
  })

  it('with a budget_limit of its own is refused beyond it', async () => {
    const owner = await manager()
    for (const name of ['budget_limit', 'max_cost_usd']) {
      expect(await refusal(create(owner, { [name]: half() }))).toMatchObject({
        status: 402,
        code: 'budget_exceeded',
        param: 'budget_limit',
      })
    }
    const error = await refusal(create(owner, { budget_limit: 1, max_cost_usd: 1 }))
    expect([error.status, error.param]).toEqual([400, 'max_cost_usd'])
    expect((await create(owner, { budget_limit: high })).status).not.toBe('failed')
  })

  it('of unknown price is refused, unless the budget lets it through', async () => {
    const owner = await manager()
    const made = await budgetFor(owner, { monthly_limit_usd: 100 })
    const wish = { provider: 'openai_compatible' }
    expect(await refusal(create(owner, wish))).toMatchObject({ status: 402, code: 'price_unknown' })
    await owner.client.post(`/budgets/${made.id}`, { body: { unknown_prices: 'allow' } })
    const { id } = await create(owner, wish)
    const job = await ended(owner, id)
    expect(moneyOf(job).cost_usd).toBeNull()
    const results = await until(
      async () => (await costsOf(owner)).data.flatMap(bucket => bucket.results),
      ({ length }) => length > 0,
    )
    expect(results).toMatchObject([{ amount: { value: 0 }, unknown: 1 }])
    const events = await owner.client.fineTuning.jobs.listEvents(id, { limit: 200 })
    expect(events.data.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('no budget counts it'),
    )
  })

  it('whose provider has no room falls back only to what can be paid for', async () => {
    const owner = await manager()
    const made = await budgetFor(owner, { monthly_limit_usd: limit(1) })
    const { sandbox } = bench.stack
    const busy = () =>
      sandbox.fault({ method: 'POST', path: '/fine_tuning/jobs$', kind: 'status', status: 429, times: 3 })
    busy()
    // No price is known there.
    const compatible = { fallback_providers: ['openai_compatible/gpt-4.1-mini'] }
    expect((await refusal(create(owner, compatible))).status).toBe(429)
    expect(await jobsOf(owner)).toEqual([])
    expect((await seen(owner, made)).reserved_usd).toBe(0)
    sandbox.clearFaults()
    const { id } = await create(owner, compatible)
    const events = await owner.client.fineTuning.jobs.listEvents(id, { limit: 200 })
    expect(events.data.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('Not tried at openai_compatible'),
    )
  })
})

describe('an alert', () => {
  it('reaches a webhook, signed, once for each threshold', async () => {
    const owner = await manager()
    const { receiver } = bench.stack.sandbox
    const { signing_secret } = (await owner.client.post('/webhook_endpoints', {
      body: { name: 'alerts', url: receiver.url('alerts'), event_types: ['tunegate.budget.alert'] },
    })) as { signing_secret: string }
    const made = await budgetFor(owner, { monthly_limit_usd: limit(2), thresholds: [0.4, 0.9] })
    const { id } = await create(owner)
    await create(owner)
    const heard = await until(
      async () => {
        await bench.stack.tick()
        return receiver.received('alerts')
      },
      ({ length }) => length >= 2,
      100,
    )
    const events = await Promise.all(
      heard.map(({ body, headers }) => owner.client.webhooks.unwrap(body, headers, signing_secret)),
    )
    expect(events.map(event => ({ ...event }))).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({
          type: 'tunegate.budget.alert',
          data: expect.objectContaining({ id: made.id, threshold: 0.4, monthly_limit_usd: limit(2) }),
        }),
      ]),
    )
    await bench.stack.tick()
    expect(receiver.received('alerts')).toHaveLength(2)
    const { data } = await owner.client.fineTuning.jobs.listEvents(id, { limit: 200 })
    expect(data.map(({ message }) => message)).toContainEqual(expect.stringContaining('has reached 40 %'))
  })
})

describe('costs', () => {
  it("are an owner's own; the admin's are everyone's, or one owner's", async () => {
    const owner = await manager()
    const job = await trained(owner.client)
    await until(
      async () => (await costsOf(owner)).data.flatMap(({ results }) => results),
      ({ length }) => length > 0,
    )
    const stranger = await manager()
    expect((await costsOf(stranger)).data.flatMap(({ results }) => results)).toEqual([])
    const start = Math.floor(Date.now() / 1000) - 86_400
    const forbidden = await bench.raw(`/v1/costs?start_time=${start}&owner=${job.organization_id}`, {
      key: stranger.key,
    })
    expect(forbidden).toMatchObject({ status: 403, error: { param: 'owner' } })
    const { adminKey: key } = bench.stack
    const jobsIn = async (query: string) =>
      (
        (await bench.raw(`/v1/costs?start_time=${start}&group_by=job${query}`, { key })).json as CostsPage
      ).data
        .flatMap(({ results }) => results)
        .map(each => each.job)
    expect(await jobsIn(`&owner=${job.organization_id}`)).toEqual([job.id])
    expect((await jobsIn('')).length).toBeGreaterThan(1)
  })

  it('come by the day, in pages', async () => {
    const owner = await manager()
    const start_time = Math.floor(Date.now() / 1000) - 9 * 86_400
    const days: string[] = []
    for (let page: string | null | undefined; page !== null; ) {
      const answer: CostsPage = await owner.client.get('/costs', {
        query: { start_time, limit: 4, ...(page && { page }) },
      })
      expect(answer.data.length).toBeLessThanOrEqual(4)
      days.push(...answer.data.map(bucket => new Date(bucket.start_time * 1000).toISOString()))
      page = answer.next_page
    }
    expect(days).toHaveLength(10)
    expect(new Set(days).size).toBe(10)
  })

  it.each([
    ['start_time', ''],
    ['end_time', 'start_time=1700000000&end_time=1600000000'],
    ['bucket_width', 'start_time=1700000000&bucket_width=1h'],
    ['page', 'start_time=1700000000&page=page_1'],
    ['group_by', 'start_time=1700000000&group_by=user'],
    ['project_ids', 'start_time=1700000000&project_ids=x'],
  ])('with a wrong %s are refused', async (param, query) => {
    const { key } = await manager()
    const { status, error } = await bench.raw(`/v1/costs?${query}`, { key })
    expect([status, error.param]).toEqual([400, param])
  })
})

itIsJudged(bench)
