import {
  CreateModelCustomizationJobCommand,
  type CreateModelCustomizationJobCommandInput,
  ListModelCustomizationJobsCommand,
  type ListModelCustomizationJobsCommandInput,
  paginateListModelCustomizationJobs,
  StopModelCustomizationJobCommand,
} from '@aws-sdk/client-bedrock'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  CLAUDE,
  createJob,
  getJob,
  jobInput,
  jobWhen,
  jsonl,
  LLAMA,
  linesFor,
  NOVA,
  put,
  refusal,
  samples,
  signer,
  TITAN,
  trained,
  useAws,
} from './support.ts'

const bench = useAws()

beforeEach(async () => {
  await put(bench, linesFor('nova'))
})

/** Sends what the SDK would not. */
async function raw(method: string, path: string, body?: unknown) {
  const response = await signer(bench.sandbox, 'bedrock').fetch(`${bench.sandbox.aws.bedrockUrl}${path}`, {
    method,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    name: response.headers.get('x-amzn-errortype')?.split(':')[0],
    requestId: response.headers.get('x-amzn-requestid'),
    json: JSON.parse(text) as Record<string, unknown>,
  }
}

const slow = () => bench.set({ stepMs: 60_000 })
const fast = () => bench.set({ stepMs: 0 })

describe('a new job', () => {
  it('has an ARN that names its base', async () => {
    const { status, json, requestId } = await raw('POST', '/model-customization-jobs', jobInput(bench))
    expect(status).toBe(201)
    expect(json).toEqual({
      jobArn: expect.stringMatching(
        /^arn:aws:bedrock:us-east-1:123456789012:model-customization-job\/amazon\.nova-lite-v1:0:300k\/[a-z0-9]{12}$/,
      ),
    })
    expect(requestId).toMatch(/^[-0-9a-f]{36}$/)
  })

  it('goes through its phases', async () => {
    await slow()
    const arn = await createJob(bench)
    const fresh = await getJob(bench, arn)
    expect(fresh).toMatchObject({
      status: 'InProgress',
      statusDetails: {
        validationDetails: { status: 'NotStarted' },
        dataProcessingDetails: { status: 'NotStarted' },
        trainingDetails: { status: 'NotStarted' },
      },
      validationDataConfig: { validators: [] },
    })
    expect([fresh.outputModelArn, fresh.endTime, fresh.trainingMetrics, fresh.failureMessage]).toEqual(
      Array(4).fill(undefined),
    )

    await bench.set({ stepMs: 3 })
    const seen = new Set<string>()
    const done = await jobWhen(bench, arn, ({ status, statusDetails: details }) => {
      const phases = [details?.validationDetails, details?.dataProcessingDetails, details?.trainingDetails]
      seen.add(phases.map(each => each?.status).join(' '))
      return status === 'Completed'
    })
    expect([...seen]).toContain('InProgress NotStarted NotStarted')
    expect([...seen]).toContain('Completed Completed InProgress')
    expect(done.statusDetails?.trainingDetails).toEqual({
      status: 'Completed',
      creationTime: expect.any(Date),
      lastModifiedTime: expect.any(Date),
    })
  })

  it('is found by name, too', async () => {
    const arn = await createJob(bench, { jobName: 'by-name' })
    expect(await getJob(bench, 'by-name')).toMatchObject({ jobArn: arn, jobName: 'by-name' })
    expect(await refusal(getJob(bench, 'nobody'))).toMatchObject({
      name: 'ResourceNotFoundException',
      status: 404,
    })
    expect(await refusal(getJob(bench, arn.replace('nova-lite', 'nova-pro')))).toMatchObject({ status: 404 })
  })

  it('is not found by an ARN that is not percent-encoded', async () => {
    const arn = await createJob(bench)
    expect(await raw('GET', `/model-customization-jobs/${encodeURIComponent(arn)}`)).toMatchObject({
      status: 200,
    })
    expect(await raw('GET', `/model-customization-jobs/${arn}`)).toMatchObject({
      status: 404,
      name: 'UnknownOperationException',
    })
  })
})

describe('a request that AWS would not take', () => {
  const cases: [string, (good: Record<string, unknown>) => unknown, name: string, message: RegExp][] = [
    ['an unknown field', good => ({ ...good, epochs: 3 }), 'ValidationException', /'epochs'.*not known/],
    [
      'an unknown field inside',
      good => ({ ...good, trainingDataConfig: { s3Uri: 's3://bucket/x', format: 'jsonl' } }),
      'ValidationException',
      /'trainingDataConfig\.format'/,
    ],
    ['no job name', ({ jobName: _, ...good }) => good, 'ValidationException', /null at 'jobName'/],
    [
      'no model name',
      ({ customModelName: _, ...good }) => good,
      'ValidationException',
      /null at 'customModelName'/,
    ],
    ['no role', ({ roleArn: _, ...good }) => good, 'ValidationException', /null at 'roleArn'/],
    [
      'no output',
      ({ outputDataConfig: _, ...good }) => good,
      'ValidationException',
      /null at 'outputDataConfig'/,
    ],
    [
      'a bad job name',
      good => ({ ...good, jobName: 'a_b' }),
      'ValidationException',
      /'a_b' at 'jobName'.*pattern/,
    ],
    [
      'a long job name',
      good => ({ ...good, jobName: 'a'.repeat(64) }),
      'ValidationException',
      /at 'jobName'.*63/,
    ],
    [
      'a bad model name',
      good => ({ ...good, customModelName: 'a b' }),
      'ValidationException',
      /'a b' at 'customModelName'/,
    ],
    [
      'a bad role',
      good => ({ ...good, roleArn: 'arn:aws:iam::1:user/x' }),
      'ValidationException',
      /'roleArn'/,
    ],
    [
      'a role of another account',
      good => ({ ...good, roleArn: 'arn:aws:iam::999999999999:role/x' }),
      'AccessDeniedException',
      /Cross-account pass role/,
    ],
    [
      'a bad location',
      good => ({ ...good, trainingDataConfig: { s3Uri: 'https://x/y' } }),
      'ValidationException',
      /'trainingDataConfig\.s3Uri'/,
    ],
    [
      'numbers for hyperparameters',
      good => ({ ...good, hyperParameters: { epochCount: 2 } }),
      'ValidationException',
      /'2' at 'hyperParameters\.epochCount'.*type string/,
    ],
    [
      'another customization',
      good => ({ ...good, customizationType: 'DISTILLATION' }),
      'ValidationException',
      /DISTILLATION is not supported.*FINE_TUNING/,
    ],
    [
      'no customization at all',
      good => ({ ...good, customizationType: 'DPO' }),
      'ValidationException',
      /'DPO' at 'customizationType'.*enum value set: \[FINE_TUNING/,
    ],
    [
      'an unknown base',
      good => ({ ...good, baseModelIdentifier: 'amazon.nova-lite-v9:0:300k' }),
      'ValidationException',
      /model identifier is invalid/,
    ],
    [
      'a base without its context',
      good => ({ ...good, baseModelIdentifier: 'amazon.nova-lite-v1:0' }),
      'ValidationException',
      /amazon\.nova-lite-v1:0:300k/,
    ],
    ['a legacy base', good => ({ ...good, baseModelIdentifier: TITAN }), 'ValidationException', /legacy/],
    [
      'validation data where there can be none',
      good => ({
        ...good,
        baseModelIdentifier: 'amazon.nova-2-lite-v1:0:256k',
        validationDataConfig: { validators: [{ s3Uri: 's3://sandbox-bucket/x' }] },
      }),
      'ValidationException',
      /validation dataset is not supported/,
    ],
    ['no JSON', () => '{', 'SerializationException', /JSON/],
  ]
  it.each(cases)('is refused: %s', async (_what, change, name, message) => {
    const { clientRequestToken: _, ...good } = { ...jobInput(bench) } as Record<string, unknown>
    const answer = await raw('POST', '/model-customization-jobs', change(good))
    expect(answer).toMatchObject({ name, json: { message: expect.stringMatching(message) } })
    expect(answer.status).toBe(name === 'AccessDeniedException' ? 403 : 400)
    expect(await raw('POST', '/model-customization-jobs', good)).toMatchObject({ status: 201 })
  })

  it('is told all that is wrong with it', async () => {
    const { json } = await raw('POST', '/model-customization-jobs', {})
    expect(json.message).toMatch(/^6 validation errors detected: /)
  })
})

describe('hyperparameters', () => {
  it.each([
    [NOVA, { epochCount: '5', learningRate: '1e-4', learningRateWarmupSteps: '0' }],
    [NOVA, { epochCount: '1', learningRate: '0.000001', learningRateWarmupSteps: '100' }],
    [CLAUDE, { epochCount: '10', batchSize: '4', learningRateMultiplier: '0.1' }],
    [CLAUDE, { batchSize: '256', earlyStoppingThreshold: '0', earlyStoppingPatience: '10' }],
    [LLAMA, { epochCount: '10', batchSize: '1', learningRate: '0.1' }],
  ])('%s takes %j', async (baseModelIdentifier, hyperParameters) => {
    await slow()
    const arn = await createJob(bench, { baseModelIdentifier, hyperParameters })
    expect((await getJob(bench, arn)).hyperParameters).toMatchObject(hyperParameters)
  })

  it.each([
    [NOVA, { epochCount: '6' }, /'epochCount': it must be an integer from 1 to 5/],
    [NOVA, { epochCount: '0' }, /'epochCount'/],
    [NOVA, { epochCount: '1.5' }, /'epochCount'/],
    [NOVA, { epochCount: '' }, /'epochCount'/],
    [NOVA, { learningRate: '0.001' }, /'learningRate'/],
    [
      NOVA,
      { batchSize: '1' },
      /'batchSize' is not supported.*epochCount, learningRate, learningRateWarmupSteps/,
    ],
    [NOVA, { learningRateMultiplier: '1' }, /'learningRateMultiplier' is not supported/],
    [CLAUDE, { batchSize: '2' }, /'batchSize'/],
    [CLAUDE, { learningRate: '0.0001' }, /'learningRate' is not supported/],
    [CLAUDE, { learningRateMultiplier: '2.1' }, /'learningRateMultiplier'/],
    [LLAMA, { batchSize: '2' }, /'batchSize'/],
    [LLAMA, { learningRateWarmupSteps: '5' }, /'learningRateWarmupSteps' is not supported/],
    [LLAMA, { learningRate: '1e-6' }, /'learningRate'/],
  ])('%s does not take %j', async (baseModelIdentifier, hyperParameters, message) => {
    expect(await refusal(createJob(bench, { baseModelIdentifier, hyperParameters }))).toMatchObject({
      name: 'ValidationException',
      status: 400,
      message: expect.stringMatching(message),
    })
  })
})

describe('a clientRequestToken', () => {
  const create = (input: CreateModelCustomizationJobCommandInput) =>
    bench.bedrock.send(new CreateModelCustomizationJobCommand(input))

  it('makes the same request the same job', async () => {
    const input = jobInput(bench, { clientRequestToken: 'token-1' })
    const [one, two] = [await create(input), await create(input)]
    expect(two.jobArn).toBe(one.jobArn)
    const { modelCustomizationJobSummaries: all } = await bench.bedrock.send(
      new ListModelCustomizationJobsCommand({}),
    )
    expect(all).toHaveLength(1)
  })

  it('is not for another request', async () => {
    const input = jobInput(bench, { clientRequestToken: 'token-1' })
    await create(input)
    expect(await refusal(create({ ...input, hyperParameters: { epochCount: '3' } }))).toMatchObject({
      name: 'ConflictException',
      status: 400,
      message: expect.stringContaining('clientRequestToken'),
    })
  })

  it('is free again if the request was refused', async () => {
    const input = jobInput(bench, { clientRequestToken: 'token-1' })
    await refusal(create({ ...input, baseModelIdentifier: 'nothing' }))
    await create(input)
  })

  it('does not make names free', async () => {
    const { jobName, customModelName } = jobInput(bench)
    await createJob(bench, { jobName, customModelName })
    expect(await refusal(createJob(bench, { jobName }))).toMatchObject({ name: 'ConflictException' })
    expect(await refusal(createJob(bench, { customModelName }))).toMatchObject({ name: 'ConflictException' })
  })
})

describe('the list of jobs', () => {
  const list = async (input: ListModelCustomizationJobsCommandInput) => {
    const { modelCustomizationJobSummaries = [] } = await bench.bedrock.send(
      new ListModelCustomizationJobsCommand(input),
    )
    return modelCustomizationJobSummaries.map(({ jobName }) => jobName)
  }

  it('is newest first, or oldest first', async () => {
    await slow()
    for (const jobName of ['a', 'b', 'c']) await createJob(bench, { jobName })
    expect(await list({})).toEqual(['c', 'b', 'a'])
    expect(await list({ sortBy: 'CreationTime', sortOrder: 'Ascending' })).toEqual(['a', 'b', 'c'])
    expect(await list({ sortBy: 'CreationTime', sortOrder: 'Descending' })).toEqual(['c', 'b', 'a'])
  })

  it('comes in pages', async () => {
    await slow()
    const names = ['a', 'b', 'c', 'd', 'e']
    for (const jobName of names) await createJob(bench, { jobName })
    const pages: unknown[][] = []
    const options = { client: bench.bedrock, pageSize: 2 }
    for await (const page of paginateListModelCustomizationJobs(options, { sortOrder: 'Ascending' })) {
      pages.push((page.modelCustomizationJobSummaries ?? []).map(({ jobName }) => jobName))
    }
    expect(pages).toEqual([['a', 'b'], ['c', 'd'], ['e']])
  })

  it('can be narrowed', async () => {
    const done = await createJob(bench, { jobName: 'first-done', customModelName: 'first-model' })
    await jobWhen(bench, done)
    await slow()
    await createJob(bench, { jobName: 'second' })
    expect(await list({ statusEquals: 'Completed' })).toEqual(['first-done'])
    expect(await list({ statusEquals: 'InProgress' })).toEqual(['second'])
    expect(await list({ nameContains: 'done' })).toEqual(['first-done'])
    expect(await list({ creationTimeAfter: new Date(Date.now() + 60_000) })).toEqual([])
    expect(await list({ creationTimeBefore: new Date(Date.now() + 60_000) })).toHaveLength(2)
    const { modelCustomizationJobSummaries: all } = await bench.bedrock.send(
      new ListModelCustomizationJobsCommand({ statusEquals: 'Completed' }),
    )
    expect(all?.[0]).toMatchObject({
      jobArn: done,
      customModelName: 'first-model',
      customModelArn: expect.stringContaining(':custom-model/'),
      customizationType: 'FINE_TUNING',
      endTime: expect.any(Date),
    })
  })

  it.each(['maxResults=0', 'maxResults=x', 'nextToken=x', 'statusEquals=Done', 'sortBy=Name', 'limit=3'])(
    'is refused for %s',
    async query => {
      expect(await raw('GET', `/model-customization-jobs?${query}`)).toMatchObject({
        status: 400,
        name: 'ValidationException',
      })
    },
  )
})

describe('a job that is stopped', () => {
  const stop = (jobIdentifier: string) =>
    bench.bedrock.send(new StopModelCustomizationJobCommand({ jobIdentifier }))

  it('is stopping, then stopped, and leaves no model', async () => {
    await bench.set({ stepMs: 2 })
    const arn = await createJob(bench)
    await jobWhen(bench, arn, job => job.statusDetails?.trainingDetails?.status === 'InProgress')
    await slow()
    await stop(arn)
    expect(await getJob(bench, arn)).toMatchObject({
      status: 'Stopping',
      statusDetails: { validationDetails: { status: 'Completed' }, trainingDetails: { status: 'Stopping' } },
    })
    await stop(arn)
    await fast()
    const stopped = await jobWhen(bench, arn)
    expect(stopped).toMatchObject({
      status: 'Stopped',
      statusDetails: { trainingDetails: { status: 'Stopped' } },
      endTime: expect.any(Date),
    })
    expect(stopped.outputModelArn).toBeUndefined()
  })

  it('must not have ended before', async () => {
    const { jobArn = '' } = await trained(bench)
    expect(await refusal(stop(jobArn))).toMatchObject({ name: 'ConflictException', status: 400 })
    expect((await getJob(bench, jobArn)).status).toBe('Completed')
  })
})

describe('training data', () => {
  const failure = async (
    lines: readonly unknown[] | string,
    changes: Partial<CreateModelCustomizationJobCommandInput> = {},
  ): Promise<string | undefined> => {
    await put(bench, lines)
    const job = await jobWhen(bench, await createJob(bench, changes))
    expect(job.status).toBe('Failed')
    expect(job.statusDetails).toMatchObject({
      validationDetails: { status: 'Failed' },
      trainingDetails: { status: 'NotStarted' },
    })
    expect([job.outputModelArn, job.trainingMetrics]).toEqual([undefined, undefined])
    return job.failureMessage
  }

  const [sample] = samples('train')
  const say = (...texts: string[]) =>
    texts.map((text, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content: [{ text }] }))
  const nova = (...texts: string[]) => ({
    schemaVersion: 'bedrock-conversation-2024',
    messages: say(...texts),
  })

  it.each([
    ['no schema version', { messages: say('a', 'b') }, /schemaVersion/],
    ['another schema version', { ...nova('a', 'b'), schemaVersion: '2025' }, /schemaVersion/],
    ['an unknown key', { ...nova('a', 'b'), id: 1 }, /'id'/],
    ['tools', { ...nova('a', 'b'), toolConfig: { tools: [] } }, /tools are not supported/],
    [
      'a tool call',
      {
        ...nova(),
        messages: [
          ...say('a'),
          { role: 'assistant', content: [{ toolUse: { toolUseId: 'x', name: 'y', input: {} } }] },
        ],
      },
      /toolUse/,
    ],
    ['only one message', nova('a'), /messages/],
    ['an assistant at the beginning', { ...nova(), messages: say('a', 'b', 'c').slice(1) }, /alternate/],
    ['a user at the end', nova('a', 'b', 'c'), /last message/],
    ['two users in a row', { ...nova(), messages: [...say('a'), ...say('b', 'c')] }, /alternate/],
    ['text for a system', { ...nova('a', 'b'), system: 'be nice' }, /system/],
    ['empty text', nova('a', ''), /text/],
    ...['User:', 'Bot:', 'Assistant:', 'System:', '<image>', '<video>', '[EOS]'].map(
      (word): [string, unknown, RegExp] => [
        `the reserved ${word}`,
        nova(`say ${word} now`, 'b'),
        new RegExp(`reserved string .*${word.replace(/[[\]]/g, '\\$&')}`),
      ],
    ),
    ['something that is no object', [1], /not a JSON object/],
    ['too many tokens', nova('a '.repeat(33_000), 'b'), /more than the maximum of 32000/],
    [
      'reasoning, which is for Nova 2',
      {
        ...nova(),
        messages: [
          ...say('a'),
          {
            role: 'assistant',
            content: [{ reasoningContent: { reasoningText: { text: 'r' } } }, { text: 'b' }],
          },
        ],
      },
      /reasoningContent/,
    ],
  ])('for Nova must not have %s', async (_what, line, message) => {
    const failed = await failure([...linesFor('nova').slice(0, 10), line, ...linesFor('nova')])
    expect(failed).toContain('s3://sandbox-bucket/data/train.jsonl')
    expect(failed).toMatch(/line 11: /)
    expect(failed).toMatch(message)
  })

  it.each([
    ['an unknown key', { messages: [], extra: 1 }],
    ['content in blocks', { messages: say('a', 'b') }],
    ['a system message', { messages: [{ role: 'system', content: 'x' }] }],
    ['only one message', { messages: [{ role: 'user', content: 'x' }] }],
    ['a form of Nova', nova('a', 'b')],
  ])('for Claude 3 Haiku must not have %s', async (_what, line) => {
    const lines = [...linesFor('claude').slice(0, 1), line, ...linesFor('claude')]
    expect(await failure(lines, { baseModelIdentifier: CLAUDE })).toMatch(/line 2: /)
  })

  it.each([
    ['no completion', { prompt: 'a' }],
    ['an unknown key', { prompt: 'a', completion: 'b', weight: 1 }],
    ['an empty completion', { prompt: 'a', completion: '' }],
    ['messages', nova('a', 'b')],
    ['too many tokens', { prompt: 'a '.repeat(16_000), completion: 'b' }],
  ])('for Llama must not have %s', async (_what, line) => {
    const lines = [...linesFor('prompt'), ...linesFor('prompt'), line]
    expect(await failure(lines, { baseModelIdentifier: LLAMA })).toMatch(/line 145: /)
  })

  it.each([
    [NOVA, 'nova', 8],
    [CLAUDE, 'claude', 32],
    [LLAMA, 'prompt', 100],
  ])('for %s has enough records', async (baseModelIdentifier, format, least) => {
    const lines = Array.from({ length: least }, () => (sample ? linesFor(format, [sample])[0] : undefined))
    expect(await failure(lines.slice(1), { baseModelIdentifier })).toMatch(
      new RegExp(`has ${least - 1} records; it must have from ${least} to`),
    )
    await trained(bench, { baseModelIdentifier }, lines)
  })

  it('must be UTF-8 without a byte order mark', async () => {
    expect(await failure(`\ufeff${jsonl(linesFor('nova'))}`)).toMatch(/line 1: not a JSON object/)
  })

  it('must be there, and so must the place for the output', async () => {
    await bench.s3.send(new DeleteObjectCommand({ Bucket: 'sandbox-bucket', Key: 'data/train.jsonl' }))
    const gone = await jobWhen(bench, await createJob(bench))
    expect(gone).toMatchObject({
      status: 'Failed',
      failureMessage: expect.stringMatching(/Could not access s3:/),
    })
    const outputDataConfig = { s3Uri: 's3://another-bucket/out' }
    expect(await failure(linesFor('nova'), { outputDataConfig })).toMatch(/output location/)
  })

  it('for validation are checked as well', async () => {
    const s3Uri = await put(bench, [...linesFor('nova'), { bad: 1 }], 'data/valid.jsonl')
    const message = await failure(linesFor('nova'), { validationDataConfig: { validators: [{ s3Uri }] } })
    expect(message).toMatch(/valid\.jsonl.*line 73: /)
  })

  it("leave the name of a failed job's model free", async () => {
    await failure([], { customModelName: 'mine' })
    await trained(bench, { customModelName: 'mine' })
  })
})
