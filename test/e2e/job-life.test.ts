/** What becomes of a job: found, listed, steered, watched, its results taken. */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { itIsJudged, refusal, until, useBench } from './support/bench.ts'
import { ask, isOver, jobWhen, LESSON, trained, uploaded } from './support/data.ts'

const bench = useBench()

type Job = OpenAI.FineTuning.FineTuningJob

/** A job that is under way and stays so until the pace is changed. */
const running = async () => {
  await bench.set({ stepMs: 50 })
  const owner = await bench.owner()
  const { id: training_file } = await uploaded(owner.client)
  const { id } = await owner.client.fineTuning.jobs.create({
    model: 'gpt-4.1-mini',
    training_file,
    hyperparameters: { n_epochs: 50, batch_size: 1 },
  })
  const job = await jobWhen(owner.client, id, ({ status }) => status === 'running')
  return { ...owner, job }
}

/** The provider's view of a job. */
const native = async ({ id }: Job) => {
  const { jobs } = await bench.state()
  return jobs.items.find(({ metadata }) => metadata.tunegate_job === id)
}

describe('fine_tuning.jobs.retrieve', () => {
  it('follows a job to its end, and then knows everything about it', async () => {
    const { client } = await bench.owner()
    const job = await trained(client)
    expect(job).toMatchObject({
      status: 'succeeded',
      error: null,
      fine_tuned_model: expect.stringMatching(/^ft:gpt-4\.1-mini-2025-04-14:/),
      hyperparameters: { n_epochs: 10, batch_size: 4, learning_rate_multiplier: 1 },
      tunegate: { native_status: 'succeeded' },
    })
    expect(job.finished_at).toBeGreaterThanOrEqual(job.created_at)
    expect(await client.fineTuning.jobs.retrieve(job.id)).toEqual(job)
  })

  it('tells the tokens trained on', async () => {
    const { client } = await bench.owner()
    const [once, twice] = [
      await trained(client, { hyperparameters: { n_epochs: 1 } }),
      await trained(client, { hyperparameters: { n_epochs: 2 } }),
    ]
    expect(once.trained_tokens).toBeGreaterThan(0)
    expect(twice.trained_tokens).toBe(2 * (once.trained_tokens ?? 0))
  })

  it('does not ask the provider about a job that is over', async () => {
    const { client } = await bench.owner()
    const { id } = await trained(client)
    const sent = bench.watch()
    await client.fineTuning.jobs.retrieve(id)
    expect(sent()).toEqual([])
  })

  it('answers 404 to an id that never was', async () => {
    const { client } = await bench.owner()
    expect(await refusal(client.fineTuning.jobs.retrieve('ftjob-none'))).toMatchObject({
      status: 404,
      code: 'job_not_found',
      param: 'fine_tuning_job_id',
    })
  })
})

