/** AWS Lambda's entries: requests of a function URL, the schedule, the queue, what EventBridge tells of Bedrock. */
import { streamHandle } from 'hono/aws-lambda'
import { createAwsPlatform } from '../shared/platform/aws/index.ts'
import type { Task } from '../shared/platform/index.ts'
import config from '../tunegate.config.ts'
import { createApp } from './app.ts'
import { logFailure } from './http.ts'
import { tick } from './schedule.ts'
import { runTask } from './tasks.ts'
import { takeEvent } from './webhooks.ts'

/** What the handlers need of an invocation. */
interface Invocation {
  awsRequestId: string
}

/** A handler that writes its answer piece by piece, as the runtime calls it. */
type StreamingHandler = (event: unknown, stream: unknown, invocation: Invocation) => Promise<void>

/** What Lambda's runtime puts into the global scope before it loads this file. */
declare const awslambda: { streamifyResponse(handler: StreamingHandler): StreamingHandler }

// Node would say in full what nobody caught. Lambda begins a new environment, as it does then.
process.on('uncaughtException', error => {
  logFailure('process', error)
  process.exit(1)
})

const app = createApp(config)
const platform = createAwsPlatform()

/** Thrown in place of whatever it was: the runtime logs what a handler throws, with its message. */
class InvocationFailed extends Error {
  override readonly name = 'InvocationFailed'
}

/** After its last step an invocation is frozen: what was put off till after the answer is done before. */
const toItsEnd = async <T>({ awsRequestId }: Invocation, work: () => Promise<T>): Promise<T> => {
  platform.begun()
  try {
    return await work()
  } catch (error) {
    logFailure(awsRequestId, error)
    throw new InvocationFailed('The log says before where it failed.')
  } finally {
    await platform.settled()
  }
}

/**
 * The pieces of an answer's body. One that breaks off ends the environment: the runtime knows no other way to break off what it
 * has begun to send, and a clean end would be a lie. What was put off is done before.
 */
async function* piecesOf(body: ReadableStream<Uint8Array>, requestId: string): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    logFailure(requestId, error)
    await platform.settled()
    throw new InvocationFailed('The answer broke off.')
  }
}

/**
 * CloudFront gives one answer to requests of the same URL that come at the same time, whoever sends them, unless an answer says that
 * it is not to be stored.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html#request-custom-traffic-spikes
 */
const unstored = (headers: Headers): Headers => {
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
  return headers
}

const routed = app.fetch
app.fetch = async request => {
  const { status, body, headers: own } = await routed(request, { platform })
  const headers = unstored(new Headers(own))
  const pieces = body && ReadableStream.from(piecesOf(body, headers.get('x-request-id') ?? ''))
  return new Response(pieces, { status, headers })
}
const answer = streamHandle(app) as unknown as StreamingHandler

interface UrlEvent {
  requestContext: { http: { method: string } }
  headers: Record<string, string>
  body?: string | undefined
}

/**
 * Without what a `Request` cannot hold: the body of a GET, which means nothing (RFC 9110, 9.3.1), and in headers what no header may
 * have in it (5.5), which an exception would quote.
 */
const servable = (event: UrlEvent): UrlEvent => ({
  ...event,
  headers: Object.fromEntries(
    Object.entries(event.headers).map(([name, value]) => [name, value.replace(/[\p{Cc}\p{Cs}]/gu, ' ')]),
  ),
  ...(['GET', 'HEAD'].includes(event.requestContext.http.method) && { body: undefined }),
})

/** The function URL's requests (payload 2.0), answered as a stream. */
export const http = awslambda.streamifyResponse((event, stream, invocation) =>
  toItsEnd(invocation, () => answer(servable(event as UrlEvent), stream, invocation)),
)

/** Every minute. */
export const schedule = (_: unknown, invocation: Invocation): Promise<void> =>
  toItsEnd(invocation, () => tick(app.background(platform)))

interface QueueEvent {
  Records: readonly { messageId: string; body: string }[]
}

/** A message that is no task is done with: another version of the gateway sent it, or nobody did. */
const taskIn = (body: string): Task => {
  try {
    const { type, id } = JSON.parse(body) as Partial<Task>
    return { type: String(type), id: String(id) }
  } catch {
    return { type: '', id: '' }
  }
}

/** The queue's messages. Those that failed, and no others, come again (`ReportBatchItemFailures`). */
export const tasks = (
  { Records }: QueueEvent,
  invocation: Invocation,
): Promise<{ batchItemFailures: { itemIdentifier: string }[] }> =>
  toItsEnd(invocation, async () => {
    const context = app.background(platform)
    const done = await Promise.all(Records.map(({ body }) => runTask(context, taskIn(body))))
    const failed = Records.filter((_, index) => !done[index])
    return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) }
  })

/** A job of Bedrock has changed: it is asked about at once. What fails is asked for by the schedule. */
export const jobEvents = (event: unknown, invocation: Invocation): Promise<void> =>
  toItsEnd(invocation, () =>
    takeEvent(app.background(platform), invocation.awsRequestId, 'bedrock', event).catch((error: unknown) =>
      logFailure(invocation.awsRequestId, error),
    ),
  )
