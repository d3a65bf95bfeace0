import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jobRequest } from '../../../sandbox/aws/bedrock/job-schema.ts'
import { BASES, familyOf, trainableId } from '../../../shared/providers/bedrock/bases.ts'
import { decimal, fromNative, RANGES, toNative } from '../../../shared/providers/bedrock/hyperparameters.ts'
import { bedrock } from '../../../shared/providers/bedrock/index.ts'
import { fromJob, jobs, toBody } from '../../../shared/providers/bedrock/jobs.ts'
import { jobNameOf, modelNameOf, tagsOf } from '../../../shared/providers/bedrock/names.ts'
import { toStatus } from '../../../shared/providers/bedrock/status.ts'
import type { JobSubmission } from '../../../shared/providers/provider.ts'
import { channelTo, errorOf, SETTINGS } from './support.ts'

const NOVA = 'amazon.nova-lite-v1:0'
const HAIKU = 'anthropic.claude-3-haiku-20240307-v1:0'
const LLAMA = 'meta.llama3-1-8b-instruct-v1:0'
const ARN =
  'arn:aws:bedrock:us-east-1:123456789012:model-customization-job/amazon.nova-lite-v1:0:300k/abcdefghijkl'
const TUNE = 'arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:300k/abc'

const submission = (changed: Partial<JobSubmission> = {}): JobSubmission => ({
  label: 'ftjob-0123456789abcdef',
  model: NOVA,
  trainingFile: 's3://bucket/train.jsonl',
  validationFile: null,
  suffix: null,
  seed: null,
  metadata: {},
  integrations: null,
  method: { type: 'supervised' },
  options: {},
  ...changed,
})
const check = (changed: Partial<JobSubmission> & { hasValidation?: boolean } = {}) =>
  jobs.check({ ...submission(changed), hasValidation: changed.hasValidation ?? false })
const supervised = (hyperparameters: object) =>
  ({ type: 'supervised', supervised: { hyperparameters } }) as const

describe('a status', () => {
  const step = (status: string) => ({ status })
  it.each([
    ['InProgress', undefined, 'running'],
    ['InProgress', {}, 'running'],
    [
      'InProgress',
      {
        validationDetails: step('NotStarted'),
        dataProcessingDetails: step('NotStarted'),
        trainingDetails: step('NotStarted'),
      },
      'queued',
    ],
    ['InProgress', { trainingDetails: step('NotStarted') }, 'queued'],
    [
      'InProgress',
      { validationDetails: step('InProgress'), trainingDetails: step('NotStarted') },
      'validating_files',
    ],
    [
      'InProgress',
      { validationDetails: step('Completed'), dataProcessingDetails: step('InProgress') },
      'validating_files',
    ],
    [
      'InProgress',
      {
        validationDetails: step('Completed'),
        dataProcessingDetails: step('Completed'),
        trainingDetails: step('InProgress'),
      },
      'running',
    ],
    ['InProgress', { validationDetails: step('Completed'), trainingDetails: step('NotStarted') }, 'running'],
    ['Stopping', undefined, 'running'],
    ['Stopped', undefined, 'cancelled'],
    ['Completed', undefined, 'succeeded'],
    ['Failed', undefined, 'failed'],
    ['SomethingNew', undefined, 'running'],
  ] as const)('%s with %j is %s (Portkey 16: Stopping told as cancelled)', (native, details, status) => {
    expect(toStatus(native, details)).toBe(status)
  })
})

