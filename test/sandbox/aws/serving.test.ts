import {
  CreateCustomModelDeploymentCommand,
  CreateProvisionedModelThroughputCommand,
  DeleteCustomModelCommand,
  DeleteCustomModelDeploymentCommand,
  DeleteProvisionedModelThroughputCommand,
  GetCustomModelCommand,
  GetCustomModelDeploymentCommand,
  GetFoundationModelCommand,
  GetProvisionedModelThroughputCommand,
  ListCustomModelDeploymentsCommand,
  ListCustomModelsCommand,
  ListFoundationModelsCommand,
  ListProvisionedModelThroughputsCommand,
} from '@aws-sdk/client-bedrock'
import { describe, expect, it } from 'vitest'
import {
  ask,
  CLAUDE,
  createJob,
  deployed,
  LLAMA,
  linesFor,
  NOVA,
  provisioned,
  put,
  refusal,
  samples,
  TITAN,
  trained,
  useAws,
} from './support.ts'

const bench = useAws()
const slow = () => bench.set({ stepMs: 60_000 })
const fast = () => bench.set({ stepMs: 0 })

const trainedClaude = () => trained(bench, { baseModelIdentifier: CLAUDE }, linesFor('claude'))

describe('a custom model', () => {
  it('knows where it comes from', async () => {
    const { outputModelArn, jobArn, jobName, outputModelName } = await trained(bench)
    const model = await bench.bedrock.send(new GetCustomModelCommand({ modelIdentifier: outputModelArn }))
    expect(model).toMatchObject({
      modelArn: outputModelArn,
      modelName: outputModelName,
      jobArn,
      jobName,
      baseModelArn: `arn:aws:bedrock:us-east-1::foundation-model/${NOVA}`,
      hyperParameters: { epochCount: '2' },
      trainingMetrics: { trainingLoss: expect.any(Number) },
      creationTime: expect.any(Date),
    })
    expect(
      await bench.bedrock.send(new GetCustomModelCommand({ modelIdentifier: outputModelName })),
    ).toMatchObject({ modelArn: outputModelArn })
  })

  it('is listed until it is deleted', async () => {
    const { outputModelArn, outputModelName } = await trained(bench)
    const other = await trainedClaude()
    const list = async (input = {}) => {
      const { modelSummaries = [] } = await bench.bedrock.send(new ListCustomModelsCommand(input))
      return modelSummaries.map(({ modelArn }) => modelArn)
    }
    expect(await list()).toEqual([other.outputModelArn, outputModelArn])
    expect(await list({ nameContains: outputModelName })).toEqual([outputModelArn])
    expect(await list({ baseModelArnEquals: other.baseModelArn })).toEqual([other.outputModelArn])
    await bench.bedrock.send(new DeleteCustomModelCommand({ modelIdentifier: outputModelArn }))
    expect(await list()).toEqual([other.outputModelArn])
    const get = new GetCustomModelCommand({ modelIdentifier: outputModelArn })
    expect(await refusal(bench.bedrock.send(get))).toMatchObject({ name: 'ResourceNotFoundException' })
  })

  it('stays as long as it is deployed', async () => {
    const job = await trained(bench)
    const deployment = await deployed(bench, job)
    const remove = () =>
      bench.bedrock.send(new DeleteCustomModelCommand({ modelIdentifier: job.outputModelArn }))
    expect(await refusal(remove())).toMatchObject({ name: 'ConflictException', status: 400 })
    await bench.bedrock.send(
      new DeleteCustomModelDeploymentCommand({ customModelDeploymentIdentifier: deployment }),
    )
    await remove()
  })
})

