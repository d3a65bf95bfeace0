import { describe, expect, it } from 'vitest'
import { JOB_LABEL, TERMINAL_STATUSES } from '../../../shared/openai/index.ts'
import { toBody } from '../../../shared/providers/azure/jobs.ts'
import type { JobSubmission } from '../../../shared/providers/index.ts'
import { json } from '../support/context.ts'
import { JOB_ANSWER } from './recordings.ts'
import { KEYED, start, submission, thrownBy } from './support.ts'

const { provider } = await start(() => json(JOB_ANSWER))
const checked = (parts: Partial<JobSubmission>) =>
  provider.jobs.check({ ...submission, ...parts, hasValidation: false })
const DPO = { type: 'dpo', dpo: { hyperparameters: { beta: 0.5 } } } as const

describe('a submission', () => {
  it.each(['a', 'A-z_0', 'x'.repeat(40)])('takes the suffix %j', suffix => {
    expect(checked({ suffix })).toEqual([])
    expect(toBody({ ...submission, suffix }).suffix).toBe(suffix)
  })

  it.each(['x'.repeat(41), 'two words', 'a.b', 'ü', ''])('refuses the suffix %j', suffix => {
    expect(() => checked({ suffix })).toThrow(expect.objectContaining({ status: 400, param: 'suffix' }))
  })

  it('tells that integrations have no place, and sends none', () => {
    const integrations: JobSubmission['integrations'] = [{ type: 'wandb', wandb: { project: 'p' } }]
    expect(checked({ integrations })).toMatchObject([{ param: 'integrations' }])
    expect(toBody({ ...submission, integrations })).not.toHaveProperty('integrations')
    expect(checked({ integrations: [] })).toEqual([])
    expect(checked({ integrations: null })).toEqual([])
  })

  it.each(['standard', 'globalstandard', 'developerTier'])('has the training type %s', training_type => {
    expect(checked({ options: { training_type } })).toEqual([])
    expect(toBody({ ...submission, options: { training_type } })).toMatchObject({
      trainingType: training_type,
    })
  })

  it('has no training type of its own accord', () => {
    expect(toBody(submission)).not.toHaveProperty('trainingType')
  })

  it.each([0, 0.5, 2])('weighs the loss of prompts with %d, beside the other hyperparameters', weight => {
    const options = { prompt_loss_weight: weight }
    expect(toBody({ ...submission, options }).method).toEqual({
      type: 'supervised',
      supervised: { hyperparameters: { prompt_loss_weight: weight } },
    })
    const method = { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3 } } } as const
    expect(toBody({ ...submission, method, options }).method).toEqual({
      type: 'supervised',
      supervised: { hyperparameters: { n_epochs: 3, prompt_loss_weight: weight } },
    })
  })

  it.each([
    [{ training_type: 'GlobalStandard' }, 'provider_options.azure.training_type', 'invalid_value'],
    [{ training_type: 1 }, 'provider_options.azure.training_type', 'invalid_value'],
    [{ prompt_loss_weight: -0.1 }, 'provider_options.azure.prompt_loss_weight', 'invalid_value'],
    [{ prompt_loss_weight: '1' }, 'provider_options.azure.prompt_loss_weight', 'invalid_value'],
    [{ trainingType: 'standard' }, 'provider_options.azure.trainingType', 'unknown_parameter'],
    [{ constructor: 1 }, 'provider_options.azure.constructor', 'unknown_parameter'],
  ])('refuses the options %j', (options, param, code) => {
    expect(() => checked({ options })).toThrow(expect.objectContaining({ status: 400, param, code }))
  })

  it('weighs the loss of prompts in supervised training only', () => {
    expect(() => checked({ options: { prompt_loss_weight: 1 }, method: DPO })).toThrow(
      expect.objectContaining({ status: 400, param: 'provider_options.azure.prompt_loss_weight' }),
    )
  })

  it('keeps its method: DPO stays DPO (Portkey 10: the method was deleted, and DPO trained as SFT)', () => {
    expect(toBody({ ...submission, method: DPO }).method).toEqual(DPO)
    expect(toBody({ ...submission, method: DPO, options: { training_type: 'standard' } }).method).toEqual(DPO)
  })

  it.each([
    ['2024-10-21', false],
    ['2024-08-01-preview', false],
    ['2024-10-22-preview', true],
    ['2025-04-01-preview', true],
    ['preview', true],
    [undefined, true],
  ])('goes to the API version %s: %s, where it can be found again', async (apiVersion, isSent) => {
    const bench = await start(() => json(JOB_ANSWER), { ...KEYED.v1, ...(apiVersion && { apiVersion }) })
    if (isSent) await bench.provider.jobs.create(bench.channel, submission)
    else {
      expect(await thrownBy(() => bench.provider.jobs.create(bench.channel, submission))).toMatchObject({
        name: 'ApiError',
        status: 400,
        param: 'apiVersion',
      })
    }
    expect(bench.sent).toHaveLength(isSent ? 1 : 0)
  })

  it('is sent once, whatever happens: a repeat would be a second job (Portkey 18)', async () => {
    for (const status of [408, 500, 503]) {
      const bench = await start(() => json({}, status))
      await thrownBy(() => bench.provider.jobs.create(bench.channel, submission))
      expect(bench.sent).toHaveLength(1)
    }
  })
})

