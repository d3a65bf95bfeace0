/**
 * The gateway on what stands in for AWS: the bundle under Lambda's runtime, behind a function URL, with DynamoDB, S3, SQS and the
 * vaults. Everything is in memory and ends with it.
 * @module
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { bundle } from '../../esbuild.config.ts'
import { accountVariables } from '../accounts.ts'
import { TEMPORARY } from '../aws/account.ts'
import { startSandbox } from '../server.ts'
import {
  assertPortFree,
  createKey,
  createScratch,
  madeOnce,
  ownVariables,
  type Stack,
  type StackOptions,
} from '../stack-common.ts'
import { answeredAtEdge, loadEdge } from './edge.ts'
import { createFunction } from './function.ts'
import { keptBy } from './kept.ts'
import { pollQueue } from './poller.ts'
import type { Outcome } from './runtime-api.ts'
import { type AwsServices, startAwsServices } from './services.ts'
import { createFunctionUrl } from './url.ts'

/** The deployment's own bucket, beside the one that Bedrock's datasets go to. */
export const BUCKET = 'tunegate-bucket'
/** Characters of the newest output that are kept. */
const OUTPUT_LIMIT = 64 * 1024

export interface AwsStack extends Stack {
  readonly services: AwsServices
  /** The function URL itself, without CloudFront before it. */
  readonly bareUrl: string
  /** Delivers an event to the function that EventBridge's rule names. */
  deliver(event: object): Promise<void>
}

/** A background function has no one to tell of its failure but its log. */
const assertDone = (name: string, outcome: Outcome): void => {
  if (outcome.kind === 'failed')
    throw new Error(`${name} failed: ${outcome.type} ${outcome.body.slice(0, 500)}`)
}

export async function startAwsStack(options: StackOptions = {}): Promise<AwsStack> {
  const { port: wantedPort = 0, stepMs, log = 'quiet' } = options
  if (wantedPort) await assertPortFree(wantedPort)
  const scratch = createScratch()
  const adminKey = randomBytes(24).toString('base64url')
  const webhookSecret = `whsec_${randomBytes(32).toString('base64')}`
  let output = ''
  const collect = (text: string): void => {
    output = (output + text).slice(-OUTPUT_LIMIT)
    if (log === 'inherit') process.stderr.write(text)
  }

  const [sandbox, services, code] = await Promise.all([
    options.sandbox === false
      ? undefined
      : startSandbox({ buckets: [BUCKET], ...(stepMs !== undefined && { stepMs }) }),
    startAwsServices(),
    madeOnce(options.cache ?? scratch.path, `lambda ${options.config ?? ''}`, path =>
      bundle(undefined, path, options.config),
    ),
  ])
  const variables: Record<string, string> = {
    TUNEGATE_ADMIN_KEY: adminKey,
    TUNEGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
    ...(options.tellEnds && { OPENAI_WEBHOOK_SECRET: webhookSecret }),
    ...(sandbox && accountVariables(sandbox)),
    // The function's role: what Bedrock is called with too.
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: TEMPORARY.accessKeyId,
    AWS_SECRET_ACCESS_KEY: TEMPORARY.secretAccessKey,
    AWS_SESSION_TOKEN: TEMPORARY.sessionToken,
    AWS_ENDPOINT_URL_DYNAMODB: services.origin,
    AWS_ENDPOINT_URL_SQS: services.origin,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: services.origin,
    AWS_ENDPOINT_URL_SSM: services.origin,
    TUNEGATE_TABLE: services.table,
    TUNEGATE_BUCKET: BUCKET,
    TUNEGATE_QUEUE_URL: services.queueUrl,
    ...ownVariables(options, sandbox),
  }
  const functionOf = (handler: string) =>
    createFunction({ root: code, handler: `lambda.${handler}`, variables, log: collect })
  const [http, schedule, tasks, jobEvents] = ['http', 'schedule', 'tasks', 'jobEvents'].map(functionOf) as [
    ReturnType<typeof functionOf>,
    ReturnType<typeof functionOf>,
    ReturnType<typeof functionOf>,
    ReturnType<typeof functionOf>,
  ]
  const all = [http, schedule, tasks, jobEvents]
  const edge = loadEdge(await readFile(join(code, 'edge.txt'), 'utf8'))
  const front = createFunctionUrl(http, (request, response) => answeredAtEdge(edge, request, response))
  // The same function without anything before it.
  const bare = createFunctionUrl(http)
  const poller = pollQueue(services, tasks)
  front.listen(wantedPort, '127.0.0.1')
  bare.listen(0, '127.0.0.1')
  await Promise.all([once(front, 'listening'), once(bare, 'listening')])
  const { port } = front.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  if (options.tellEnds) sandbox?.tellEnds({ url: `${url}/webhooks/openai`, secret: webhookSecret })

  let isStopped = false
  let end: (code: number) => void = () => undefined
  const exited = new Promise<number>(resolve => {
    end = resolve
  })
  const kill = async (): Promise<void> => void (await Promise.all(all.map(each => each.kill())))
  return {
    url,
    baseURL: `${url}/v1`,
    adminKey,
    services,
    bareUrl: `http://127.0.0.1:${(bare.address() as AddressInfo).port}`,
    get sandbox() {
      if (!sandbox) throw new Error('this stack has no sandbox: it was started without one')
      return sandbox
    },
    get pid() {
      return http.pids[0] ?? 0
    },
    exited,
    output: () => stripVTControlCharacters(output).trim(),
    createKey: name => createKey(url, adminKey, name),
    async tick() {
      assertDone('the schedule', await schedule.invoke({ source: 'aws.events' }))
    },
    async deliver(event) {
      assertDone('the event', await jobEvents.invoke(event))
    },
    kept: keptBy(services, () => sandbox?.contents(BUCKET) ?? { objects: new Map(), openUploads: 0 }),
    killGateway: kill,
    // The next invocation finds a new environment by itself.
    startGateway: async () => undefined,
    async stop() {
      if (isStopped) return
      isStopped = true
      for (const server of [front, bare]) {
        server.close()
        server.closeAllConnections()
      }
      await Promise.all([poller.stop(), kill()])
      await Promise.all([services.close(), sandbox?.close()])
      scratch.remove()
      end(0)
    },
  }
}
