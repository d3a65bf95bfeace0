/** What the tests of AWS's stand-in share: a server with the official clients on it, and some customers of a bank. */
import {
  BedrockClient,
  CreateCustomModelDeploymentCommand,
  CreateModelCustomizationJobCommand,
  type CreateModelCustomizationJobCommandInput,
  CreateProvisionedModelThroughputCommand,
  GetCustomModelDeploymentCommand,
  GetModelCustomizationJobCommand,
  type GetModelCustomizationJobCommandOutput,
  GetProvisionedModelThroughputCommand,
} from '@aws-sdk/client-bedrock'
import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandOutput,
} from '@aws-sdk/client-bedrock-runtime'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { AwsClient } from 'aws4fetch'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import type { Credentials } from '../../../sandbox/aws/account.ts'
import { type Sandbox, startSandbox } from '../../../sandbox/server.ts'
import { jsonl, type Sample, samples } from '../support.ts'

export { jsonl, samples }

export interface Clients {
  s3: S3Client
  bedrock: BedrockClient
  runtime: BedrockRuntimeClient
}

export interface AwsBench extends Clients {
  sandbox: Sandbox
  set(settings: { stepMs?: number; chunkMs?: number }): Promise<void>
}

interface ClientChanges {
  credentials?: Credentials & { sessionToken?: string }
  region?: string
}

/** The official clients, each at its prefix. */
export function clientsOf(
  { aws }: Sandbox,
  { credentials = aws, region = aws.region }: ClientChanges = {},
): Clients {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials as ClientChanges['credentials'] & object
  const common = {
    region,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
  }
  return {
    s3: new S3Client({ ...common, endpoint: aws.s3Url, forcePathStyle: true }),
    bedrock: new BedrockClient({ ...common, endpoint: aws.bedrockUrl }),
    runtime: new BedrockRuntimeClient({
      ...common,
      endpoint: aws.bedrockRuntimeUrl,
      // The client's own way is HTTP/2, which the sandbox does not speak.
      requestHandler: new NodeHttpHandler(),
    }),
  }
}

/** aws4fetch as the gateway uses it: service and region said outright, no retries. */
export const signer = (
  { aws }: Sandbox,
  service: string,
  credentials: Credentials & { sessionToken?: string } = aws,
): AwsClient => {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  return new AwsClient({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    service,
    region: aws.region,
    retries: 0,
  })
}

/** One server for a test file, forgetting everything after each test. */
export function useAws(): AwsBench {
  let started: { sandbox: Sandbox; clients: Clients } | undefined
  const now = () => {
    if (!started) throw new Error('The sandbox has not started.')
    return started
  }
  const bench: AwsBench = {
    get sandbox() {
      return now().sandbox
    },
    get s3() {
      return now().clients.s3
    },
    get bedrock() {
      return now().clients.bedrock
    },
    get runtime() {
      return now().clients.runtime
    },
    async set(settings) {
      await fetch(`${now().sandbox.origin}/_sandbox/settings`, {
        method: 'POST',
        body: JSON.stringify(settings),
      })
    },
  }
  beforeAll(async () => {
    const sandbox = await startSandbox()
    started = { sandbox, clients: clientsOf(sandbox) }
  })
  afterEach(async () => {
    bench.sandbox.reset()
    await bench.set({ stepMs: 0, chunkMs: 0 })
  })
  afterAll(() => bench.sandbox.close())
  return bench
}

export const NOVA = 'amazon.nova-lite-v1:0:300k'
export const CLAUDE = 'anthropic.claude-3-haiku-20240307-v1:0:200k'
export const LLAMA = 'meta.llama3-1-8b-instruct-v1:0:128k'
export const LLAMA_70B = 'meta.llama3-3-70b-instruct-v1:0:128k'
export const TITAN = 'amazon.titan-text-lite-v1:0:4k'

const SYSTEM = 'Name the intent.'

/** A line of training data in the form that a model's family wants. */
export const LINES: Record<string, (sample: Sample) => unknown> = {
  nova: ({ text, intent }) => ({
    schemaVersion: 'bedrock-conversation-2024',
    system: [{ text: SYSTEM }],
    messages: [
      { role: 'user', content: [{ text }] },
      { role: 'assistant', content: [{ text: intent }] },
    ],
  }),
  claude: ({ text, intent }) => ({
    system: SYSTEM,
    messages: [
      { role: 'user', content: text },
      { role: 'assistant', content: intent },
    ],
  }),
  prompt: ({ text, intent }) => ({ prompt: `${SYSTEM}\n\n${text}`, completion: intent }),
}

export const linesFor = (format: string, list: readonly Sample[] = samples('train')): unknown[] =>
  list.map(sample => LINES[format]?.(sample))