describe('native statuses', () => {
  const ROWS = [
    ['validating_files', 'validating_files'],
    ['created', 'queued'],
    ['pending', 'queued'],
    ['queued', 'queued'],
    ['paused', 'queued'],
    ['running', 'running'],
    ['pausing', 'running'],
    ['resuming', 'running'],
    ['succeeded', 'succeeded'],
    ['failed', 'failed'],
    ['cancelled', 'cancelled'],
    ['brand_new', 'running'],
  ] as const
  it.each(ROWS)('%s is %s, and kept beside it', async (nativeStatus, status) => {
    const { channel } = await start(() => json({ ...JOB_ANSWER, status: nativeStatus }), KEYED.dated)
    expect(await provider.jobs.get(channel, 'j')).toMatchObject({ nativeStatus, status })
  })

  it.each(['canceling', 'cancelling', 'pausing', 'resuming', 'deleting', 'stopping'])(
    '%s is not the end (Portkey 16, LiteLLM 3: `canceling` was told as terminal)',
    async status => {
      const { channel } = await start(() => json({ ...JOB_ANSWER, status }), KEYED.dated)
      expect(TERMINAL_STATUSES).not.toContain((await provider.jobs.cancel(channel, 'j')).status)
    },
  )
})

describe('a job', () => {
  it('has what Azure tells', async () => {
    const { channel } = await start(() =>
      json({
        ...JOB_ANSWER,
        status: 'succeeded',
        fine_tuned_model: 'gpt-4.1-mini-2025-04-14.ft-0123456789abcdef0123456789abcdef-x',
        finished_at: 1731000999,
        trained_tokens: 1234,
        error: {},
        result_files: ['file-r'],
        suffix: 'x',
        trainingType: 'standard',
        hyperparameters: { n_epochs: 3, prompt_loss_weight: 0.1 },
      }),
    )
    expect(await provider.jobs.get(channel, 'j')).toMatchObject({
      fineTunedModel: 'gpt-4.1-mini-2025-04-14.ft-0123456789abcdef0123456789abcdef-x',
      finishedAt: 1731000999,
      trainedTokens: 1234,
      error: null,
      resultFiles: ['file-r'],
      hyperparameters: { n_epochs: 3, prompt_loss_weight: 0.1 },
    })
  })

  it('may lack all that the dated specification does not require', async () => {
    const { channel } = await start(() =>
      json({ id: 'j', status: 'pending', model: 'm', training_file: 'f' }),
    )
    expect(await provider.jobs.get(channel, 'j')).toMatchObject({
      id: 'j',
      hyperparameters: {},
      resultFiles: [],
    })
  })

  it('warns in its events', async () => {
    const event = { id: 'e', created_at: 1, level: 'warning', message: 'preempted', type: 'message' }
    const { channel } = await start(() => json({ object: 'list', data: [event] }), KEYED.dated)
    expect(await provider.jobs.events(channel, 'j', { limit: 5 })).toEqual({
      items: [{ id: 'e', created_at: 1, level: 'warn', message: 'preempted', type: 'message', data: {} }],
      hasMore: false,
    })
  })

  it('has checkpoints', async () => {
    const checkpoint = {
      id: 'c',
      created_at: 1,
      fine_tuned_model_checkpoint: 'm.ft-1:ckpt-step-7',
      step_number: 7,
      metrics: { step: 7, train_loss: 0.1, valid_loss: null },
    }
    const { channel } = await start(() => json({ object: 'list', data: [checkpoint] }), KEYED.dated)
    expect(await provider.jobs.checkpoints(channel, 'j', { limit: 5 })).toEqual({
      items: [
        {
          id: 'c',
          createdAt: 1,
          model: 'm.ft-1:ckpt-step-7',
          step: 7,
          metrics: { step: 7, train_loss: 0.1 },
        },
      ],
      hasMore: false,
    })
  })
})

describe('a job of unknown outcome', () => {
  const ours = { ...JOB_ANSWER, id: 'ftjob-native', metadata: { [JOB_LABEL]: 'ftjob-ours' } }
  const other = (n: number) => ({ ...JOB_ANSWER, id: `ftjob-${n}`, metadata: null })
  const page = (data: unknown[], has_more = false) => json({ object: 'list', data, has_more })

  it('is looked for page by page where the filter is not known', async () => {
    const pages = [page([other(1), other(2)], true), page([other(3)], true), page([other(4), ours], true)]
    const { channel, sent } = await start(() => pages.shift() ?? page([]), KEYED.dated)
    expect((await provider.jobs.find(channel, 'ftjob-ours'))?.id).toBe('ftjob-native')
    expect(sent.map(({ query }) => query.after)).toEqual([undefined, 'ftjob-2', 'ftjob-3'])
  })

  it.each([
    ['an empty list', () => page([])],
    ['an empty page that promises more', () => page([], true)],
    ['others only', () => page([other(1)])],
    ['another label', () => page([{ ...ours, metadata: { [JOB_LABEL]: 'ftjob-theirs' } }])],
  ])('is not taken out of %s', async (_name, answer) => {
    const { channel, sent } = await start(answer)
    expect(await provider.jobs.find(channel, 'ftjob-ours')).toBeUndefined()
    expect(sent).toHaveLength(1)
  })

  it('is not looked for without end', async () => {
    const { channel, sent } = await start(() => page([other(1)], true))
    expect(await provider.jobs.find(channel, 'ftjob-ours')).toBeUndefined()
    expect(sent).toHaveLength(10)
  })
})

it('jobs come in pages', async () => {
  const { channel } = await start(() =>
    json({ object: 'list', data: [JOB_ANSWER, JOB_ANSWER], has_more: true }),
  )
  const page = await provider.jobs.list(channel, { limit: 2 })
  expect([page.items.length, page.hasMore]).toEqual([2, true])
})
