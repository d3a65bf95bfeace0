/** Creating a fine-tuning job: what is answered, and what the provider is sent. */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { itIsJudged, useBench } from './support/bench.ts'
import {
  datasetFile,
  fileOf,
  isOver,
  jobWhen,
  preferenceLines,
  rewardLines,
  toJsonl,
  uploaded,
} from './support/data.ts'

const bench = useBench()

type Params = OpenAI.FineTuning.JobCreateParams

/** Creates a job, with what the provider got of it. */
const created = async (params: Partial<Params> = {}, lines?: readonly unknown[]) => {
  const { client } = await bench.owner()
  const file = lines ? fileOf(toJsonl(lines)) : datasetFile()
  const { id: training_file } = await uploaded(client, file)
  const sent = bench.watch()
  const job = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file, ...params })
  const request = sent().find(({ method, path }) => method === 'POST' && path === '/v1/fine_tuning/jobs')
  const body = request?.body as Record<string, unknown>
  return { client, job, training_file, body }
}

/** The provider's own id of a file. */
const NATIVE_FILE = expect.stringMatching(/^file-/)
const SEED = expect.any(Number)

describe('fine_tuning.jobs.create', () => {
  it('answers the job object, with every field of OpenAI', async () => {
    const { job, training_file } = await created()
    expect(job).toEqual({
      id: expect.stringMatching(/^ftjob-\w+$/),
      object: 'fine_tuning.job',
      created_at: expect.any(Number),
      error: null,
      estimated_finish: null,
      fine_tuned_model: null,
      finished_at: null,
      hyperparameters: { n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' },
      integrations: null,
      metadata: null,
      method: {
        type: 'supervised',
        supervised: {
          hyperparameters: { n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' },
        },
      },
      model: 'gpt-4.1-mini-2025-04-14',
      organization_id: expect.any(String),
      result_files: [],
      seed: SEED,
      status: 'validating_files',
      trained_tokens: null,
      training_file,
      validation_file: null,
      tunegate: {
        provider: 'openai',
        connection: 'openai',
        native_id: expect.stringMatching(/^ftjob-/),
        native_status: 'validating_files',
        polled_at: expect.any(Number),
        estimated_cost_usd: expect.any(Number),
        estimate: expect.objectContaining({ epochs: expect.objectContaining({ value: 5 }) }),
        estimate_missing: null,
        cost_usd: null,
        attempts: [
          {
            provider: 'openai',
            connection: 'openai',
            model: 'gpt-4.1-mini',
            native_id: expect.stringMatching(/^ftjob-/),
            started_at: expect.any(Number),
            ended_at: null,
            outcome: 'open',
            error: null,
            cost_usd: null,
          },
        ],
        is_overdue: false,
        key_id: expect.stringMatching(/^key_/),
        budget_limit_usd: null,
        reserved_usd: 0,
        webhook_url: null,
      },
    })
  })

  it('sends the provider what was asked for, its own file ids and the label, and nothing else', async () => {
    const { job, training_file, body } = await created()
    expect(body).toEqual({
      model: 'gpt-4.1-mini',
      training_file: NATIVE_FILE,
      metadata: { tunegate_job: job.id },
      method: { type: 'supervised' },
    })
    expect(body.training_file).not.toBe(training_file)
  })

  it.each<[string, Partial<Params>, object]>([
    ['a suffix', { suffix: 'support-v2' }, { suffix: 'support-v2' }],
    ['a suffix of 64 characters', { suffix: 'x'.repeat(64) }, { suffix: 'x'.repeat(64) }],
    ['a seed', { seed: 42 }, { seed: 42 }],
    ['the seed 0', { seed: 0 }, { seed: 0 }],
    [
      'integrations',
      {
        integrations: [{ type: 'wandb', wandb: { project: 'p', name: 'n', entity: 'e', tags: ['a', 'b'] } }],
      },
      {
        integrations: [{ type: 'wandb', wandb: { project: 'p', name: 'n', entity: 'e', tags: ['a', 'b'] } }],
      },
    ],
    [
      'the method supervised',
      {
        method: {
          type: 'supervised',
          supervised: { hyperparameters: { n_epochs: 2, batch_size: 4, learning_rate_multiplier: 0.5 } },
        },
      },
      {
        method: {
          type: 'supervised',
          supervised: { hyperparameters: { n_epochs: 2, batch_size: 4, learning_rate_multiplier: 0.5 } },
        },
      },
    ],
    [
      'the deprecated hyperparameters',
      { hyperparameters: { n_epochs: 3, batch_size: 'auto', learning_rate_multiplier: 2 } },
      {
        method: {
          type: 'supervised',
          supervised: { hyperparameters: { n_epochs: 3, batch_size: 'auto', learning_rate_multiplier: 2 } },
        },
      },
    ],
  ])('passes on %s, exactly', async (_what, params, sent) => {
    const { job, body } = await created(params)
    expect(body).toEqual({
      model: 'gpt-4.1-mini',
      training_file: NATIVE_FILE,
      metadata: { tunegate_job: job.id },
      method: { type: 'supervised' },
      ...sent,
    })
  })

  it.each<[string, Partial<Params>]>([
    ['suffix', { suffix: 'support-v2' }],
    ['seed', { seed: 42 }],
    ['metadata', { metadata: { team: 'a', 'key with spaces': 'ü'.repeat(200) } }],
    ['integrations', { integrations: [{ type: 'wandb', wandb: { project: 'p', tags: ['a'] } }] }],
    ['hyperparameters', { hyperparameters: { n_epochs: 3, batch_size: 4, learning_rate_multiplier: 2 } }],
  ])('tells %s back, from the start and at the end', async (field, params) => {
    const { client, job } = await created(params)
    const wanted = field === 'suffix' ? {} : params
    expect(job).toMatchObject(wanted)
    const done = await jobWhen(client, job.id, isOver)
    expect(done).toMatchObject({ ...wanted, status: 'succeeded' })
    if (params.suffix) expect(done.fine_tuned_model).toContain(`:${params.suffix}:`)
  })

  it('takes 16 pairs of metadata though the provider has room for 15 of them, and says so', async () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 16 }, (_, index) => [`key${index}`, `v${index}`]),
    )
    const { client, job, body } = await created({ metadata })
    expect(job.metadata).toEqual(metadata)
    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({ metadata })
    const { key15, ...sent } = metadata
    expect(body.metadata).toEqual({ ...sent, tunegate_job: job.id })
    const warnings = (await client.fineTuning.jobs.listEvents(job.id, { limit: 100 })).data.filter(
      ({ level }) => level === 'warn',
    )
    expect(warnings.map(({ message }) => message).join('\n')).toContain("'key15'")
  })

  it('trains with a validation file', async () => {
    const { client } = await bench.owner()
    const [training, validation] = [await uploaded(client), await uploaded(client)]
    const job = await client.fineTuning.jobs.create({
      model: 'gpt-4.1-mini',
      training_file: training.id,
      validation_file: validation.id,
    })
    expect(job.validation_file).toBe(validation.id)
    const done = await jobWhen(client, job.id, isOver)
    expect(done).toMatchObject({ status: 'succeeded', validation_file: validation.id })
    const events = await client.fineTuning.jobs.listEvents(job.id, { limit: 100 })
    expect(events.data.some(({ data }) => 'full_valid_loss' in (data as object))).toBe(true)
  })

  it('trains with the method dpo', async () => {
    const method = { type: 'dpo', dpo: { hyperparameters: { beta: 0.2, n_epochs: 2 } } } as const
    const { client, job, body } = await created({ method }, preferenceLines())
    expect(body.method).toEqual(method)
    expect(await jobWhen(client, job.id, isOver)).toMatchObject({ status: 'succeeded', method })
  })

  it('trains with the method reinforcement', async () => {
    const method = {
      type: 'reinforcement',
      reinforcement: {
        grader: {
          type: 'string_check',
          name: 'same',
          input: '{{sample.output_text}}',
          reference: '{{item.wanted}}',
          operation: 'eq',
        },
        hyperparameters: { n_epochs: 2, reasoning_effort: 'low', compute_multiplier: 1, eval_interval: 1 },
      },
    } as const
    const { client, job, body } = await created({ model: 'o4-mini', method }, rewardLines())
    expect(body).toMatchObject({ model: 'o4-mini', method })
    expect(await jobWhen(client, job.id, isOver)).toMatchObject({ status: 'succeeded', method })
  })

  it.each(['openai/gpt-4.1-mini', 'gpt-4.1-mini'])('takes the model %s', async model => {
    const { body } = await created({ model })
    expect(body.model).toBe('gpt-4.1-mini')
  })

  it.each(['provider', 'custom_llm_provider'])(
    'takes the provider from `%s` and keeps it to itself',
    async field => {
      const { body, job } = await created({ [field]: 'openai', timeout: 30 } as Partial<Params>)
      expect(Object.keys(body).toSorted()).toEqual(['metadata', 'method', 'model', 'training_file'])
      expect(job).toMatchObject({ tunegate: { provider: 'openai' } })
    },
  )

  const uploads = (requests: { method: string; path: string }[]) =>
    requests.filter(({ method, path }) => method === 'POST' && path === '/v1/files').length

  it('uploads a dataset once for all its jobs', async () => {
    const { client, training_file } = await created()
    const sent = bench.watch()
    await client.fineTuning.jobs.create({ model: 'gpt-4.1', training_file })
    expect(uploads(sent())).toBe(0)
  })

  it('uploads it again when the provider has lost it', async () => {
    const { client, job, body, training_file } = await created()
    await jobWhen(client, job.id, isOver)
    const { sandbox } = bench.stack
    const { ok } = await fetch(`${sandbox.openaiBaseUrl}/files/${body.training_file}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${sandbox.apiKey}` },
    })
    expect(ok).toBe(true)
    const sent = bench.watch()
    const again = await client.fineTuning.jobs.create({ model: 'gpt-4.1', training_file })
    expect(uploads(sent())).toBe(1)
    expect(await jobWhen(client, again.id, isOver)).toMatchObject({ status: 'succeeded' })
  })

  it('lets the provider decide about a model it does not know', async () => {
    const { client } = await bench.owner()
    const { id: training_file } = await uploaded(client)
    const jobs = bench.stored().records.job
    await expect(
      client.fineTuning.jobs.create({ model: 'gpt-9-turbo', training_file }),
    ).rejects.toMatchObject({ status: 400, code: 'model_not_available', param: 'model' })
    expect(bench.stored().records.job).toBe(jobs)
  })

  it("warns of a model's end", async () => {
    const { client, job } = await created()
    const { data } = await client.fineTuning.jobs.listEvents(job.id, { limit: 100 })
    expect(data.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      expect.stringContaining('2027-01-14'),
    ])
  })

  it('trains a tuned model further', async () => {
    const { client, job, training_file } = await created()
    const { fine_tuned_model } = await jobWhen(client, job.id, isOver)
    const next = await client.fineTuning.jobs.create({ model: fine_tuned_model ?? '', training_file })
    expect(next.model).toBe(fine_tuned_model)
    expect((await jobWhen(client, next.id, isOver)).status).toBe('succeeded')
  })
})

itIsJudged(bench)
