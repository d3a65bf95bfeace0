/** Requests are compared with those that @google/genai 3.1.0 made for the same intent. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ApiError } from '../../../shared/openai/index.ts'
import type { JobSubmission } from '../../../shared/providers/provider.ts'
import { capabilities } from '../../../shared/providers/vertex_ai/capabilities.ts'
import { adapterSize } from '../../../shared/providers/vertex_ai/hyperparameters.ts'
import { vertexAi } from '../../../shared/providers/vertex_ai/index.ts'
import { jobs, toBody, toList } from '../../../shared/providers/vertex_ai/jobs.ts'
import { fromLabel, JOB_LABEL_KEY, toLabel } from '../../../shared/providers/vertex_ai/labels.ts'
import { fromJob, tuningJob, tuningJobList } from '../../../shared/providers/vertex_ai/native-job.ts'
import { nativeStatus, toStatus } from '../../../shared/providers/vertex_ai/status.ts'
import { channelOf, SETTINGS, wire } from './support/channel.ts'

const LABEL = 'ftjob-0W3kqAbCdEfGhIjKlMnOpQr'
const SUBMISSION: JobSubmission = {
  label: LABEL,
  model: 'gemini-3.5-flash',
  trainingFile: 'gs://bucket/train.jsonl',
  validationFile: 'gs://bucket/val.jsonl',
  suffix: 'my-tuned',
  seed: null,
  metadata: {},
  integrations: null,
  method: {
    type: 'supervised',
    supervised: { hyperparameters: { n_epochs: 3, learning_rate_multiplier: 1 } },
  },
  options: {
    adapter_size: 4,
    export_last_checkpoint_only: false,
    description: 'd',
    labels: { tenant: 't1' },
  },
}

/** What Vertex answered the recordings with. */
const SUCCEEDED = {
  name: 'projects/123/locations/us-central1/tuningJobs/456',
  state: 'JOB_STATE_SUCCEEDED',
  createTime: '2026-11-20T00:00:00Z',
  startTime: '2026-11-20T00:01:00Z',
  endTime: '2026-11-20T01:00:00Z',
  updateTime: '2026-11-20T01:00:00Z',
  baseModel: 'gemini-3.5-flash',
  tunedModel: {
    model: 'projects/123/locations/us-central1/models/789@1',
    endpoint: 'projects/123/locations/us-central1/endpoints/1011',
  },
  tuningDataStats: {
    supervisedTuningDataStats: {
      tuningDatasetExampleCount: '100',
      totalBillableTokenCount: '12345',
      tuningStepCount: '50',
    },
  },
  supervisedTuningSpec: { trainingDatasetUri: 'gs://b/t.jsonl' },
}
const native = (more: object = {}) => fromJob(tuningJob.parse({ ...SUCCEEDED, ...more }))

