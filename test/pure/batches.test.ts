import { describe, expect, it } from 'vitest'
import { tick } from '../../functions/schedule.ts'
import { type BatchRequest, batchRequest } from '../../shared/openai/index.ts'
import {
  cancelBatch,
  combinations,
  createBatch,
  getBatch,
  listBatches,
  suggest,
  summariseBatch,
} from '../../shared/training/index.ts'
import { addDataset, jobsIn, MODEL, OWNER } from './support/placing.ts'
import { createWorld, type World } from './support/world.ts'

const REQUEST = { model: MODEL, training_file: 'file-train' }
const sweep = (parts: Partial<BatchRequest> = {}): BatchRequest =>
  batchRequest.parse({
    request: REQUEST,
    grid: { n_epochs: [1, 2, 3], learning_rate_multiplier: [0.5, 2] },
    max_parallel: 2,
    ...parts,
  })

const start = async (): Promise<World> => {
  const world = createWorld(['one'])
  await addDataset(world)
  return world
}

const underWay = ({ accounts }: World) =>
  accounts.one?.jobs.filter(({ status }) => status === 'queued' || status === 'running').length ?? 0

/** Ticks until the batch is over. @returns the most jobs that were under way at once */
const run = async (world: World, id: string): Promise<number> => {
  let most = 0
  for (let ticks = 0; ticks < 60; ticks++) {
    const { status } = await getBatch(world.process().context, OWNER, id)
    if (status === 'completed' || status === 'cancelled') return most
    await tick(world.process().context)
    most = Math.max(most, underWay(world))
    world.wait(60)
  }
  throw new Error('The batch never ended.')
}

describe('a grid', () => {
  it('is every combination, in order', () => {
    expect(combinations({ n_epochs: [1, 2], batch_size: ['auto', 8] })).toEqual([
      { n_epochs: 1, batch_size: 'auto' },
      { n_epochs: 1, batch_size: 8 },
      { n_epochs: 2, batch_size: 'auto' },
      { n_epochs: 2, batch_size: 8 },
    ])
  })
})

