/**
 * Lambda's Runtime API for one execution environment: hands out invocations one at a time, and takes their answers, whole or as
 * a stream.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 * @module
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer, text } from 'node:stream/consumers'

/** How an invocation ended, or begins to: a stream is handed on with its first byte. */
export type Outcome =
  | { kind: 'whole'; body: Buffer }
  | { kind: 'stream'; contentType: string; body: IncomingMessage }
  | { kind: 'failed'; type: string; body: string }

interface Invocation {
  id: string
  event: string
  resolve(outcome: Outcome): void
}

export interface RuntimeApi {
  /** `127.0.0.1:PORT`, as `AWS_LAMBDA_RUNTIME_API` has it. */
  readonly address: string
  /** Whether the runtime waits for an invocation. */
  readonly idle: boolean
  /** What the runtime has told of a function that does not load. */
  readonly initError: string | undefined
  /** @throws when the environment ends before there is an answer */
  invoke(event: string): Promise<Outcome>
  /** Called when the runtime waits for an invocation: the one before is over. */
  onIdle: () => void
  /** Ends what is under way. */
  fail(reason: string): void
  close(): void
}

const PATH = /^\/2018-06-01\/runtime\/(?:(init)\/error|invocation\/(?:(next)|([\w-]+)\/(response|error)))$/
/** Milliseconds an invocation may take; it is told to the function. */
const TIMEOUT_MS = 900_000

export async function openRuntimeApi(functionArn: string): Promise<RuntimeApi> {
  let waiting: ServerResponse | undefined
  let queued: Invocation | undefined
  let current: Invocation | undefined
  let initError: string | undefined

  const handOut = (): void => {
    if (!waiting || !queued) return
    const [response, invocation] = [waiting, queued]
    ;[waiting, queued, current] = [undefined, undefined, invocation]
    response.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': invocation.id,
      'lambda-runtime-deadline-ms': String(Date.now() + TIMEOUT_MS),
      'lambda-runtime-invoked-function-arn': functionArn,
      'lambda-runtime-trace-id': `Root=1-${invocation.id.slice(0, 8)}-${invocation.id.replaceAll('-', '').slice(8)};Sampled=0`,
    })
    response.end(invocation.event)
  }
  const accepted = (response: ServerResponse): void => {
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}')
  }
  const beIdle = (): void => {
    api.onIdle()
    handOut()
  }
  /** A runtime whose stream has failed may ask for the next invocation before the last of that stream has come. */
  const finished = (response: ServerResponse): void => {
    current = undefined
    accepted(response)
    if (waiting) beIdle()
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, init, next, id, verb] = PATH.exec(request.url ?? '') ?? []
    if (next) {
      waiting = response
      if (!current) beIdle()
      return
    }
    if (init) {
      initError = await text(request)
      accepted(response)
      return
    }
    if (!id || id !== current?.id) {
      request.resume()
      response.writeHead(400).end('{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}')
      return
    }
    const { resolve } = current
    if (verb === 'error') {
      const body = await text(request)
      resolve({ kind: 'failed', type: String(JSON.parse(body).errorType), body })
      finished(response)
    } else if (request.headers['lambda-runtime-function-response-mode'] === 'streaming') {
      request.on('end', () => finished(response))
      resolve({ kind: 'stream', contentType: request.headers['content-type'] ?? '', body: request })
    } else {
      resolve({ kind: 'whole', body: await buffer(request) })
      finished(response)
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  // The runtime waits for its next invocation as long as it takes.
  server.requestTimeout = 0
  server.keepAliveTimeout = TIMEOUT_MS
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const api: RuntimeApi = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get idle() {
      return waiting !== undefined && queued === undefined
    },
    get initError() {
      return initError
    },
    invoke: event =>
      new Promise(resolve => {
        queued = { id: crypto.randomUUID(), event, resolve }
        handOut()
      }),
    onIdle: () => undefined,
    fail(reason) {
      for (const invocation of [current, queued])
        invocation?.resolve({ kind: 'failed', type: 'Runtime.ExitError', body: reason })
      ;[current, queued] = [undefined, undefined]
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return api
}
