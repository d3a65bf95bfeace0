/**
 * A runtime for Node functions, as Lambda's own (aws-lambda-ric) is: asks the Runtime API for an invocation, calls the handler,
 * answers, and asks again. `awslambda.streamifyResponse` and `HttpResponseStream` are as there. Used where that package is not
 * installed: its native part is compiled on the machine.
 *
 * Environment: `AWS_LAMBDA_RUNTIME_API`, `LAMBDA_TASK_ROOT`, `_HANDLER` (`file.export`).
 * @module
 */
import { once } from 'node:events'
import { Agent, type ClientRequest, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const {
  AWS_LAMBDA_RUNTIME_API: api = '',
  LAMBDA_TASK_ROOT: root = '',
  _HANDLER: handlerName = '',
} = process.env
const [host = '', port = ''] = api.split(':')
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

interface ResponseStream extends ClientRequest {
  setContentType(type: string): void
  _onBeforeFirstWrite?: (write: (chunk: string | Uint8Array) => void) => void
}
type Handler = ((event: unknown, ...rest: unknown[]) => Promise<unknown>) & { [STREAMING]?: true }
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming')

const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response'
const DELIMITER = new Uint8Array(8)
const ERROR_TRAILERS = ['Lambda-Runtime-Function-Error-Type', 'Lambda-Runtime-Function-Error-Body']

Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (handler: Handler) => Object.assign(handler, { [STREAMING]: true }),
    HttpResponseStream: {
      from(stream: ResponseStream, prelude: unknown): ResponseStream {
        stream.setContentType(PRELUDE_TYPE)
        stream._onBeforeFirstWrite = write => {
          write(JSON.stringify(prelude))
          write(DELIMITER)
        }
        return stream
      },
    },
  },
})

const open = (method: 'GET' | 'POST', path: string, headers: Record<string, string | string[]> = {}) =>
  request({ host, port, agent, method, path: `/2018-06-01/runtime/${path}`, headers })

const send = async (method: 'GET' | 'POST', path: string, body?: object, headers = {}) => {
  const call = open(method, path, headers)
  call.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = await once(call, 'response')
  return { headers: response.headers as Record<string, string>, text: (await buffer(response)).toString() }
}

const errorOf = (error: unknown) =>
  error instanceof Error
    ? { errorType: error.name, errorMessage: error.message, stackTrace: error.stack?.split('\n') ?? [] }
    : { errorType: typeof error, errorMessage: String(error), stackTrace: [] }

/** The body of the answer's request; its first write is preceded by the prelude. */
const openStream = (id: string): { stream: ResponseStream; answered: Promise<unknown> } => {
  const stream = open('POST', `invocation/${id}/response`, {
    'Lambda-Runtime-Function-Response-Mode': 'streaming',
    'Transfer-Encoding': 'chunked',
    'Content-Type': 'application/octet-stream',
    Trailer: ERROR_TRAILERS,
  }) as ResponseStream
  const answered = once(stream, 'response').then(([response]) => buffer(response))
  answered.catch(() => undefined)
  stream.setContentType = type => void stream.setHeader('Content-Type', type)
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
  let isBegun = false
  stream.write = ((...args: unknown[]) => {
    if (!isBegun) stream._onBeforeFirstWrite?.(chunk => write(chunk))
    isBegun = true
    return write(...args)
  }) as ResponseStream['write']
  return { stream, answered }
}

const answerStreaming = async (handler: Handler, id: string, event: unknown, context: object) => {
  const { stream, answered } = openStream(id)
  try {
    await handler(event, stream, context)
    await answered
    if (!stream.writableFinished) throw new Error('Response stream is not finished.')
  } catch (error) {
    console.error(errorOf(error).errorType)
    if (stream.writableEnded) return
    stream.addTrailers({
      [ERROR_TRAILERS[0] ?? '']: errorOf(error).errorType,
      [ERROR_TRAILERS[1] ?? '']: Buffer.from(JSON.stringify(errorOf(error))).toString('base64'),
    })
    stream.end()
    await answered
  }
}

const answerWhole = async (handler: Handler, id: string, event: unknown, context: object) => {
  try {
    await send('POST', `invocation/${id}/response`, ((await handler(event, context)) ?? null) as object)
  } catch (error) {
    const told = errorOf(error)
    console.error(told.errorType)
    await send('POST', `invocation/${id}/error`, told, { [ERROR_TRAILERS[0] ?? '']: told.errorType })
  }
}

const load = async (): Promise<Handler> => {
  const [file = '', name = ''] = handlerName.split('.')
  const module = (await import(pathToFileURL(`${root}/${file}.mjs`).href)) as Record<string, Handler>
  const handler = module[name]
  if (typeof handler !== 'function') throw new Error(`There is no handler ${handlerName}.`)
  return handler
}

let handler: Handler
try {
  handler = await load()
} catch (error) {
  console.error(error)
  await send('POST', 'init/error', errorOf(error)).catch(() => undefined)
  process.exit(1)
}
for (;;) {
  const next = await send('GET', 'invocation/next').catch(() => process.exit(0))
  const id = next.headers['lambda-runtime-aws-request-id'] ?? ''
  const deadline = Number(next.headers['lambda-runtime-deadline-ms'])
  const context = {
    awsRequestId: id,
    invokedFunctionArn: next.headers['lambda-runtime-invoked-function-arn'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  }
  const answer = handler[STREAMING] ? answerStreaming : answerWhole
  await answer(handler, id, JSON.parse(next.text), context)
}