describe('a deployment', () => {
  const create = (input: Partial<CreateCustomModelDeploymentCommand['input']>) =>
    bench.bedrock.send(
      new CreateCustomModelDeploymentCommand({ modelDeploymentName: 'dep', modelArn: undefined, ...input }),
    )
  const get = (customModelDeploymentIdentifier: string | undefined) =>
    bench.bedrock.send(new GetCustomModelDeploymentCommand({ customModelDeploymentIdentifier }))

  it('can be called when it is active, not before and not after', async () => {
    const { outputModelArn } = await trained(bench)
    await slow()
    const { customModelDeploymentArn: arn = '', $metadata } = await create({
      modelArn: outputModelArn,
      description: 'mine',
      tags: [{ key: 'tenant', value: 't1' }],
    })
    expect($metadata.httpStatusCode).toBe(202)
    expect(arn).toMatch(/^arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment\/[a-z0-9]{12}$/)
    const facts = { modelArn: outputModelArn, modelDeploymentName: 'dep', description: 'mine' }
    expect(await get(arn)).toMatchObject({ ...facts, status: 'Creating', createdAt: expect.any(Date) })
    expect(await refusal(ask(bench, arn, 'I lost my card'))).toMatchObject({
      name: 'ModelNotReadyException',
      status: 429,
    })

    await fast()
    while ((await get('dep')).status !== 'Active') await new Promise(resolve => setTimeout(resolve, 1))
    expect(await ask(bench, arn, 'I lost my card')).toBe('lost_card')

    await bench.bedrock.send(new DeleteCustomModelDeploymentCommand({ customModelDeploymentIdentifier: arn }))
    expect(await refusal(get(arn))).toMatchObject({ name: 'ResourceNotFoundException', status: 404 })
    expect(await refusal(ask(bench, arn, 'I lost my card'))).toMatchObject({
      name: 'ResourceNotFoundException',
      status: 404,
    })
  })

  it('is made once for a token', async () => {
    const { outputModelArn } = await trained(bench)
    const input = { modelArn: outputModelArn, clientRequestToken: 'once' }
    const first = await create(input)
    expect((await create(input)).customModelDeploymentArn).toBe(first.customModelDeploymentArn)
    expect(await refusal(create({ ...input, modelDeploymentName: 'other' }))).toMatchObject({
      name: 'ConflictException',
    })
    expect(await refusal(create({ modelArn: outputModelArn }))).toMatchObject({ name: 'ConflictException' })
  })

  it('is listed', async () => {
    const { outputModelArn } = await trained(bench)
    for (const modelDeploymentName of ['a', 'b', 'c'])
      await create({ modelArn: outputModelArn, modelDeploymentName })
    const list = async (input = {}) => {
      const { modelDeploymentSummaries = [], nextToken } = await bench.bedrock.send(
        new ListCustomModelDeploymentsCommand(input),
      )
      return { names: modelDeploymentSummaries.map(each => each.customModelDeploymentName), nextToken }
    }
    expect((await list()).names).toEqual(['c', 'b', 'a'])
    const { names, nextToken } = await list({ maxResults: 2 })
    expect(names).toEqual(['c', 'b'])
    expect(await list({ maxResults: 2, nextToken })).toEqual({ names: ['a'], nextToken: undefined })
    expect((await list({ modelArnEquals: 'arn:other' })).names).toEqual([])
    expect((await list({ statusEquals: 'Failed' })).names).toEqual([])
    expect((await list({ nameContains: 'b', modelArnEquals: outputModelArn })).names).toEqual(['b'])
    expect((await list({ createdAfter: new Date(Date.now() + 60_000) })).names).toEqual([])
  })

  it('is only for bases that are served on demand', async () => {
    const { outputModelArn } = await trainedClaude()
    expect(await refusal(create({ modelArn: outputModelArn }))).toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('Provisioned Throughput'),
    })
    expect(await refusal(create({ modelArn: `${outputModelArn}x` }))).toMatchObject({
      name: 'ResourceNotFoundException',
    })
    expect(await refusal(create({ modelArn: outputModelArn, modelDeploymentName: 'a b' }))).toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining("'modelDeploymentName'"),
    })
  })
})

describe('provisioned throughput', () => {
  const create = (input: Partial<CreateProvisionedModelThroughputCommand['input']>) =>
    bench.bedrock.send(
      new CreateProvisionedModelThroughputCommand({
        modelUnits: 1,
        provisionedModelName: 'pt',
        modelId: undefined,
        ...input,
      }),
    )
  const get = (provisionedModelId: string | undefined) =>
    bench.bedrock.send(new GetProvisionedModelThroughputCommand({ provisionedModelId }))
  const remove = (provisionedModelId: string | undefined) =>
    bench.bedrock.send(new DeleteProvisionedModelThroughputCommand({ provisionedModelId }))

  it('can be called when it is in service', async () => {
    const job = await trainedClaude()
    await slow()
    const { provisionedModelArn: arn = '', $metadata } = await create({ modelId: job.outputModelArn })
    expect($metadata.httpStatusCode).toBe(201)
    expect(arn).toMatch(/^arn:aws:bedrock:us-east-1:123456789012:provisioned-model\/[a-z0-9]{12}$/)
    expect(await get(arn)).toMatchObject({
      status: 'Creating',
      provisionedModelName: 'pt',
      modelArn: job.outputModelArn,
      foundationModelArn: job.baseModelArn,
      modelUnits: 1,
    })
    expect(await refusal(ask(bench, arn, 'x'))).toMatchObject({ name: 'ModelNotReadyException', status: 429 })
    await fast()
    const other = await provisioned(bench, job)
    expect(await ask(bench, other, 'I lost my card')).toBe('lost_card')
    const { provisionedModelSummaries: all } = await bench.bedrock.send(
      new ListProvisionedModelThroughputsCommand({}),
    )
    expect(all?.map(each => each.provisionedModelArn)).toEqual([other, arn])
    await remove(arn)
    expect(await refusal(get(arn))).toMatchObject({ name: 'ResourceNotFoundException' })
  })

  it('with a commitment cannot be given back', async () => {
    const { outputModelArn } = await trainedClaude()
    const { provisionedModelArn } = await create({ modelId: outputModelArn, commitmentDuration: 'OneMonth' })
    expect(await get(provisionedModelArn)).toMatchObject({
      commitmentDuration: 'OneMonth',
      commitmentExpirationTime: expect.any(Date),
    })
    expect(await refusal(remove(provisionedModelArn))).toMatchObject({ name: 'ConflictException' })
  })

  it('is not sold for legacy models, nor for none', async () => {
    expect(await refusal(create({ modelId: TITAN }))).toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('legacy'),
    })
    expect(await refusal(create({ modelId: 'nobody' }))).toMatchObject({ name: 'ResourceNotFoundException' })
    expect(await refusal(create({ modelId: CLAUDE, modelUnits: 0 }))).toMatchObject({
      name: 'ValidationException',
    })
    await create({ modelId: CLAUDE })
    expect(await refusal(create({ modelId: CLAUDE }))).toMatchObject({ name: 'ConflictException' })
  })
})