describe('fine_tuning.jobs.list', () => {
  const several = async (client: OpenAI, metadata: (Record<string, string> | undefined)[]) => {
    const { id: training_file } = await uploaded(client)
    const ids: string[] = []
    for (const each of metadata) {
      const params = { model: 'gpt-4.1-mini', training_file, ...(each && { metadata: each }) }
      ids.push((await client.fineTuning.jobs.create(params)).id)
    }
    return ids
  }
  const idsOf = ({ data }: { data: Job[] }) => data.map(({ id }) => id)

  it('is newest first and pages with limit and after', async () => {
    const { client } = await bench.owner()
    expect((await client.fineTuning.jobs.list()).data).toEqual([])
    const ids = (await several(client, [undefined, undefined, undefined])).toReversed()
    expect(idsOf(await client.fineTuning.jobs.list())).toEqual(ids)
    const first = await client.fineTuning.jobs.list({ limit: 2 })
    expect([idsOf(first), first.has_more]).toEqual([ids.slice(0, 2), true])
    const second = await client.fineTuning.jobs.list({ limit: 2, after: ids[1] ?? '' })
    expect([idsOf(second), second.has_more]).toEqual([ids.slice(2), false])
  })

  it('is walked by the client page by page, every job once', async () => {
    const { client } = await bench.owner()
    const ids = await several(client, Array.from({ length: 5 }))
    const seen: string[] = []
    for await (const { id } of client.fineTuning.jobs.list({ limit: 2 })) seen.push(id)
    expect(seen).toEqual(ids.toReversed())
  })

  it('filters by metadata: all pairs given must match', async () => {
    const { client } = await bench.owner()
    const [a, b, both] = await several(client, [
      { team: 'a' },
      { team: 'b' },
      { team: 'a', stage: 'x y' },
      undefined,
    ])
    const filtered = async (metadata: Record<string, string>) =>
      idsOf(await client.fineTuning.jobs.list({ metadata }))
    expect(await filtered({ team: 'a' })).toEqual([both, a])
    expect(await filtered({ team: 'b' })).toEqual([b])
    expect(await filtered({ team: 'a', stage: 'x y' })).toEqual([both])
    expect(await filtered({ team: 'c' })).toEqual([])
  })

  it('finds the jobs without metadata by metadata=null', async () => {
    const { key, client } = await bench.owner()
    const [, plain] = await several(client, [{ team: 'a' }, undefined])
    const { json } = await bench.raw('/v1/fine_tuning/jobs?metadata=null', { key })
    expect(idsOf(json as { data: Job[] })).toEqual([plain])
  })

  it.each(['limit=0', 'limit=101', 'limit=x'])('refuses ?%s', async query => {
    expect(await bench.raw(`/v1/fine_tuning/jobs?${query}`)).toMatchObject({
      status: 400,
      error: { param: 'limit', code: 'invalid_value' },
    })
  })
})

describe('fine_tuning.jobs.cancel', () => {
  it('ends the job here and at the provider', async () => {
    const { client, job } = await running()
    const cancelled = await client.fineTuning.jobs.cancel(job.id)
    expect(cancelled).toMatchObject({ id: job.id, status: 'cancelled', fine_tuned_model: null })
    expect(cancelled.finished_at).toBeGreaterThanOrEqual(job.created_at)
    expect((await native(job))?.status).toBe('cancelled')
    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({ status: 'cancelled' })
  })

  it.each(['cancel', 'pause', 'resume'] as const)('refuses to %s a job that is over', async command => {
    const { client } = await bench.owner()
    const { id } = await trained(client)
    expect(await refusal(client.fineTuning.jobs[command](id))).toMatchObject({
      status: 400,
      code: 'invalid_state',
      param: 'fine_tuning_job_id',
    })
    expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({ status: 'succeeded' })
  })
})

describe('fine_tuning.jobs.pause and resume', () => {
  it('stop the training and let it go on to its end', async () => {
    const { client, job } = await running()
    const paused = await client.fineTuning.jobs.pause(job.id)
    // OpenAI's own client knows no status "paused": the provider's word stands beside.
    expect(paused).toMatchObject({ status: 'queued', tunegate: { native_status: 'paused' } })
    await bench.set({ stepMs: 0 })
    const step = (await native(job))?.step
    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({
      tunegate: { native_status: 'paused' },
    })
    expect(await native(job)).toMatchObject({ status: 'paused', step })
    await client.fineTuning.jobs.resume(job.id)
    expect(await jobWhen(client, job.id, isOver)).toMatchObject({ status: 'succeeded' })
  })

  it("pass on the provider's refusal, and change nothing", async () => {
    const { client, job } = await running()
    const error = await refusal(client.fineTuning.jobs.resume(job.id))
    expect(error).toMatchObject({ status: 400 })
    expect(error.message).toContain('Cannot resume')
    expect((await native(job))?.status).toBe('running')
    await client.fineTuning.jobs.cancel(job.id)
  })
})