describe('hyperparameters (Portkey 15: learningRateMultiplier for every model)', () => {
  it.each([
    [NOVA, { n_epochs: 3 }, {}, { epochCount: '3' }],
    [NOVA, { learning_rate_multiplier: 1 }, {}, { learningRate: '0.00001' }],
    [NOVA, { learning_rate_multiplier: 0.1 }, {}, { learningRate: '0.000001' }],
    [NOVA, { learning_rate_multiplier: 10 }, {}, { learningRate: '0.0001' }],
    [NOVA, { n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' }, {}, {}],
    [NOVA, {}, { learning_rate_warmup_steps: 0 }, { learningRateWarmupSteps: '0' }],
    [HAIKU, { n_epochs: 10, batch_size: 4 }, {}, { epochCount: '10', batchSize: '4' }],
    [HAIKU, { learning_rate_multiplier: 0.5 }, {}, { learningRateMultiplier: '0.5' }],
    [
      HAIKU,
      {},
      { early_stopping_threshold: 0.001, early_stopping_patience: 2 },
      { earlyStoppingThreshold: '0.001', earlyStoppingPatience: '2' },
    ],
    [LLAMA, { learning_rate_multiplier: 3 }, {}, { learningRate: '0.0003' }],
    [LLAMA, { batch_size: 1 }, {}, {}],
    [
      'amazon.titan-text-express-v1',
      { batch_size: 64, learning_rate_multiplier: 2 },
      {},
      { batchSize: '64', learningRate: '0.00002' },
    ],
    [TUNE, { learning_rate_multiplier: 1 }, {}, { learningRate: '0.00001' }],
    [
      'new.maker-model',
      { n_epochs: 99, learning_rate_multiplier: 7 },
      {},
      { epochCount: '99', learningRateMultiplier: '7' },
    ],
  ] as const)('%s %j %j → %j', (model, given, options, native) => {
    expect(toNative(model, familyOf(model), given, options)).toEqual({ native, dropped: [] })
  })

  it.each([
    [NOVA, { n_epochs: 6 }, {}, 'n_epochs', /from 1 to 5 /],
    [
      NOVA,
      { learning_rate_multiplier: 10.1 },
      {},
      'learning_rate_multiplier',
      /from 0\.1 to 10 .*0\.000001 to 0\.0001/,
    ],
    [NOVA, { learning_rate_multiplier: 0.09 }, {}, 'learning_rate_multiplier', /0\.1 to 10/],
    [HAIKU, { learning_rate_multiplier: 2.1 }, {}, 'learning_rate_multiplier', /from 0\.1 to 2 /],
    [HAIKU, { batch_size: 3 }, {}, 'batch_size', /from 4 to 256/],
    [LLAMA, { n_epochs: 11 }, {}, 'n_epochs', /from 1 to 10/],
    [NOVA, {}, { learning_rate_warmup_steps: 101 }, 'learning_rate_warmup_steps', /from 0 to 100/],
    [HAIKU, {}, { early_stopping_patience: 11 }, 'early_stopping_patience', /from 1 to 10/],
  ] as const)('%s %j %j is refused with the range', async (model, given, options, param, message) => {
    const error = await errorOf(() => toNative(model, familyOf(model), given, options))
    expect(error).toMatchObject({ status: 400, param: expect.stringMatching(new RegExp(`\\.${param}$`)) })
    expect(error.message).toMatch(message)
  })

  it.each([
    [NOVA, { batch_size: 8 }, {}, ['method.supervised.hyperparameters.batch_size']],
    [LLAMA, { batch_size: 8 }, {}, ['method.supervised.hyperparameters.batch_size']],
    [HAIKU, {}, { learning_rate_warmup_steps: 5 }, ['provider_options.bedrock.learning_rate_warmup_steps']],
    [NOVA, {}, { early_stopping_patience: 2 }, ['provider_options.bedrock.early_stopping_patience']],
  ] as const)('%s has no place for %j %j', (model, given, options, params) => {
    const { native, dropped } = toNative(model, familyOf(model), given, options)
    expect(native).toEqual({})
    expect(dropped.map(({ param }) => param)).toEqual(params)
  })

  it('come back as they went, whatever the family', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('nova', 'claude', 'llama', 'titan'),
        fc.integer({ min: 1, max: 5 }),
        fc.double({ min: 0.1, max: 2, noNaN: true }),
        (family, n_epochs, rate) => {
          const learning_rate_multiplier = Number(rate.toPrecision(6))
          const wanted = { n_epochs, learning_rate_multiplier }
          expect(fromNative(family, toNative('m', family, wanted).native)).toEqual(wanted)
        },
      ),
    )
  })

  it.each([
    [
      'nova',
      { epochCount: '2', learningRate: '0.00001', learningRateWarmupSteps: '10' },
      { n_epochs: 2, learning_rate_multiplier: 1 },
    ],
    [
      'claude',
      { epochCount: '2', batchSize: '32', learningRateMultiplier: '1' },
      { n_epochs: 2, batch_size: 32, learning_rate_multiplier: 1 },
    ],
    ['llama', { batchSize: '1', learningRate: '1e-4' }, { batch_size: 1, learning_rate_multiplier: 1 }],
    [undefined, { epochCount: '2', learningRate: '0.1' }, { n_epochs: 2 }],
    ['nova', { epochCount: 'many' }, {}],
    ['nova', undefined, {}],
    ['nova', null, {}],
  ] as const)('%s reads %j as %j', (family, native, expected) => {
    expect(fromNative(family, native)).toEqual(expected)
  })

  it.each([
    [0.00001, '0.00001'],
    [1e-7, '0.0000001'],
    [0.1 + 0.2, '0.3'],
    [10, '10'],
    [0, '0'],
    [100, '100'],
    [1 / 3, '0.333333333333'],
  ])('%d is written %s', (value, text) => {
    expect(decimal(value)).toBe(text)
  })

  it('every default lies in its range', () => {
    for (const ranges of Object.values(RANGES))
      for (const { min, max, standard } of Object.values(ranges)) {
        expect(standard).toBeGreaterThanOrEqual(min)
        expect(standard).toBeLessThanOrEqual(max)
      }
  })
})

