/** Money on a real D1: many at once, a batch, and a deployment of the sandbox's Azure that is billed by the hour. */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { type BudgetObject, type CostsPage, SCOPES } from '../../shared/openai/index.ts'
import type { BatchObject } from '../../shared/training/index.ts'
import { datasetFile, SANDBOX, startGateway, until } from '../support/gateway.ts'
import { providerVariables } from '../support/providers.ts'

const MODEL = 'gpt-4.1-mini'

interface Money {
  cost_usd: number | null
  estimate: { usd: { high: number } }
}
const moneyOf = (job: object): Money => (job as { tunegate: Money }).tunegate

const upload = async (client: OpenAI) =>
  (await client.files.create({ file: datasetFile(40), purpose: 'fine-tune' })).id

const highOf = async (client: OpenAI, training_file: string): Promise<number> => {
  const answer = (await client.post('/fine_tuning/estimates', {
    body: { model: MODEL, training_file },
  })) as { estimates: { usd: { high: number } }[] }
  return answer.estimates[0]?.usd.high ?? 0
}

const setBudget = (client: OpenAI, monthly_limit_usd: number): Promise<BudgetObject> =>
  client.post('/budgets', { body: { scope: { type: 'owner' }, monthly_limit_usd } })
const seen = (client: OpenAI, { id }: BudgetObject): Promise<BudgetObject> => client.get(`/budgets/${id}`)

describe('a limit', () => {
  it('of many creations at once lets through as many as there is room for', async () => {
    const gateway = startGateway()
    const client = await gateway.client(await gateway.key(undefined, SCOPES))
    const training_file = await upload(client)
    const high = await highOf(client, training_file)
    const budget = await setBudget(client, (Math.round(high * 1e6) * 3 + 1) / 1e6)
    const ends = await Promise.allSettled(
      Array.from({ length: 12 }, () => client.fineTuning.jobs.create({ model: MODEL, training_file })),
    )
    const made = ends.flatMap(end => (end.status === 'fulfilled' ? [end.value] : []))
    expect(made).toHaveLength(3)
    for (const end of ends)
      if (end.status === 'rejected')
        expect(end.reason).toMatchObject({ status: 402, code: 'budget_exceeded' })
    let spent = 0
    for (const { id } of made) {
      const job = await until(client, id, 'succeeded')
      spent += Math.round((moneyOf(job).cost_usd ?? 0) * 1e6)
    }
    expect(await seen(client, budget)).toMatchObject({ spent_usd: spent / 1e6, reserved_usd: 0 })
  })
})

describe('a batch', () => {
  it('trains what its budget_limit has room for, and says what it had none for', async () => {
    const gateway = startGateway()
    const client = await gateway.client()
    const training_file = await upload(client)
    const high = await highOf(client, training_file)
    const request = { model: MODEL, training_file }
    const { id } = (await client.post('/fine_tuning/batches', {
      body: { jobs: [request, request, request], max_parallel: 3, budget_limit: high },
    })) as BatchObject
    const read = (): Promise<BatchObject> => client.get(`/fine_tuning/batches/${id}`)
    await gateway.tick()
    expect((await read()).counts).toMatchObject({ running: 1, waiting: 2 })
    for (let ticks = 0; ticks < 20 && (await read()).status === 'running'; ticks++) {
      for (const job of (await read()).jobs) if (job.id) await client.fineTuning.jobs.retrieve(job.id)
      await gateway.tick(60)
    }
    const done = await read()
    expect(done).toMatchObject({ status: 'completed', counts: { succeeded: 1, failed: 2 } })
    expect(done.jobs.map(({ error }) => error?.code)).toEqual([
      undefined,
      'budget_exceeded',
      'budget_exceeded',
    ])
    const [first] = done.jobs
    const job = await client.fineTuning.jobs.retrieve(first?.id ?? '')
    expect(done.cost_usd).toBe(moneyOf(job).cost_usd)
  })
})

describe('a deployment', () => {
  it('is billed by the hour from when it was asked for until it is taken down', async () => {
    const gateway = startGateway({ variables: await providerVariables(SANDBOX) })
    const client = await gateway.client()
    const training_file = await upload(client)
    const { id } = await client.fineTuning.jobs.create({
      model: 'gpt-4.1-mini-2025-04-14',
      training_file,
      ...({ provider: 'azure' } as object),
    })
    const trained = await until(client, id, 'succeeded')
    await client.post(`/fine_tuning/jobs/${id}/deploy`)
    for (let looks = 0; looks < 50; looks++) {
      const { status } = (await client.get(`/fine_tuning/jobs/${id}/deployment`)) as { status: string }
      if (status === 'ready') break
    }
    await gateway.tick(3 * 3600)
    await client.delete(`/fine_tuning/jobs/${id}/deployment`)
    await gateway.tick()
    await gateway.tick(12 * 3600)
    const start_time = Math.floor(Date.now() / 1000) - 86_400
    const page: CostsPage = await client.get('/costs', {
      query: { start_time, end_time: start_time + 5 * 86_400, group_by: ['line_item', 'connection', 'job'] },
    })
    const results = page.data.flatMap(bucket => bucket.results)
    const hosting = results.filter(({ line_item }) => line_item === 'hosting')
    const total = hosting.reduce((sum, { amount }) => sum + amount.value, 0)
    // Three hours and what the test itself takes.
    expect(total).toBeGreaterThanOrEqual(3 * 1.7)
    expect(total).toBeLessThan(3.2 * 1.7)
    for (const each of hosting) expect(each).toMatchObject({ connection: 'azure', job: id, unknown: 0 })
    const training = results.filter(({ line_item }) => line_item === 'training')
    expect(training).toMatchObject([{ amount: { value: moneyOf(trained).cost_usd } }])
  })
})
