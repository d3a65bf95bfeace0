/** Lists, events, and telling a job what to do. */
import { describe, expect, it } from 'vitest'
import {
  chatLine,
  jobEnd,
  jobWhen,
  refusal,
  samples,
  trained,
  tunedName,
  upload,
  useSandbox,
} from './support.ts'

const bench = useSandbox()
const jobs = () => bench.client.fineTuning.jobs

/** Slow enough to be caught in the act, never slow enough to wait for. */
const HELD = 60_000

async function held(metadata?: Record<string, string>) {
  await bench.set({ stepMs: HELD })
  const training_file = await upload(bench, samples('train').map(chatLine))
  return jobs().create({ model: 'gpt-4.1-mini', training_file, seed: 5, ...(metadata && { metadata }) })
}

async function stepOf(id: string): Promise<number> {
  const { jobs } = await bench.state()
  return jobs.items.find(item => item.id === id)?.step ?? 0
}

/** Lets a held job come a few steps into its training, and holds it there. */
async function runningFor(id: string, steps: number): Promise<void> {
  await bench.set({ stepMs: 1 })
  while ((await stepOf(id)) < steps) await new Promise(resolve => setTimeout(resolve, 1))
}

describe('lists', () => {
  it('page through jobs, newest first', async () => {
    const ids: string[] = []
    for (let count = 0; count < 5; count++) ids.unshift((await held()).id)
    const found: string[] = []
    for await (const job of jobs().list({ limit: 2 })) found.push(job.id)
    expect(found).toEqual(ids)
    expect((await jobs().list({ limit: 5 })).has_more).toBe(false)
    expect((await jobs().list({ limit: 4 })).has_more).toBe(true)
    expect((await jobs().list({ after: ids[3] ?? '' })).data.map(({ id }) => id)).toEqual([ids[4]])
  })

  it('find jobs by their metadata', async () => {
    const one = await held({ tenant: 'a', run: '1' })
    const two = await held({ tenant: 'a', run: '2' })
    const none = await held()
    const found = async (metadata: Record<string, string> | null): Promise<string[]> =>
      (await jobs().list({ metadata })).data.map(({ id }) => id)
    expect(await found({ tenant: 'a' })).toEqual([two.id, one.id])
    expect(await found({ tenant: 'a', run: '1' })).toEqual([one.id])
    expect(await found({ tenant: 'b' })).toEqual([])
    const { json } = await bench.raw('GET', '/v1/fine_tuning/jobs?metadata=null')
    expect(json).toMatchObject({ data: [{ id: none.id }] })
  })

  it('give 20 events at first, and all of them page by page', async () => {
    const { id } = await trained(bench)
    expect((await jobs().listEvents(id)).data).toHaveLength(20)
    const events = []
    for await (const event of jobs().listEvents(id, { limit: 7 })) events.push(event)
    const all = (await jobs().listEvents(id, { limit: 1000 })).data
    expect(events.map(event => event.id)).toEqual(all.map(event => event.id))
    expect(new Set(events.map(event => event.id)).size).toBe(events.length)
    const messages = events.filter(({ type }) => type === 'message').map(({ message }) => message)
    expect(messages[0]).toMatch(/completed/)
    expect(messages[1]).toMatch(/^New fine-tuned model created/)
    expect(messages.at(-1)).toBe(`Created fine-tuning job: ${id}`)
  })

  it.each(['limit=0', 'limit=-1', 'limit=1.5', 'limit=many', 'after=ftjob-none'])(
    'refuse %s',
    async query => {
      const { status, json } = await bench.raw('GET', `/v1/fine_tuning/jobs?${query}`)
      expect(status).toBe(400)
      expect(json).toMatchObject({ error: { param: query.split('=')[0] } })
    },
  )

  it('know nothing of a job that is not there', async () => {
    for (const call of [
      jobs().retrieve('x'),
      jobs().listEvents('x'),
      jobs().checkpoints.list('x'),
      jobs().cancel('x'),
    ]) {
      expect(await refusal(call)).toMatchObject({ status: 404, param: 'fine_tuning_job_id' })
    }
  })
})