describe('a submission', () => {
  it.each([
    ['dpo', { type: 'dpo' }, /preferences/],
    ['reinforcement', { type: 'reinforcement', reinforcement: { grader: { type: 'x' } } }, /bedrock-mantle/],
  ] as const)('with %s is refused, never trained otherwise (Portkey 10)', async (_, method, message) => {
    for (const act of [() => check({ method }), () => toBody(SETTINGS, submission({ method }))]) {
      const error = await errorOf(act)
      expect(error).toMatchObject({ status: 400, param: 'method.type' })
      expect(error.message).toMatch(message)
    }
  })

  it('names what Bedrock has no place for', () => {
    const dropped = check({
      seed: 7,
      integrations: [{ type: 'wandb', wandb: { project: 'p' } }],
      method: supervised({ batch_size: 2 }),
    })
    expect(dropped.map(({ param }) => param)).toEqual([
      'method.supervised.hyperparameters.batch_size',
      'seed',
      'integrations',
    ])
    expect(check({ integrations: [] })).toEqual([])
  })

  it.each([
    ['amazon.nova-2-lite-v1:0', true],
    ['amazon.nova-2-lite-v1:0:256k', true],
    [NOVA, false],
    [HAIKU, false],
  ])('for %s with a validation file is refused: %s', async (model, isRefused) => {
    const act = () => check({ model, hasValidation: true })
    if (isRefused) expect(await errorOf(act)).toMatchObject({ status: 400, param: 'validation_file' })
    else expect(act()).toEqual([])
  })

  it.each([
    [{ top_k: 1 }, 'provider_options.bedrock.top_k'],
    [{ learning_rate_warmup_steps: -1 }, 'provider_options.bedrock.learning_rate_warmup_steps'],
    [{ vpc_config: { subnet_ids: [] } }, 'provider_options.bedrock.vpc_config.subnet_ids'],
    [{ role_arn: 'arn:aws:iam::123456789012:role/Admin' }, 'provider_options.bedrock.role_arn'],
  ])('with the options %j is refused for %s', async (options, param) => {
    expect(await errorOf(() => check({ options }))).toMatchObject({ status: 400, param })
  })

  it('carries its options in Bedrock’s words', () => {
    const options = {
      custom_model_kms_key_id: 'alias/k',
      vpc_config: { subnet_ids: ['subnet-1'], security_group_ids: ['sg-1'] },
      custom_model_tags: { team: 'a' },
    }
    expect(toBody({ ...SETTINGS, prefix: '/corner/' }, submission({ options }))).toMatchObject({
      customModelKmsKeyId: 'alias/k',
      vpcConfig: { subnetIds: ['subnet-1'], securityGroupIds: ['sg-1'] },
      customModelTags: [{ key: 'team', value: 'a' }],
      outputDataConfig: { s3Uri: 's3://bucket/corner/results/' },
    })
  })

  it('leaves out what was not asked for', () => {
    const body = toBody(SETTINGS, submission())
    expect(Object.keys(body)).not.toContain('hyperParameters')
    expect(Object.keys(body)).not.toContain('validationDataConfig')
    expect(toBody(SETTINGS, submission())).toEqual(body)
  })

  it('has names that Bedrock takes, whatever it is called', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 64 }),
        fc.stringMatching(/^[0-9A-Za-z]{12,30}$/),
        fc.dictionary(
          fc.string({ unit: 'grapheme', minLength: 1, maxLength: 64 }),
          fc.string({ maxLength: 300 }),
          { maxKeys: 16 },
        ),
        (suffix, id, metadata) => {
          const body = toBody(SETTINGS, submission({ suffix, label: `ftjob-${id}`, metadata }))
          expect(jobRequest.safeParse(body).error).toBeUndefined()
        },
      ),
    )
  })

  it.each([
    ['my model v1.0', 'my-model-v1-0-456789abcdef'],
    ['a__b--c', 'a-b-c-456789abcdef'],
    ['—', 'tuned-456789abcdef'],
    [null, 'tuned-456789abcdef'],
    ['x'.repeat(64), `${'x'.repeat(50)}-456789abcdef`],
  ])('with the suffix %j makes a model called %s', (suffix, name) => {
    expect(modelNameOf(suffix, 'ftjob-0123456789abcdef')).toBe(name)
  })

  it('is found by the name it is created under', () => {
    const label = 'ftjob-0aZ9xY'
    expect(toBody(SETTINGS, submission({ label }))).toMatchObject({
      jobName: label,
      clientRequestToken: label,
    })
    expect(jobNameOf(label)).toBe(label)
  })

  it.each([
    [{ 'aws:x': '1' }, []],
    [{ team: 'a;b' }, []],
    [{ team: 'x'.repeat(257) }, []],
    [{ 'Équipe 7': 'a b_c.d:e/f=g+h-i@j' }, [{ key: 'Équipe 7', value: 'a b_c.d:e/f=g+h-i@j' }]],
    [{ empty: '' }, [{ key: 'empty', value: '' }]],
  ])('carries the metadata %j as tags %j', (pairs, tags) => {
    expect(tagsOf(pairs as Record<string, string>)).toEqual(tags)
  })

  it('is told from what is known: the job is not read back', async () => {
    const { channel, sent } = channelTo([{ status: 201, body: { jobArn: ARN } }])
    expect(await jobs.create(channel, submission())).toMatchObject({
      id: ARN,
      model: 'amazon.nova-lite-v1:0:300k',
      status: 'queued',
    })
    expect(sent).toHaveLength(1)
    // Its token makes one job of many requests.
    expect(sent[0]?.repeat).toBe('always')
  })
})