describe('recordings', () => {
  it('create', async () => {
    const { channel, requests } = channelOf(() => ({ body: SUCCEEDED }))
    await jobs.create(channel, SUBMISSION)
    expect(requests.map(wire)).toEqual([
      {
        method: 'POST',
        host: 'us-central1-aiplatform.googleapis.com',
        path: '/v1beta1/projects/proj-x/locations/us-central1/tuningJobs',
        query: {},
        body: {
          baseModel: 'gemini-3.5-flash',
          supervisedTuningSpec: {
            trainingDatasetUri: 'gs://bucket/train.jsonl',
            validationDatasetUri: 'gs://bucket/val.jsonl',
            // The SDK writes this int64 as a number, the protocol as a string: both are read the same.
            hyperParameters: { epochCount: '3', learningRateMultiplier: 1, adapterSize: 'ADAPTER_SIZE_FOUR' },
            exportLastCheckpointOnly: false,
          },
          tunedModelDisplayName: 'my-tuned',
          description: 'd',
          labels: { tenant: 't1', tunegate_job: toLabel(LABEL) },
        },
      },
    ])
    expect(requests[0]?.repeat).toBe('if-refused')
  })

  it('get', async () => {
    const { channel, requests } = channelOf(() => ({ body: SUCCEEDED }))
    for (const id of [SUCCEEDED.name, '456']) await jobs.get(channel, id)
    expect(requests.map(({ method, url }) => `${method} ${url.pathname}${url.search}`)).toEqual([
      'GET /v1beta1/projects/123/locations/us-central1/tuningJobs/456',
      'GET /v1beta1/projects/proj-x/locations/us-central1/tuningJobs/456',
    ])
  })

  it('list', () => {
    expect(wire(toList(SETTINGS, { limit: 5, token: 'tok', filter: 'state="JOB_STATE_RUNNING"' }))).toEqual({
      method: 'GET',
      host: 'us-central1-aiplatform.googleapis.com',
      path: '/v1beta1/projects/proj-x/locations/us-central1/tuningJobs',
      query: { pageSize: '5', pageToken: 'tok', filter: 'state="JOB_STATE_RUNNING"' },
    })
  })

  it('cancel asks, then looks', async () => {
    const { channel, requests } = channelOf(({ method }) =>
      method === 'POST' ? { body: {} } : { body: { ...SUCCEEDED, state: 'JOB_STATE_CANCELLING' } },
    )
    expect(await jobs.cancel(channel, SUCCEEDED.name)).toMatchObject({
      status: 'running',
      nativeStatus: 'JOB_STATE_CANCELLING',
    })
    expect(requests.map(({ method, url }) => `${method} ${url.pathname}`)).toEqual([
      'POST /v1beta1/projects/123/locations/us-central1/tuningJobs/456:cancel',
      'GET /v1beta1/projects/123/locations/us-central1/tuningJobs/456',
    ])
    expect(requests[0]?.body).toBe('{}')
  })
})

const body = (more: Partial<JobSubmission>) =>
  toBody({ ...SUBMISSION, options: {}, ...more }, { baseModel: 'm' })

