/**
 * A local stand-in for the providers, with a real (tiny) trainer behind it.
 *
 * @example
 * const sandbox = await startSandbox()
 * const client = new OpenAI({ baseURL: sandbox.openaiBaseUrl, apiKey: sandbox.apiKey })
 * // … upload, train, chat …
 * await sandbox.close()
 *
 * @module
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { logger } from 'hono/logger'
import { type AwsAccess, accessAt } from './aws/account.ts'
import { createAws } from './aws/app.ts'
import { awsControl } from './aws/control.ts'
import type { BucketContents } from './aws/s3/store.ts'
import { type AzureAccess, createAzure } from './azure/app.ts'
import { controlRoutes } from './control.ts'
import { type Fault, Faults, faultSchema } from './faults.ts'
import { createGoogle, type GoogleAccess } from './google/app.ts'
import { googleControl } from './google/control.ts'
import { createIdentity } from './identity.ts'
import { createOpenAI } from './openai/app.ts'
import { Receiver } from './receiver.ts'
import { type RecordedRequest, Recorder } from './recorder.ts'
import { Streams } from './streams.ts'
import { Tempo } from './tempo.ts'
import { jobEnded, sendWebhook, type WebhookTarget } from './webhooks.ts'

export type { Fault } from './faults.ts'
export type { RecordedRequest } from './recorder.ts'

export interface SandboxOptions {
  /** 0 (the default) takes a free one. */
  port?: number
  host?: string
  /** The one key that is accepted. */
  apiKey?: string
  /** Wall-clock milliseconds for each training step; 0 (the default) = as fast as possible. */
  stepMs?: number
  /** Prints a line for each request. */
  log?: boolean
  /** Buckets that no reset empties: a deployment's own. */
  buckets?: readonly string[]
}

export interface Sandbox {
  /** `http://127.0.0.1:PORT` */
  origin: string
  openaiBaseUrl: string
  apiKey: string
  /** Where AWS's parts are, and who may use them. */
  aws: AwsAccess
  /** Where Azure's parts are, and who may use them. */
  azure: AzureAccess
  /** Where Google's parts are, and who may use them. */
  google: GoogleAccess
  /** Stops all jobs and connections. */
  close(): Promise<void>
  requests(): RecordedRequest[]
  clearRequests(): void
  /** Makes a coming request go wrong. */
  fault(fault: Fault): void
  clearFaults(): void
  /** A customer's server, for webhooks to be sent to. */
  receiver: Receiver
  /** From now on the ends of OpenAI's jobs are told there, as OpenAI does. */
  tellEnds(target: WebhookTarget): void
  /** What there is in a bucket of S3. */
  contents(bucket: string): BucketContents
  /** Forgets files, jobs, models, requests, faults and streams. Settings stay. */
  reset(): void
}

/** Longer than any client keeps an idle connection, so that it is never the server who hangs up first. */
const KEEP_ALIVE_MS = 120_000

/** Starts the server. */
export async function startSandbox({
  port = 0,
  host = '127.0.0.1',
  apiKey = 'sk-sandbox',
  stepMs = 0,
  log = false,
  buckets = [],
}: SandboxOptions = {}): Promise<Sandbox> {
  const tempo = new Tempo({ stepMs, chunkMs: 0 })
  const streams = new Streams(tempo)
  const faults = new Faults()
  const recorder = new Recorder()
  const receiver = new Receiver(() => origin)
  const openai = createOpenAI(apiKey, tempo, streams)
  const aws = createAws(tempo, streams, buckets)
  const azure = createAzure(tempo, streams)
  const google = createGoogle(() => origin, tempo, streams)
  const identity = createIdentity(() => origin)
  const reset = (): void => {
    openai.reset()
    aws.reset()
    azure.reset()
    google.reset()
    streams.clear()
    faults.clear()
    recorder.clear()
  }

  const app = new Hono<{ Bindings: HttpBindings }>()
  if (log) app.use(logger())
  // Before the faults: the control surface itself always works, and is not recorded.
  app.route('/_sandbox', controlRoutes({ faults, recorder, streams, tempo, openai, reset }))
  app.route('/_sandbox/hooks', receiver.app)
  app.route('/_sandbox/aws', awsControl(aws))
  app.route('/_sandbox/azure', azure.control)
  app.route('/_sandbox/google', googleControl(google))
  app.route('/_sandbox/identity', identity.control)
  app.use(recorder.middleware())
  app.use(faults.middleware())
  app.route('/v1', openai.app)
  app.route('/', aws.app)
  app.route('/azure', azure.app)
  app.route('/google', google.app)
  app.route('/identity', identity.app)
  app.notFound(({ json, req }) => {
    const message = `Invalid URL (${req.method} ${req.path})`
    return json({ error: { message, type: 'invalid_request_error', param: null, code: 'unknown_url' } }, 404)
  })

  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The sandbox has no port.')
  const origin = `http://${host}:${address.port}`

  return {
    origin,
    openaiBaseUrl: `${origin}/v1`,
    apiKey,
    aws: accessAt(origin),
    azure: azure.access(origin),
    google: google.access,
    close: async () => {
      if (!server.listening) return
      openai.reset()
      aws.reset()
      google.reset()
      azure.reset()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
    requests: () => recorder.requests,
    clearRequests: () => recorder.clear(),
    fault: fault => faults.add(faultSchema.parse(fault)),
    clearFaults: () => faults.clear(),
    receiver,
    contents: bucket => aws.store.contents(bucket),
    tellEnds: target => {
      openai.jobs.onEnd = job => void sendWebhook(target, jobEnded(job)).catch(() => undefined)
    },
    reset,
  }
}