describe('cancel', () => {
  it('ends a job that is still checking its files, for good', async () => {
    const { id } = await held()
    const cancelled = await jobs().cancel(id)
    expect(cancelled).toMatchObject({ status: 'cancelled', fine_tuned_model: null, trained_tokens: null })
    expect(cancelled.finished_at).not.toBeNull()
    await bench.set({ stepMs: 0 })
    expect(await jobs().retrieve(id)).toEqual(cancelled)
  })

  it('ends a job in training: no model, but the tokens spent so far', async () => {
    const { id } = await held()
    await runningFor(id, 3)
    const cancelled = await jobs().cancel(id)
    const step = await stepOf(id)
    await bench.set({ stepMs: 0 })
    expect(cancelled).toMatchObject({ status: 'cancelled', fine_tuned_model: null, result_files: [] })
    expect(cancelled.trained_tokens).toBeGreaterThan(0)
    expect(await stepOf(id)).toBe(step)
    expect((await bench.state()).models.count).toBe(0)
  })

  it('ends a paused job', async () => {
    const { id } = await held()
    await runningFor(id, 1)
    await jobs().pause(id)
    expect(await jobs().cancel(id)).toMatchObject({ status: 'cancelled' })
  })
})

describe('pause and resume', () => {
  it('stop and go on with the same weights: the result is that of a job never paused', async () => {
    const { id } = await held()
    await runningFor(id, 3)
    expect(await jobs().pause(id)).toMatchObject({ status: 'paused', estimated_finish: null })
    await bench.set({ stepMs: 0 })
    const step = await stepOf(id)
    for (let count = 0; count < 20; count++) expect(await stepOf(id)).toBe(step)
    expect(await jobs().retrieve(id)).toMatchObject({ status: 'paused', fine_tuned_model: null })

    expect(await jobs().resume(id)).toMatchObject({ status: 'running' })
    const resumed = await jobEnd(bench, id)
    const whole = await trained(bench, { seed: 5 })
    const csv = async (job: typeof whole): Promise<string> =>
      (await bench.client.files.content(job.result_files[0] ?? '')).text()
    expect(await csv(resumed)).toBe(await csv(whole))
    expect(resumed.trained_tokens).toBe(whole.trained_tokens)
  })

  it('a running job estimates its end', async () => {
    const { id } = await held()
    await runningFor(id, 2)
    const job = await jobWhen(bench, id, ({ status }) => status === 'running')
    expect(job.estimated_finish).toBeGreaterThanOrEqual(job.created_at)
  })
})

describe('the wrong moment', () => {
  const actions = ['cancel', 'pause', 'resume'] as const

  it.each(actions)('a finished job cannot %s', async action => {
    const job = await trained(bench)
    expect(await refusal(jobs()[action](job.id))).toMatchObject({
      status: 400,
      code: `invalid_${action}_request`,
    })
    expect(await jobs().retrieve(job.id)).toEqual(job)
  })

  it('a job cannot be paused before it runs, nor resumed while it runs, nor paused twice', async () => {
    const { id } = await held()
    expect(await refusal(jobs().pause(id))).toMatchObject({ status: 400 })
    await runningFor(id, 1)
    expect(await refusal(jobs().resume(id))).toMatchObject({ status: 400 })
    await jobs().pause(id)
    expect(await refusal(jobs().pause(id))).toMatchObject({ status: 400 })
  })
})

describe('deleting', () => {
  it('a file under validation is refused, later it does no harm', async () => {
    const { id, training_file } = await held()
    expect(await refusal(bench.client.files.delete(training_file))).toMatchObject({ status: 409 })
    await runningFor(id, 1)
    await bench.client.files.delete(training_file)
    await bench.set({ stepMs: 0 })
    expect(await jobEnd(bench, id)).toMatchObject({ status: 'succeeded', training_file })
  })

  it('a tuned model makes it unknown everywhere', async () => {
    const name = tunedName(await trained(bench))
    expect(await bench.client.models.retrieve(name)).toMatchObject({
      id: name,
      object: 'model',
      owned_by: 'sandbox',
    })
    expect(await bench.client.models.delete(name)).toEqual({ id: name, object: 'model', deleted: true })
    const chat = bench.client.chat.completions.create({
      model: name,
      messages: [{ role: 'user', content: 'hi' }],
    })
    expect(await refusal(chat)).toMatchObject({ status: 404, code: 'model_not_found' })
    expect(await refusal(bench.client.models.retrieve(name))).toMatchObject({ status: 404 })
    expect(await refusal(bench.client.models.delete(name))).toMatchObject({ status: 404 })
  })

  it("one of OpenAI's own models is not allowed", async () => {
    expect(await refusal(bench.client.models.delete('gpt-4.1'))).toMatchObject({ status: 403 })
  })
})

describe('models', () => {
  it('are listed, the tuned ones and checkpoints too', async () => {
    const name = tunedName(await trained(bench))
    const ids: string[] = []
    for await (const model of bench.client.models.list()) ids.push(model.id)
    expect(ids).toEqual(expect.arrayContaining(['gpt-4.1-mini', 'gpt-4.1-mini-2025-04-14', 'o4-mini', name]))
    expect(ids.filter(id => id.startsWith(`${name}:ckpt-step-`))).toHaveLength(3)
  })
})