describe('a job', () => {
  const done = {
    jobArn: ARN,
    jobName: 'j',
    status: 'Completed',
    outputModelArn: TUNE,
    baseModelArn: 'arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:300k',
    hyperParameters: { epochCount: '2', learningRate: '0.00002' },
    creationTime: '2026-11-20T09:00:00.000Z',
    endTime: '2026-11-20T10:00:00.123Z',
    trainingDataConfig: { s3Uri: 's3://bucket/t.jsonl' },
    validationDataConfig: { validators: [{ s3Uri: 's3://bucket/v.jsonl' }] },
    outputDataConfig: { s3Uri: 's3://bucket/results/' },
    trainingMetrics: { trainingLoss: 0.5 },
    validationMetrics: [{ validationLoss: 0.7 }],
  }

  it('has times in seconds, and what it was trained with (Portkey 11, 15)', () => {
    expect(fromJob(done)).toEqual({
      id: ARN,
      nativeStatus: 'Completed',
      status: 'succeeded',
      model: 'amazon.nova-lite-v1:0:300k',
      fineTunedModel: TUNE,
      finishedAt: Date.UTC(2026, 10, 20, 10) / 1000,
      estimatedFinish: null,
      error: null,
      hyperparameters: { n_epochs: 2, learning_rate_multiplier: 2 },
      method: null,
      resultFiles: [],
      trainedTokens: null,
      seed: null,
      facts: { training_metrics: { trainingLoss: 0.5 }, validation_metrics: [{ validationLoss: 0.7 }] },
      origin: {
        label: 'j',
        createdAt: Date.UTC(2026, 10, 20, 9) / 1000,
        trainingFile: 's3://bucket/t.jsonl',
        validationFile: 's3://bucket/v.jsonl',
        suffix: null,
        metadata: {},
      },
    })
  })

  it('of which nothing is told of its origin has none', () => {
    expect(fromJob({ jobArn: ARN, status: 'InProgress' }).origin).toEqual({
      label: undefined,
      createdAt: null,
      trainingFile: null,
      validationFile: null,
      suffix: null,
      metadata: {},
    })
  })

  it.each([undefined, null, 'soon'])('without an end (%s) has no time (Portkey 11: NaN)', endTime => {
    expect(fromJob({ ...done, endTime }).finishedAt).toBeNull()
  })

  it('that failed says why', () => {
    const failed = fromJob({
      jobArn: ARN,
      status: 'Failed',
      failureMessage: 'Bad line 7.',
      outputModelArn: TUNE,
    })
    expect(failed).toMatchObject({
      status: 'failed',
      fineTunedModel: null,
      error: { code: 'failed', message: 'Bad line 7.', param: null },
    })
  })

  it('that is complete names its metrics', async () => {
    const folder = 'results/model-customization-job-abcdefghijkl'
    const keys = [
      'training_artifacts/step_wise_training_metrics.csv',
      'validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv',
      'training_artifacts/model.bin',
    ]
    const listing = `<ListBucketResult>${keys.map(key => `<Contents><Key>${folder}/${key}</Key><Size>1</Size></Contents>`).join('')}</ListBucketResult>`
    const { channel, sent } = channelTo([{ body: done }, { body: listing }])
    expect((await jobs.get(channel, ARN)).resultFiles).toEqual(
      keys.slice(0, 2).map(key => `s3://bucket/${folder}/${key}`),
    )
    expect(sent[1]?.url.searchParams.get('prefix')).toBe(`${folder}/`)
  })

  it('has succeeded even where its results may not be read', async () => {
    const denied = { status: 403, body: '<Error><Code>AccessDenied</Code></Error>' }
    const { channel } = channelTo([{ body: done }, denied])
    expect(await jobs.get(channel, ARN)).toMatchObject({ status: 'succeeded', resultFiles: [] })
    const keyless = { ...SETTINGS, accessKeyId: undefined, apiKey: 'bedrock-key' }
    expect(await jobs.get(channelTo([{ body: done }], keyless).channel, ARN)).toMatchObject({
      resultFiles: [],
    })
  })

  it('is asked for again when its results cannot be read now', async () => {
    const { channel } = channelTo([{ body: done }, { status: 503 }])
    expect(await errorOf(() => jobs.get(channel, ARN))).toMatchObject({ status: 503 })
  })

  it('is found by its label, or there is none', async () => {
    const missing = {
      status: 404,
      headers: { 'x-amzn-errortype': 'ResourceNotFoundException' },
      body: { message: 'no' },
    }
    const { channel, sent } = channelTo([
      { body: { ...done, status: 'InProgress' } },
      missing,
      { status: 500 },
    ])
    expect(await jobs.find(channel, 'ftjob-1')).toMatchObject({ id: ARN })
    expect(sent[0]?.url.pathname).toBe('/model-customization-jobs/ftjob-1')
    expect(await jobs.find(channel, 'ftjob-2')).toBeUndefined()
    await errorOf(() => jobs.find(channel, 'ftjob-3'))
  })

  it('is stopped by its own verb, then read back (Portkey 1: every POST was a cancellation)', async () => {
    const { channel, sent } = channelTo([{ body: {} }, { body: { ...done, status: 'Stopping' } }])
    expect(await jobs.cancel(channel, ARN)).toMatchObject({ status: 'running', nativeStatus: 'Stopping' })
    expect(sent.map(({ method, url }) => `${method} ${url.pathname.split('/').at(-1)}`)).toEqual([
      'POST stop',
      `GET ${encodeURIComponent(ARN)}`,
    ])
    expect(jobs.pause).toBeUndefined()
    expect(jobs.resume).toBeUndefined()
  })

  it('that lacks everything does not break the list, which goes on where it ended (Portkey 12, 14)', async () => {
    const bare = { jobArn: ARN, status: 'InProgress' }
    const { channel, sent } = channelTo([
      {
        body: {
          modelCustomizationJobSummaries: [bare, { ...bare, status: 'Completed', customModelArn: TUNE }],
          nextToken: 'a+/=',
        },
      },
      { body: {} },
    ])
    const page = await jobs.list(channel, { limit: 2 })
    expect(page).toMatchObject({
      hasMore: true,
      next: 'a+/=',
      items: [{ hyperparameters: {}, fineTunedModel: null }, { fineTunedModel: TUNE }],
    })
    expect(await jobs.list(channel, { limit: 2, after: page.next })).toEqual({ items: [], hasMore: false })
    expect(sent[1]?.url.searchParams.get('nextToken')).toBe('a+/=')
    expect(sent[1]?.url.search).not.toContain('+')
  })
})

