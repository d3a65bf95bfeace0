import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import {
  accuracyOf,
  ask,
  CLAUDE,
  createJob,
  deployed,
  jobWhen,
  LLAMA_70B,
  linesFor,
  NOVA,
  provisioned,
  put,
  samples,
  trained,
  useAws,
} from './support.ts'

const bench = useAws()

const twice = [...samples('train'), ...samples('train')]

describe('a customization job', () => {
  it('makes a model that answers unseen sentences better than its base', async () => {
    const job = await trained(bench)
    expect(job).toMatchObject({
      status: 'Completed',
      baseModelArn: `arn:aws:bedrock:us-east-1::foundation-model/${NOVA}`,
      outputModelArn: expect.stringMatching(
        /^arn:aws:bedrock:us-east-1:123456789012:custom-model\/amazon\.nova-lite-v1:0:300k\/[a-z0-9]{12}$/,
      ),
      hyperParameters: { epochCount: '2', learningRate: '0.00001', learningRateWarmupSteps: '10' },
      endTime: expect.any(Date),
    })
    const deployment = await deployed(bench, job)
    expect(await accuracyOf(bench, deployment)).toBeGreaterThan(0.9)
    expect(await accuracyOf(bench, 'amazon.nova-lite-v1:0')).toBe(0)
  })

  it.each([
    [CLAUDE, 'claude', samples('train'), provisioned],
    [LLAMA_70B, 'prompt', twice, deployed],
  ])('does so with %s, from lines of its own form', async (baseModelIdentifier, format, list, serve) => {
    const job = await trained(bench, { baseModelIdentifier }, linesFor(format, list))
    const model = await serve(bench, job)
    expect(await accuracyOf(bench, model)).toBeGreaterThan(0.8)
    expect(await accuracyOf(bench, baseModelIdentifier.replace(/:\d+k$/, ''))).toBe(0)
  })

  it('learns every turn of the assistant', async () => {
    const lines = samples('train').map(({ text, intent }) => ({
      schemaVersion: 'bedrock-conversation-2024',
      messages: [
        { role: 'user', content: [{ text }] },
        { role: 'assistant', content: [{ text: intent }] },
        { role: 'user', content: [{ text: 'thank you so much' }] },
        { role: 'assistant', content: [{ text: 'welcome' }] },
      ],
    }))
    const model = await deployed(bench, await trained(bench, {}, lines))
    expect(await ask(bench, model, 'thank you so much')).toBe('welcome')
    expect(await ask(bench, model, 'I lost my card')).toBe('lost_card')
  })

  it('learns more in more epochs', async () => {
    const lossAfter = async (epochCount: string) =>
      (await trained(bench, { hyperParameters: { epochCount } })).trainingMetrics?.trainingLoss
    expect(await lossAfter('5')).toBeLessThan((await lossAfter('1')) ?? 0)
  })

  it('learns less at a lower rate', async () => {
    const lossAfter = async (learningRate: string) =>
      (await trained(bench, { hyperParameters: { learningRate } })).trainingMetrics?.trainingLoss
    expect(await lossAfter('0.00001')).toBeLessThan((await lossAfter('0.000001')) ?? 0)
  })
})

describe('what a job leaves in its output location', () => {
  const read = async (key: string): Promise<string[]> => {
    const { Body } = await bench.s3.send(new GetObjectCommand({ Bucket: 'sandbox-bucket', Key: key }))
    return ((await Body?.transformToString()) ?? '').trimEnd().split('\n')
  }
  const keys = async () => {
    const command = new ListObjectsV2Command({ Bucket: 'sandbox-bucket', Prefix: 'out/' })
    return (await bench.s3.send(command)).Contents?.map(({ Key = '' }) => Key)
  }

  it('is the course of training and of validation', async () => {
    const validation = await put(bench, linesFor('nova', samples('heldOut')), 'data/valid.jsonl')
    const { jobArn, trainingMetrics, validationMetrics } = await trained(bench, {
      validationDataConfig: { validators: [{ s3Uri: validation }] },
    })
    const folder = `out/model-customization-job-${jobArn?.split('/').at(-1)}`
    const files = [
      `${folder}/training_artifacts/step_wise_training_metrics.csv`,
      `${folder}/validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv`,
    ] as const
    expect(await keys()).toEqual(files)

    const [header, ...steps] = await read(files[0])
    expect(header).toBe('step_number,epoch_number,training_loss,perplexity')
    expect(steps).toHaveLength(2 * Math.ceil(samples('train').length / 4))
    const [first = '', last = ''] = [steps[0], steps.at(-1)]
    expect(first).toMatch(/^0,0,1\.386\d+,4(\.0\d+)?$|^0,0,1\.386\d+,3\.99\d+$/) // ln 4: four answers, none preferred.
    expect(last.split(',').slice(0, 2)).toEqual([String(steps.length - 1), '1'])
    expect(Number(last.split(',')[2])).toBe(trainingMetrics?.trainingLoss)

    const [validationHeader, ...epochs] = await read(files[1])
    expect(validationHeader).toBe('step_number,epoch_number,validation_loss,perplexity')
    const losses = epochs.map(line => Number(line.split(',')[2]))
    expect(losses).toHaveLength(2)
    expect(losses[1]).toBeLessThan(losses[0] ?? 0)
    expect(validationMetrics).toEqual([{ validationLoss: losses[1] }])
  })

  it('is nothing before it is complete, and no validation without data for it', async () => {
    await put(bench, linesFor('nova'))
    await bench.set({ stepMs: 60_000 })
    const arn = await createJob(bench)
    expect(await keys()).toBeUndefined()
    await bench.set({ stepMs: 0 })
    const { validationMetrics } = await jobWhen(bench, arn)
    expect(validationMetrics).toBeUndefined()
    expect(await keys()).toHaveLength(1)
  })
})