describe('foundation models', () => {
  const list = async (input = {}) => {
    const { modelSummaries = [] } = await bench.bedrock.send(new ListFoundationModelsCommand(input))
    return modelSummaries.map(({ modelId }) => modelId)
  }
  const get = async (modelIdentifier: string) =>
    (await bench.bedrock.send(new GetFoundationModelCommand({ modelIdentifier }))).modelDetails

  it('that can be fine-tuned are named with their context', async () => {
    expect(await list({ byCustomizationType: 'FINE_TUNING' })).toEqual([
      'amazon.nova-micro-v1:0:128k',
      'amazon.nova-lite-v1:0:300k',
      'amazon.nova-pro-v1:0:300k',
      'amazon.nova-2-lite-v1:0:256k',
      'anthropic.claude-3-haiku-20240307-v1:0:200k',
      'meta.llama3-1-8b-instruct-v1:0:128k',
      'meta.llama3-3-70b-instruct-v1:0:128k',
      'amazon.titan-text-lite-v1:0:4k',
    ])
    expect(await list({ byCustomizationType: 'DISTILLATION' })).toEqual([])
    expect(await list({ byProvider: 'anthropic', byInferenceType: 'ON_DEMAND' })).toEqual([
      'anthropic.claude-3-haiku-20240307-v1:0',
    ])
  })

  it('tell what they can and how long', async () => {
    expect(await get(LLAMA)).toMatchObject({
      modelArn: `arn:aws:bedrock:us-east-1::foundation-model/${LLAMA}`,
      customizationsSupported: ['FINE_TUNING'],
      inferenceTypesSupported: ['PROVISIONED'],
      modelLifecycle: { status: 'ACTIVE' },
    })
    expect(await get(`arn:aws:bedrock:us-east-1::foundation-model/${TITAN}`)).toMatchObject({
      modelId: TITAN,
      modelLifecycle: { status: 'LEGACY', legacyTime: expect.any(Date) },
    })
    expect(await get('amazon.nova-lite-v1:0')).toMatchObject({ customizationsSupported: [] })
    expect(await refusal(get('nobody'))).toMatchObject({ name: 'ResourceNotFoundException', status: 404 })
  })

  it('can be made to grow old, or young', async () => {
    const change = async (body: unknown) =>
      (
        await fetch(`${bench.sandbox.origin}/_sandbox/aws/lifecycle`, {
          method: 'POST',
          body: JSON.stringify(body),
        })
      ).status
    await put(bench, linesFor('nova'))
    expect(await change({ modelId: NOVA, status: 'LEGACY' })).toBe(204)
    expect((await get(NOVA))?.modelLifecycle?.status).toBe('LEGACY')
    expect(await refusal(createJob(bench))).toMatchObject({ name: 'ValidationException' })
    expect(await change({ modelId: TITAN, status: 'ACTIVE' })).toBe(204)
    const lines = linesFor('prompt', samples('train'))
    const job = await trained(
      bench,
      { baseModelIdentifier: TITAN, hyperParameters: { batchSize: '64' } },
      lines,
    )
    expect(job.hyperParameters).toMatchObject({ batchSize: '64', learningRateWarmupSteps: '5' })
    expect([await change({ modelId: 'x', status: 'LEGACY' }), await change({ modelId: NOVA })]).toEqual([
      404, 400,
    ])
    bench.sandbox.reset()
    expect((await get(NOVA))?.modelLifecycle?.status).toBe('ACTIVE')
  })
})