/** Puts a file into the bucket; its URI. */
export async function put(
  { s3, sandbox }: AwsBench,
  lines: readonly unknown[] | string,
  key = 'data/train.jsonl',
): Promise<string> {
  const Body = typeof lines === 'string' ? lines : jsonl(lines)
  await s3.send(new PutObjectCommand({ Bucket: sandbox.aws.bucket, Key: key, Body }))
  return `s3://${sandbox.aws.bucket}/${key}`
}

let count = 0

/** A request that is good as soon as its training data are there. */
export function jobInput(
  { sandbox: { aws } }: AwsBench,
  changes: Partial<CreateModelCustomizationJobCommandInput> = {},
): CreateModelCustomizationJobCommandInput {
  count++
  return {
    jobName: `job-${count}`,
    customModelName: `model-${count}`,
    roleArn: aws.roleArn,
    baseModelIdentifier: NOVA,
    trainingDataConfig: { s3Uri: `s3://${aws.bucket}/data/train.jsonl` },
    outputDataConfig: { s3Uri: `s3://${aws.bucket}/out/` },
    ...changes,
  }
}

type Job = GetModelCustomizationJobCommandOutput

export async function createJob(
  bench: AwsBench,
  changes: Partial<CreateModelCustomizationJobCommandInput> = {},
): Promise<string> {
  const { jobArn } = await bench.bedrock.send(
    new CreateModelCustomizationJobCommand(jobInput(bench, changes)),
  )
  return jobArn ?? ''
}

export const getJob = ({ bedrock }: AwsBench, jobIdentifier: string): Promise<Job> =>
  bedrock.send(new GetModelCustomizationJobCommand({ jobIdentifier }))

/** Polls until the job is as wanted. */
export async function jobWhen(
  bench: AwsBench,
  arn: string,
  wanted: (job: Job) => boolean = job => !['InProgress', 'Stopping'].includes(job.status ?? ''),
): Promise<Job> {
  for (;;) {
    const job = await getJob(bench, arn)
    if (wanted(job)) return job
    await pause()
  }
}

export const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 2))

/** Trains on the bank's customers and waits for the end. */
export async function trained(
  bench: AwsBench,
  changes: Partial<CreateModelCustomizationJobCommandInput> = {},
  lines = linesFor('nova'),
): Promise<Job> {
  await put(bench, lines)
  const job = await jobWhen(bench, await createJob(bench, changes))
  if (job.status !== 'Completed') expect.fail(`${job.status}: ${job.failureMessage}`)
  return job
}

/** Deploys a job's model and waits until it can be called. */
export async function deployed(bench: AwsBench, { outputModelArn, jobName }: Job): Promise<string> {
  const { customModelDeploymentArn = '' } = await bench.bedrock.send(
    new CreateCustomModelDeploymentCommand({ modelDeploymentName: `${jobName}-d`, modelArn: outputModelArn }),
  )
  const get = new GetCustomModelDeploymentCommand({
    customModelDeploymentIdentifier: customModelDeploymentArn,
  })
  while ((await bench.bedrock.send(get)).status !== 'Active') await pause()
  return customModelDeploymentArn
}

/** Buys throughput for a job's model and waits until it can be called. */
export async function provisioned(bench: AwsBench, { outputModelArn, jobName }: Job): Promise<string> {
  const { provisionedModelArn = '' } = await bench.bedrock.send(
    new CreateProvisionedModelThroughputCommand({
      modelUnits: 1,
      provisionedModelName: `${jobName}-p`,
      modelId: outputModelArn,
    }),
  )
  const get = new GetProvisionedModelThroughputCommand({ provisionedModelId: provisionedModelArn })
  while ((await bench.bedrock.send(get)).status !== 'InService') await pause()
  return provisionedModelArn
}

export const answerOf = ({ output }: ConverseCommandOutput): string | undefined =>
  output?.message?.content?.map(({ text }) => text ?? '').join('')

export async function ask({ runtime }: AwsBench, modelId: string, text: string): Promise<string | undefined> {
  const command = new ConverseCommand({
    modelId,
    system: [{ text: SYSTEM }],
    messages: [{ role: 'user', content: [{ text }] }],
  })
  return answerOf(await runtime.send(command))
}

/** Share of the held-out sentences that the model names right. */
export async function accuracyOf(bench: AwsBench, modelId: string): Promise<number> {
  const answers = await Promise.all(
    samples('heldOut').map(async ({ text, intent }) => (await ask(bench, modelId, text)) === intent),
  )
  return answers.filter(Boolean).length / answers.length
}

/** What a refused call looks like. */
export interface Refusal {
  name: string
  message: string
  status: number | undefined
}

/** The service's error that a call must end in. */
export async function refusal(call: PromiseLike<unknown>): Promise<Refusal> {
  try {
    await call
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const { $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } }
    return { name: error.name, message: error.message, status: $metadata?.httpStatusCode }
  }
  return expect.fail('The call was not refused.')
}