describe("peers' defects", () => {
  it('a validation file is validationDatasetUri, and absent when there is none', () => {
    expect(JSON.stringify(body({}))).not.toContain('validation_dataset')
    expect(body({ validationFile: null })).not.toHaveProperty('supervisedTuningSpec.validationDatasetUri')
  })
  it('DPO is not turned into supervised tuning', () => {
    const sent = body({ method: { type: 'dpo', dpo: { hyperparameters: { beta: 0.2, n_epochs: 2 } } } })
    expect(sent).not.toHaveProperty('supervisedTuningSpec')
    expect(sent).toHaveProperty('preferenceOptimizationSpec.hyperParameters', { epochCount: '2', beta: 0.2 })
  })
  it('batch_size does not become adapterSize', () => {
    const method = { type: 'supervised', supervised: { hyperparameters: { batch_size: 8 } } } as const
    expect(JSON.stringify(body({ method }))).not.toMatch(/adapter|batch/i)
  })
  it('"auto" leaves the choice to Vertex', () => {
    const auto = { n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' } as const
    const method = { type: 'supervised', supervised: { hyperparameters: auto } } as const
    expect(body({ method })).not.toHaveProperty('supervisedTuningSpec.hyperParameters')
    expect(jobs.check({ ...SUBMISSION, method, options: {}, hasValidation: false })).toEqual([])
  })
  it('the tuned model is its endpoint, neither the model resource nor its display name', () => {
    expect(native({ tunedModelDisplayName: 'my-tuned' }).fineTunedModel).toBe(SUCCEEDED.tunedModel.endpoint)
    expect(native({ tunedModel: { model: 'projects/1/locations/l/models/2' } }).fineTunedModel).toBeNull()
  })
  it('times are seconds, and null where they are none', () => {
    expect(native().finishedAt).toBe(Date.UTC(2026, 10, 20, 1) / 1000)
    expect(native({ endTime: undefined }).finishedAt).toBeNull()
    expect(native({ endTime: 'soon' }).finishedAt).toBeNull()
    expect(native({ endTime: '2026-11-20T01:00:00.123456000Z' }).finishedAt).toBe(
      Date.UTC(2026, 10, 20, 1) / 1000,
    )
  })
  it('one odd job does not break the list', () => {
    const page = tuningJobList.parse({
      tuningJobs: [
        { name: 'a' },
        { name: 'b', supervisedTuningSpec: null, tunedModel: [], labels: 3, state: 7 },
        SUCCEEDED,
      ],
    })
    expect(page.tuningJobs.map(fromJob).map(({ id, status }) => [id, status])).toEqual([
      ['a', 'running'],
      ['b', 'running'],
      [SUCCEEDED.name, 'succeeded'],
    ])
    expect(tuningJobList.parse({}).tuningJobs).toEqual([])
  })
  it('says how it was asked for, without the label', () => {
    const asked = native({
      createTime: '2026-11-20T09:00:00Z',
      tunedModelDisplayName: 'cards',
      labels: { team: 'a', [JOB_LABEL_KEY]: toLabel('ftjob-1') },
      supervisedTuningSpec: { trainingDatasetUri: 'gs://b/t', validationDatasetUri: 'gs://b/v' },
    })
    expect(asked.origin).toEqual({
      label: 'ftjob-1',
      createdAt: Date.UTC(2026, 10, 20, 9) / 1000,
      trainingFile: 'gs://b/t',
      validationFile: 'gs://b/v',
      suffix: 'cards',
      metadata: { team: 'a' },
    })
    const preference = { trainingDatasetUri: 'gs://b/p', validationDatasetUri: 7 }
    expect(
      native({ supervisedTuningSpec: undefined, preferenceOptimizationSpec: preference }).origin,
    ).toMatchObject({ trainingFile: 'gs://b/p', validationFile: null })
  })
  it('pages go by the token that the page before gave (Portkey 14: an object’s id was sent as the token)', async () => {
    const { channel, requests } = channelOf(({ url }) => ({
      body: {
        tuningJobs: [SUCCEEDED],
        ...(url.searchParams.has('pageToken') ? {} : { nextPageToken: 'tok-2' }),
      },
    }))
    const one = await jobs.list(channel, { limit: 1 })
    expect([one.hasMore, one.next]).toEqual([true, 'tok-2'])
    const two = await jobs.list(channel, { limit: 1, after: one.next })
    expect([two.hasMore, two.next]).toEqual([false, undefined])
    expect(requests.map(({ url }) => url.searchParams.get('pageToken'))).toEqual([null, 'tok-2'])
    const empty = channelOf(() => ({ body: { nextPageToken: '' } }))
    expect((await jobs.list(empty.channel, { limit: 1 })).hasMore).toBe(false)
  })
  it('events, checkpoints, pause and resume are no jobs of their own', () => {
    expect(vertexAi.jobs).not.toHaveProperty('pause')
    expect(vertexAi.jobs).not.toHaveProperty('events')
  })
  it.each(['events', '456:cancel', 'projects/1/locations/l/models/2', '../x'])(
    '%s names no job',
    async id => {
      const { channel, requests } = channelOf(() => ({ body: SUCCEEDED }))
      await expect(jobs.get(channel, id)).rejects.toThrow(/names no tuning job/)
      expect(requests).toEqual([])
    },
  )
  it('a creation is found again before it is repeated, and only by its own label', async () => {
    const other = {
      ...SUCCEEDED,
      name: 'projects/1/locations/l/tuningJobs/1',
      labels: { tunegate_job: toLabel('other') },
    }
    const mine = { ...SUCCEEDED, labels: { tunegate_job: toLabel(LABEL) } }
    const { channel, requests } = channelOf(({ url }) => ({
      // As if the filter were not obeyed.
      body:
        url.searchParams.get('pageToken') === 'p2'
          ? { tuningJobs: [mine] }
          : { tuningJobs: [other], nextPageToken: 'p2' },
    }))
    expect((await jobs.find(channel, LABEL))?.id).toBe(SUCCEEDED.name)
    expect(requests[0]?.url.searchParams.get('filter')).toBe(`labels.tunegate_job="${toLabel(LABEL)}"`)
    const none = channelOf(() => ({ body: { tuningJobs: [other] } }))
    expect(await jobs.find(none.channel, LABEL)).toBeUndefined()
    const endless = channelOf(() => ({ body: { tuningJobs: [other], nextPageToken: 'p' } }))
    await expect(jobs.find(endless.channel, LABEL)).rejects.toMatchObject({ refused: false })
  })
})

describe('statuses', () => {
  it.each([
    ['JOB_STATE_UNSPECIFIED', undefined, 'running'],
    ['JOB_STATE_QUEUED', undefined, 'queued'],
    ['JOB_STATE_QUEUED', 'TUNING_JOB_STATE_WAITING_FOR_QUOTA', 'queued'],
    ['JOB_STATE_PENDING', undefined, 'queued'],
    ['JOB_STATE_PAUSED', undefined, 'queued'],
    ['JOB_STATE_RUNNING', undefined, 'running'],
    ['JOB_STATE_RUNNING', 'TUNING_JOB_STATE_WAITING_FOR_QUOTA', 'queued'],
    ['JOB_STATE_RUNNING', 'TUNING_JOB_STATE_WAITING_FOR_CAPACITY', 'queued'],
    ['JOB_STATE_RUNNING', 'TUNING_JOB_STATE_PROCESSING_DATASET', 'validating_files'],
    ['JOB_STATE_RUNNING', 'TUNING_JOB_STATE_TUNING', 'running'],
    ['JOB_STATE_RUNNING', 'TUNING_JOB_STATE_POST_PROCESSING', 'running'],
    ['JOB_STATE_RUNNING', 'TUNING_JOB_STATE_NEW', 'running'],
    ['JOB_STATE_UPDATING', undefined, 'running'],
    ['JOB_STATE_CANCELLING', undefined, 'running'],
    ['JOB_STATE_CANCELLED', undefined, 'cancelled'],
    ['JOB_STATE_SUCCEEDED', 'TUNING_JOB_STATE_POST_PROCESSING', 'succeeded'],
    ['JOB_STATE_PARTIALLY_SUCCEEDED', undefined, 'succeeded'],
    ['JOB_STATE_FAILED', undefined, 'failed'],
    ['JOB_STATE_EXPIRED', undefined, 'failed'],
    ['JOB_STATE_NEW', undefined, 'running'],
    ['constructor', undefined, 'running'],
    ['', undefined, 'running'],
  ])('%s %s → %s', (state, detail, status) => expect(toStatus(state, detail)).toBe(status))

  it('a change of what a running job does is a change of its native status', () => {
    expect(nativeStatus('JOB_STATE_RUNNING', 'TUNING_JOB_STATE_TUNING')).toBe(
      'JOB_STATE_RUNNING/TUNING_JOB_STATE_TUNING',
    )
    expect(nativeStatus('JOB_STATE_SUCCEEDED', 'TUNING_JOB_STATE_TUNING')).toBe('JOB_STATE_SUCCEEDED')
  })
})

describe('what is refused or left out', () => {
  const drops = (more: Partial<JobSubmission>) =>
    jobs.check({ ...SUBMISSION, options: {}, hasValidation: false, ...more }).map(({ param }) => param)
  const supervised = (hyperparameters: object) =>
    ({ type: 'supervised', supervised: { hyperparameters } }) as const

  it.each<[string, Partial<JobSubmission>, string[]]>([
    ['nothing', {}, []],
    [
      'batch_size',
      { method: supervised({ batch_size: 8 }) },
      ['method.supervised.hyperparameters.batch_size'],
    ],
    [
      'batch_size of DPO',
      { method: { type: 'dpo', dpo: { hyperparameters: { batch_size: 8 } } } },
      ['method.dpo.hyperparameters.batch_size'],
    ],
    ['seed', { seed: 0 }, ['seed']],
    ['integrations', { integrations: [{ type: 'wandb', wandb: { project: 'p' } }] }, ['integrations']],
    ['no integrations', { integrations: [] }, []],
  ])('%s', (_, more, params) => expect(drops(more)).toEqual(params))

  it.each<[Record<string, unknown>, string]>([
    [{ adapter_size: 3 }, 'provider_options.vertex_ai.adapter_size'],
    [{ adapter_size: 'huge' }, 'provider_options.vertex_ai.adapter_size'],
    [{ adapter_size: 32 }, 'provider_options.vertex_ai.adapter_size'],
    [{ epoch_count: 0 }, 'provider_options.vertex_ai.epoch_count'],
    [{ epochs: 1 }, 'provider_options.vertex_ai.epochs'],
    [{ labels: { Tenant: 'x' } }, 'provider_options.vertex_ai.labels.Tenant'],
    [{ labels: { tenant: 'X' } }, 'provider_options.vertex_ai.labels.tenant'],
    [{ labels: { tunegate_job: 'x' } }, 'provider_options.vertex_ai.labels'],
    [{ learning_rate_multiplier: -1 }, 'provider_options.vertex_ai.learning_rate_multiplier'],
    [{ epoch_count: 2 }, 'provider_options.vertex_ai.epoch_count'],
  ])('%j', (options, param) => {
    const check = () => drops({ options, method: supervised({ n_epochs: 3 }) })
    expect(check).toThrow(ApiError)
    expect(check).toThrow(expect.objectContaining({ status: 400, param }))
  })

  it('reinforcement', () => {
    const method = { type: 'reinforcement', reinforcement: { grader: { type: 'string_check' } } } as const
    expect(() => drops({ method })).toThrow(
      expect.objectContaining({ param: 'method.type', code: 'feature_unsupported' }),
    )
  })
})

it.each<[1 | 2 | 4 | 8 | 16 | 'small' | 'medium' | 'large', string]>([
  [1, 'ADAPTER_SIZE_ONE'],
  [2, 'ADAPTER_SIZE_TWO'],
  [4, 'ADAPTER_SIZE_FOUR'],
  [8, 'ADAPTER_SIZE_EIGHT'],
  [16, 'ADAPTER_SIZE_SIXTEEN'],
  ['small', 'ADAPTER_SIZE_ONE'],
  ['medium', 'ADAPTER_SIZE_FOUR'],
  ['large', 'ADAPTER_SIZE_SIXTEEN'],
])('adapter_size %s is %s', (size, name) => expect(adapterSize(size)).toBe(name))

it('options have their places', () => {
  const options = { epoch_count: 2, learning_rate_multiplier: 0.5, service_account: 'a@b', kms_key_name: 'k' }
  const method = { type: 'supervised' } as const
  expect(body({ options, method, suffix: null, validationFile: null })).toEqual({
    baseModel: 'm',
    supervisedTuningSpec: {
      trainingDatasetUri: 'gs://bucket/train.jsonl',
      hyperParameters: { epochCount: '2', learningRateMultiplier: 0.5 },
    },
    serviceAccount: 'a@b',
    encryptionSpec: { kmsKeyName: 'k' },
    labels: { tunegate_job: toLabel(LABEL) },
  })
})

describe('tuning on', () => {
  const sent = async (model: string, options = {}) => {
    const { channel, requests } = channelOf(({ method }) =>
      method === 'POST'
        ? { body: SUCCEEDED }
        : {
            body: {
              deployedModels: [
                { id: '1', model: 'projects/1/locations/l/models/7', modelVersionId: '2', checkpointId: '5' },
              ],
            },
          },
    )
    await jobs.create(channel, { ...SUBMISSION, model, options })
    const last = requests.at(-1)
    return last && wire(last).body
  }
  it.each([
    [
      'a model',
      'projects/1/locations/l/models/7@3',
      {},
      { tunedModelName: 'projects/1/locations/l/models/7@3' },
    ],
    [
      'a checkpoint',
      'projects/1/locations/l/models/7@3',
      { checkpoint_id: '2' },
      { tunedModelName: 'projects/1/locations/l/models/7@3', checkpointId: '2' },
    ],
    [
      'an endpoint',
      'projects/1/locations/l/endpoints/9',
      {},
      { tunedModelName: 'projects/1/locations/l/models/7@2', checkpointId: '5' },
    ],
  ])('from %s', async (_, model, options, preTunedModel) => {
    const request = await sent(model, options)
    expect(request).toMatchObject({ preTunedModel })
    expect(request).not.toHaveProperty('baseModel')
  })
  it('a base model has no checkpoints', async () => {
    await expect(sent('gemini-3.5-flash', { checkpoint_id: '1' })).rejects.toThrow(/checkpoints/)
  })
})

describe('a job that is told', () => {
  it('keeps what it trained on, and by what', () => {
    const spec = { hyperParameters: { epochCount: '3', learningRateMultiplier: 0.5 } }
    expect(native({ supervisedTuningSpec: spec })).toMatchObject({
      trainedTokens: 12345,
      hyperparameters: { n_epochs: 3, batch_size: 'auto', learning_rate_multiplier: 0.5 },
      method: { type: 'supervised' },
      facts: { examples: 100, billable_tokens: 12345, steps: 50 },
    })
    expect(native({ tuningDataStats: undefined }).trainedTokens).toBeNull()
    expect(
      native({
        supervisedTuningSpec: undefined,
        preferenceOptimizationSpec: { hyperParameters: { beta: 0.1 } },
      }).method,
    ).toMatchObject({ type: 'dpo', dpo: { hyperparameters: { beta: 0.1 } } })
  })
  it('has its error', () => {
    expect(native({ state: 'JOB_STATE_FAILED', error: { code: 3, message: 'line 4' } }).error).toEqual({
      code: 'INVALID_ARGUMENT',
      message: 'line 4',
      param: null,
    })
    expect(native({ state: 'JOB_STATE_EXPIRED' }).error).toMatchObject({ code: 'JOB_STATE_EXPIRED' })
    expect(native().error).toBeNull()
  })
  it('has its checkpoints by their endpoints, newest first', () => {
    const checkpoints = [
      { checkpointId: '1', epoch: '1', step: '10', endpoint: 'e1' },
      { checkpointId: '2', epoch: '2', step: '20', endpoint: 'e2' },
      { checkpointId: '3', epoch: '3', step: '30' },
    ]
    expect(native({ tunedModel: { ...SUCCEEDED.tunedModel, checkpoints } }).checkpoints).toEqual([
      { id: '2', createdAt: 1795136400, model: 'e2', step: 20, metrics: { step: 20, epoch: 2 } },
      { id: '1', createdAt: 1795136400, model: 'e1', step: 10, metrics: { step: 10, epoch: 1 } },
    ])
  })
})

describe('labels', () => {
  it('hold an id in what Google takes', () => expect(toLabel(LABEL)).toMatch(/^[a-z0-9_-]{1,63}$/))
  it('lose nothing', () => {
    const ids = fc.string({ unit: 'binary-ascii', maxLength: 39 })
    fc.assert(
      fc.property(ids, id => {
        expect(toLabel(id)).toMatch(/^[a-z2-7]{0,63}$/)
        expect(fromLabel(toLabel(id))).toBe(id)
      }),
    )
  })
  it('tell upper from lower case', () => expect(toLabel('ftjob-a')).not.toBe(toLabel('ftjob-A')))
  it('of others are none of ours', () => expect(fromLabel('Not-Ours')).toBeUndefined())
})

describe('capabilities', () => {
  it('retire what is retired', () => {
    const model = (name: string) => capabilities.models.find(({ names }) => names.includes(name))
    expect(model('gemini-2.5-flash')?.servedUntil).toBe('2026-10-16')
    for (const name of ['gemini-3.5-flash', 'gemini-3.5-flash-lite', 'gemini-3.1-flash-lite'])
      expect(model(name)).toMatchObject({ methods: ['supervised', 'dpo'], servedUntil: null })
    expect(capabilities.maxFileBytes).toBe(1024 ** 3)
  })
})