describe('base models', () => {
  it.each([
    [NOVA, 'amazon.nova-lite-v1:0:300k'],
    ['amazon.nova-lite-v1:0:300k', 'amazon.nova-lite-v1:0:300k'],
    ['us.amazon.nova-lite-v1:0', 'amazon.nova-lite-v1:0:300k'],
    [HAIKU, `${HAIKU}:200k`],
    ['new.model-v9:0', 'new.model-v9:0'],
    [TUNE, TUNE],
  ])('%s is tuned as %s', (model, id) => {
    expect(trainableId(model)).toBe(id)
  })

  it.each([
    [NOVA, 'nova'],
    ['amazon.nova-9-mega-v1:0', 'nova'],
    [TUNE, 'nova'],
    [HAIKU, 'claude'],
    [LLAMA, 'prompt_completion'],
    ['amazon.titan-text-express-v1', 'prompt_completion'],
  ])('%s reads datasets as %s', (model, format) => {
    expect(bedrock.formatOf(model, 'supervised')).toBe(format)
  })

  it('are named with and without their context length', () => {
    const names = bedrock.capabilities.models.flatMap(({ names }) => names)
    expect(names).toHaveLength(2 * BASES.length)
    expect(new Set(names).size).toBe(names.length)
    expect(bedrock.capabilities.models.every(({ methods }) => methods.join() === 'supervised')).toBe(true)
  })
})
