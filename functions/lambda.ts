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

/** A handler that writes its answer piece by piece, as the runtime calls it. */
type StreamingHandler = (event: unknown, stream: unknown, invocation: unknown) => Promise<void>

/** What Lambda's runtime puts into the global scope before it loads this file. */
declare const awslambda: { streamifyResponse(handler: StreamingHandler): StreamingHandler }

/** What the handlers need of an invocation. */
interface Invocation {
  awsRequestId: string
}

const app = createApp(config)
const platform = createAwsPlatform()

const routed = app.fetch
app.fetch = request => routed(request, { platform })
const answer = streamHandle(app) as unknown as StreamingHandler

/** After its last step an invocation is frozen: what was put off till after the answer is done before. */
const toItsEnd = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work
  } finally {
    await platform.settled()
  }
}

interface UrlEvent {
  requestContext: { http: { method: string } }
  body?: string | undefined
}

/** The body of a GET means nothing (RFC 9110, 9.3.1), and a `Request` cannot hold it. */
const withoutIdleBody = (event: UrlEvent): UrlEvent =>
  ['GET', 'HEAD'].includes(event.requestContext.http.method) ? { ...event, body: undefined } : event

/** The function URL's requests (payload 2.0), answered as a stream. */
export const http = awslambda.streamifyResponse((event, stream, invocation) =>
  toItsEnd(answer(withoutIdleBody(event as UrlEvent), stream, invocation)),
)

/** Every minute. */
export const schedule = (): Promise<void> => toItsEnd(tick(app.background(platform)))

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
export const tasks = ({
  Records,
}: QueueEvent): Promise<{ batchItemFailures: { itemIdentifier: string }[] }> => {
  const context = app.background(platform)
  const failures = async () => {
    const done = await Promise.all(Records.map(({ body }) => runTask(context, taskIn(body))))
    return Records.filter((_, index) => !done[index])
  }
  return toItsEnd(
    failures().then(failed => ({
      batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })),
    })),
  )
}

/** A job of Bedrock has changed: it is asked about at once. */
export const jobEvents = (event: unknown, { awsRequestId }: Invocation): Promise<void> =>
  toItsEnd(
    takeEvent(app.background(platform), awsRequestId, 'bedrock', event).catch((error: unknown) =>
      logFailure(awsRequestId, error),
    ),
  )