describe('a batch', () => {
  it('trains each combination once, so many at once', async () => {
    const world = await start()
    const { context } = world.process()
    const batch = await createBatch(context, OWNER, sweep())
    expect(batch).toMatchObject({ status: 'running', counts: { total: 6, waiting: 6 } })
    expect(await run(world, batch.id)).toBe(2)
    const done = await getBatch(context, OWNER, batch.id)
    expect(done).toMatchObject({ status: 'completed', counts: { succeeded: 6, waiting: 0 } })
    expect(done.finished_at).toEqual(expect.any(Number))
    expect(world.accounts.one?.jobs).toHaveLength(6)
    const methods = (await jobsIn(world)).map(({ method }) => method)
    expect(new Set(methods.map(method => JSON.stringify(method))).size).toBe(6)
    expect((await listBatches(context, OWNER, { limit: 10 })).items.map(({ id }) => id)).toEqual([batch.id])
    expect((await summariseBatch(context, OWNER, batch.id)).ranking.map(({ rank }) => rank)).toEqual([
      1, 2, 3, 4, 5, 6,
    ])
  })

  it('goes where a header or the query of its request says, though it is started without them', async () => {
    const world = createWorld(['one', 'two'])
    await addDataset(world)
    const { context } = world.process()
    const batch = await createBatch({ ...context, provider: 'two' }, OWNER, sweep())
    await run(world, batch.id)
    expect(world.accounts.one?.jobs).toEqual([])
    expect(world.accounts.two?.jobs).toHaveLength(6)
  })

  it('is refused with credentials in the headers of its request: its jobs would be trained on others', async () => {
    const world = createWorld(['one'], { requestCredentials: true })
    await addDataset(world)
    const context = { ...world.process().context, credentials: { api_key: 'sk-own' } }
    await expect(createBatch(context, OWNER, sweep())).rejects.toMatchObject({
      status: 400,
      param: 'api_key',
    })
    expect((await listBatches(context, OWNER, { limit: 10 })).items).toEqual([])
  })

  it('may be killed anywhere: no job is trained twice', async () => {
    const small = sweep({ grid: { n_epochs: [1, 2] } })
    for (let at = 1; at < 80; at += 3) {
      const world = await start()
      const { id } = await createBatch(world.process().context, OWNER, small)
      const mortal = world.process({ at, isAfter: at % 2 === 0 })
      await mortal.run(async context => {
        for (let ticks = 0; ticks < 3; ticks++) {
          await tick(context)
          world.wait(60)
        }
      })
      world.wait(600)
      await run(world, id)
      expect((await getBatch(world.process().context, OWNER, id)).counts.succeeded).toBe(2)
      expect(world.accounts.one?.jobs).toHaveLength(2)
    }
  })

  it('that is cancelled starts nothing more and ends what runs', async () => {
    const world = await start()
    const { one } = world.accounts
    if (one) one.fate = job => void (job.status === 'queued' && Object.assign(job, { status: 'running' }))
    const { id } = await createBatch(world.process().context, OWNER, sweep())
    for (let ticks = 0; ticks < 3; ticks++) {
      await tick(world.process().context)
      world.wait(60)
    }
    expect(underWay(world)).toBe(2)
    expect((await cancelBatch(world.process().context, OWNER, id)).status).toBe('cancelling')
    await run(world, id)
    expect(await getBatch(world.process().context, OWNER, id)).toMatchObject({
      status: 'cancelled',
      counts: { cancelled: 2, waiting: 4 },
    })
    expect(underWay(world)).toBe(0)
    await expect(cancelBatch(world.process().context, OWNER, id)).rejects.toMatchObject({ status: 400 })
  })

  it('is refused as a whole when one of its jobs would be, naming it', async () => {
    const world = await start()
    const { context } = world.process()
    const jobs = [REQUEST, { ...REQUEST, training_file: 'file-none' }]
    await expect(createBatch(context, OWNER, batchRequest.parse({ jobs }))).rejects.toMatchObject({
      status: 404,
      param: 'jobs[1].training_file',
    })
    expect(await jobsIn(world)).toEqual([])
  })

  it("is its owner's alone", async () => {
    const world = await start()
    const { context } = world.process()
    const { id } = await createBatch(context, OWNER, sweep())
    for (const verb of [getBatch, cancelBatch, summariseBatch])
      await expect(verb(context, 'other', id)).rejects.toMatchObject({ status: 404 })
  })

  it.each([
    [{}],
    [{ request: REQUEST }],
    [{ jobs: [REQUEST], request: REQUEST, grid: { n_epochs: [1] } }],
    [{ request: REQUEST, grid: {} }],
    [{ request: REQUEST, grid: { n_epochs: [0] } }],
    [{ jobs: [REQUEST], max_parallel: 0 }],
  ])('%j is no batch', body => {
    expect(batchRequest.safeParse(body).success).toBe(false)
  })
})

describe('suggestions', () => {
  it("rest on the owner's own jobs of the same model and a similar size", async () => {
    const world = await start()
    const { context } = world.process()
    const { id } = await createBatch(context, OWNER, sweep({ grid: { n_epochs: [1, 2] } }))
    await run(world, id)
    const suggestion = await suggest(context, OWNER, REQUEST)
    expect(suggestion).toMatchObject({ model: MODEL, examples: 10 })
    expect(suggestion.jobs.map(({ id }) => id).sort()).toEqual(
      (await jobsIn(world)).map(({ id }) => id).sort(),
    )
    expect(suggestion.hyperparameters).toEqual(suggestion.jobs[0]?.hyperparameters)
    expect((await suggest(context, OWNER, { ...REQUEST, model: 'gemini-3.5-flash' })).jobs).toEqual([])
  })
})
