/** What the service would not let pass when a job is made, the sandbox does not let pass either. */
import { describe, expect, it } from 'vitest'
import { refusal, tune, useGoogle } from './support.ts'

const google = useGoogle()

const jobsIn = (region: string, version = 'v1beta1'): string =>
  `/aiplatform/${version}/projects/sandbox-project/locations/${region}/tuningJobs`

const DATA = { trainingDatasetUri: 'gs://sandbox-bucket/train.jsonl' }
const hyper = (hyperParameters: object) => ({ supervisedTuningSpec: { ...DATA, hyperParameters } })
const SUPERVISED = 'supervised_tuning_spec'

describe('a job is refused', () => {
  const TABLE: [name: string, changes: object, message: string][] = [
    ['an unknown field', { provider: 'openai' }, 'Unknown name "provider": Cannot find field.'],
    [
      'a nested unknown field',
      hyper({ epochs: 3 }),
      `Unknown name "epochs" at '${SUPERVISED}.hyper_parameters'`,
    ],
    [
      'a field of another API',
      { supervisedTuningSpec: { ...DATA, validation_dataset: 'x' } },
      'validation_dataset',
    ],
    [
      'a number for an adapter size',
      hyper({ adapterSize: 4 }),
      `'${SUPERVISED}.hyper_parameters.adapter_size' (TYPE_ENUM), 4`,
    ],
    ['a bare adapter size', hyper({ adapterSize: 'FOUR' }), '(TYPE_ENUM), "FOUR"'],
    ['an adapter too large', hyper({ adapterSize: 'ADAPTER_SIZE_THIRTY_TWO' }), 'adapter_size'],
    ['no epoch', hyper({ epochCount: 0 }), `${SUPERVISED}.hyper_parameters.epoch_count`],
    ['half an epoch', hyper({ epochCount: 1.5 }), 'epoch_count'],
    ['epochs in words', hyper({ epochCount: 'auto' }), 'epoch_count'],
    ['a learning rate of zero', hyper({ learningRateMultiplier: 0 }), 'learning_rate_multiplier'],
    ['a batch size', hyper({ batchSize: '4' }), 'batch_size cannot be set'],
    ['an absolute learning rate', hyper({ learningRate: 1 }), 'learning_rate cannot be set'],
    ['beta outside preferences', hyper({ beta: 0.1 }), '"beta"'],
    ['no dataset', { supervisedTuningSpec: {} }, `The ${SUPERVISED}.training_dataset_uri field is required.`],
    ['a dataset elsewhere', { supervisedTuningSpec: { trainingDatasetUri: 'https://a.b/c' } }, 'gs://'],
    ['no spec', { supervisedTuningSpec: undefined }, 'Exactly one tuning spec'],
    ['two specs', { preferenceOptimizationSpec: DATA }, 'Exactly one tuning spec'],
    [
      'reinforcement',
      { supervisedTuningSpec: undefined, reinforcementTuningSpec: DATA },
      'Reinforcement tuning is not available',
    ],
    ['no model', { baseModel: undefined }, 'base_model and pre_tuned_model'],
    ['two models', { preTunedModel: { tunedModelName: 'm' } }, 'base_model and pre_tuned_model'],
    ['a model that cannot be tuned', { baseModel: 'gemini-2.5-flash' }, 'Supported: gemini-3.5-flash'],
    ['a key of its own', { encryptionSpec: { kmsKeyName: 'k' } }, 'CMEK'],
    ['a long name', { tunedModelDisplayName: 'x'.repeat(129) }, 'tuned_model_display_name'],
    ['a label in capitals', { labels: { Tenant: 'x' } }, 'labels'],
    ['a label of a number', { labels: { tenant: 1 } }, 'labels.tenant'],
    ['a long label', { labels: { tenant: 'x'.repeat(64) } }, 'labels.tenant'],
  ]

  it.each(TABLE)('for %s', async (_name, changes, message) => {
    const body = { baseModel: 'gemini-3.5-flash', supervisedTuningSpec: DATA, ...changes }
    const { status, json } = await google.call('POST', jobsIn('us-central1'), body)
    expect({ status, json }).toMatchObject({
      status: 400,
      json: { error: { code: 400, status: 'INVALID_ARGUMENT' } },
    })
    expect((json as { error: { message: string } }).error.message).toContain(message)
    expect(await google.control('GET', '/google/state')).toMatchObject({ jobs: [] })
  })

  it('as the SDK shows it', async () => {
    expect(await refusal(tune(google, { baseModel: 'gpt-4.1' }))).toMatch(/^400 .*INVALID_ARGUMENT/s)
  })

  it('with the field in the details', async () => {
    const { json } = await google.call('POST', jobsIn('us-central1'), { colour: 'red' })
    expect(json).toMatchObject({
      error: {
        details: [
          { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field: 'colour' }] },
        ],
      },
    })
  })

  it('in a region that does not tune Gemini 3', async () => {
    const body = { baseModel: 'gemini-3.5-flash', supervisedTuningSpec: DATA }
    for (const region of ['us', 'global', 'asia-east1']) {
      expect(await google.call('POST', jobsIn(region), body)).toMatchObject({
        status: 400,
        json: { error: { status: 'FAILED_PRECONDITION', message: expect.stringContaining('us-central1') } },
      })
    }
    expect(await google.call('POST', jobsIn('europe-west4'), body)).toMatchObject({ status: 200 })
  })

  it('for preferences in v1, which does not know them', async () => {
    const body = { baseModel: 'gemini-3.5-flash', preferenceOptimizationSpec: DATA }
    expect(await google.call('POST', jobsIn('us-central1', 'v1'), body)).toMatchObject({
      status: 400,
      json: { error: { message: expect.stringContaining('"preferenceOptimizationSpec"') } },
    })
    expect(await google.call('POST', jobsIn('us-central1'), body)).toMatchObject({ status: 200 })
  })

  it('in a project of somebody else', async () => {
    const path = jobsIn('us-central1').replace('sandbox-project', 'other')
    for (const method of ['GET', 'POST']) {
      expect(await google.call(method, path, method === 'POST' ? {} : undefined)).toMatchObject({
        status: 403,
        json: { error: { status: 'PERMISSION_DENIED', details: [{ reason: 'IAM_PERMISSION_DENIED' }] } },
      })
    }
    const numbered = jobsIn('us-central1').replace('sandbox-project', '100000000001')
    expect(await google.call('GET', numbered)).toMatchObject({ status: 200 })
  })

  it('without JSON', async () => {
    const { status } = await google.call('POST', jobsIn('us-central1'), '{"baseModel":', {
      'content-type': 'application/json',
    })
    expect(status).toBe(400)
  })
})

it.each<[method: string, path: string, status: number]>([
  ['GET', '/1234', 404],
  ['POST', '/1234:cancel', 404],
  ['POST', '/1234:pause', 404],
  ['GET', '/1234/events', 404],
  ['POST', ':rebaseTunedModel', 501],
])('%s tuningJobs%s is %i', async (method, path, status) => {
  const answer = await google.call(method, jobsIn('us-central1') + path, method === 'POST' ? {} : undefined)
  expect(answer).toMatchObject({ status, json: { error: { code: status, status: expect.any(String) } } })
})

it('takes whole numbers as strings and as numbers', async () => {
  for (const epochCount of [2, '2']) {
    const { json } = await google.call('POST', jobsIn('us-central1'), {
      baseModel: 'gemini-3.5-flash',
      ...hyper({ epochCount, adapterSize: 'ADAPTER_SIZE_SIXTEEN' }),
    })
    expect(json).toMatchObject({
      supervisedTuningSpec: { hyperParameters: { epochCount: '2', adapterSize: 'ADAPTER_SIZE_SIXTEEN' } },
    })
  }
})