describe('other verbs and methods under a job', () => {
  it.each([
    ['POST', '/stop', 404],
    ['POST', '/cancel/now', 404],
    ['POST', '/Cancel', 404],
    ['POST', '/events', 405],
    ['POST', '/checkpoints', 405],
    ['POST', '', 405],
    ['DELETE', '', 405],
    ['PUT', '', 405],
    ['GET', '/cancel', 405],
    ['DELETE', '/cancel', 405],
    ['PATCH', '/pause', 405],
    ['GET', '/anything', 404],
  ])('%s …%s is answered %s and leaves the job alone', async (method, path, status) => {
    const { key, client, job } = await running()
    const sent = bench.watch()
    const answer = await bench.raw(`/v1/fine_tuning/jobs/${job.id}${path}`, { key, method })
    expect(answer).toMatchObject({
      status,
      error: { code: status === 404 ? 'unknown_url' : 'method_not_allowed' },
    })
    if (status === 405) expect(answer.headers.get('allow')).toMatch(/^[A-Z]+(, [A-Z]+)*$/)
    expect(sent()).toEqual([])
    expect((await native(job))?.status).toBe('running')
    await client.fineTuning.jobs.cancel(job.id)
  })
})

describe('fine_tuning.jobs.listEvents', () => {
  const walked = async (client: OpenAI, id: string, limit?: number) => {
    const events: OpenAI.FineTuning.FineTuningJobEvent[] = []
    for await (const event of client.fineTuning.jobs.listEvents(id, limit ? { limit } : {}))
      events.push(event)
    return events
  }
  const places = (messages: string[], ...needles: string[]) =>
    needles.map(needle => messages.findIndex(message => message.includes(needle)))

  it('tells every event once, newest first, whatever the size of the pages', async () => {
    const { client } = await bench.owner()
    const { id } = await trained(client)
    const whole = await walked(client, id, 1000)
    expect(new Set(whole.map(event => event.id)).size).toBe(whole.length)
    expect(whole.map(({ created_at }) => created_at)).toEqual(
      whole.map(({ created_at }) => created_at).toSorted((a, b) => b - a),
    )
    const messages = whole.map(({ message }) => message)
    const steps = messages.flatMap(message => /^Step (\d+)\//.exec(message)?.[1] ?? []).map(Number)
    expect(steps).toEqual(Array.from({ length: 50 }, (_, index) => 50 - index))
    const order = places(
      messages,
      'successfully completed',
      'New fine-tuned model',
      'job started',
      'Validating training',
      'Created fine-tuning job',
    )
    expect(order.every(place => place >= 0)).toBe(true)
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    for (const limit of [1, 7, 20]) expect(await walked(client, id, limit)).toEqual(whole)
  })

  it('loses and doubles nothing when it is read while the job runs', async () => {
    const { client, job } = await running()
    const seen = new Set<string>()
    for (let reads = 0; reads < 5; reads++) {
      await until(
        async () => (await client.fineTuning.jobs.listEvents(job.id, { limit: 5 })).data[0]?.id ?? '',
        id => id !== '' && !seen.has(id),
      )
      for (const { id } of await walked(client, job.id, 3)) seen.add(id)
    }
    await bench.set({ stepMs: 0 })
    await jobWhen(client, job.id, isOver)
    const whole = await walked(client, job.id, 1000)
    const ids = whole.map(({ id }) => id)
    expect([...seen].filter(id => !ids.includes(id))).toEqual([])
    const steps = whole.flatMap(({ message }) => /^Step (\d+)\//.exec(message)?.[1] ?? [])
    expect(new Set(steps).size).toBe(steps.length)
    expect(steps).toHaveLength(50 * 20)
  })

  it("carries metrics under OpenAI's names", async () => {
    const { client } = await bench.owner()
    const { id } = await trained(client, { hyperparameters: { n_epochs: 1 } })
    const metrics = (await walked(client, id)).filter(({ type }) => type === 'metrics')
    expect(metrics).toHaveLength(5)
    for (const { data } of metrics)
      expect(data).toMatchObject({
        step: expect.any(Number),
        train_loss: expect.any(Number),
        train_mean_token_accuracy: expect.any(Number),
      })
  })

  it('ends with the whole story when the job failed', async () => {
    const { client } = await bench.owner()
    // The gateway takes either kind of line; the provider trains chats with the method supervised only.
    const { id: training_file } = await client.files.create({
      file: new File(
        [
          `${'{"input":{"messages":[{"role":"user","content":"q"}]},"preferred_output":[{"role":"assistant","content":"a"}],"non_preferred_output":[{"role":"assistant","content":"b"}]}\n'.repeat(10)}`,
        ],
        'd.jsonl',
      ),
      purpose: 'fine-tune',
    })
    const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    const job = await jobWhen(client, id, isOver)
    expect(job).toMatchObject({ status: 'failed', error: { param: 'training_file' }, fine_tuned_model: null })
    expect(job.error?.message).toContain('Line 1')
    expect((await walked(client, id))[0]).toMatchObject({ level: 'error' })
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['order=asc', 'order'],
    ['after=nonsense', 'after'],
  ])('refuses ?%s', async (query, param) => {
    const { key, client } = await bench.owner()
    const { id } = await trained(client, { hyperparameters: { n_epochs: 1 } })
    const answer = await bench.raw(`/v1/fine_tuning/jobs/${id}/events?${query}`, { key })
    expect(answer).toMatchObject({ status: 400, error: { param } })
  })
})

describe('fine_tuning.jobs.checkpoints.list', () => {
  it('is newest first and pages; each checkpoint is a model that answers', async () => {
    const { client } = await bench.owner()
    const { id, fine_tuned_model } = await trained(client, { hyperparameters: { n_epochs: 5 } })
    const { data, has_more } = await client.fineTuning.jobs.checkpoints.list(id)
    expect(has_more).toBe(false)
    expect(data.map(({ step_number }) => step_number)).toEqual([25, 20, 15])
    for (const checkpoint of data) {
      expect(checkpoint).toEqual({
        id: expect.stringMatching(/^ftckpt_/),
        object: 'fine_tuning.job.checkpoint',
        created_at: expect.any(Number),
        fine_tuned_model_checkpoint: `${fine_tuned_model}:ckpt-step-${checkpoint.step_number}`,
        fine_tuning_job_id: id,
        step_number: checkpoint.step_number,
        metrics: expect.objectContaining({ step: checkpoint.step_number, train_loss: expect.any(Number) }),
      })
      expect(await ask(client, checkpoint.fine_tuned_model_checkpoint)).toBe(LESSON.answer)
    }
    const walked: string[] = []
    for await (const each of client.fineTuning.jobs.checkpoints.list(id, { limit: 1 })) walked.push(each.id)
    expect(walked).toEqual(data.map(each => each.id))
  })

  it('knows of a checkpoint before it has been listed', async () => {
    const { client } = await bench.owner()
    const { fine_tuned_model } = await trained(client, { hyperparameters: { n_epochs: 2 } })
    expect(await ask(client, `${fine_tuned_model}:ckpt-step-10`)).toBe(LESSON.answer)
  })
})

describe('result_files', () => {
  it("are files of the owner's: found, listed and downloaded as CSV", async () => {
    const { client } = await bench.owner()
    const { result_files } = await trained(client, { hyperparameters: { n_epochs: 1 } })
    expect(result_files).toHaveLength(1)
    const [id = ''] = result_files
    const file = await client.files.retrieve(id)
    expect(file).toMatchObject({ id, purpose: 'fine-tune-results', filename: 'step_metrics.csv' })
    expect((await client.files.list({ purpose: 'fine-tune-results' })).data).toEqual([file])
    const csv = await (await client.files.content(id)).text()
    expect(Buffer.byteLength(csv)).toBe(file.bytes)
    const [header, ...rows] = csv.trimEnd().split('\n')
    expect(header?.split(',').slice(0, 2)).toEqual(['step', 'train_loss'])
    expect(rows.map(row => Number(row.split(',')[0]))).toEqual([1, 2, 3, 4, 5])
  })
})

itIsJudged(bench)
