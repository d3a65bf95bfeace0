/** Misbehaviour on request: what a provider, or the network before it, does on a bad day. */
import { setTimeout as delay } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context, MiddlewareHandler } from 'hono'
import * as z from 'zod'
import { exceptionFrame } from './aws/runtime/event-stream.ts'
import { newId } from './ids.ts'

export const faultSchema = z.strictObject({
  /** Which requests: HTTP method; any if absent. */
  method: z.string().optional(),
  /** Which requests: source of a regular expression on the pathname; any if absent. */
  path: z.string().optional(),
  /** How many requests it hits; default 1. */
  times: z.int().min(1).optional(),
  kind: z.enum([
    'status',
    'effect-then-status',
    'reset',
    'effect-then-reset',
    'slow',
    'hang',
    'cut-body',
    'cut-stream',
    'end-stream',
    'stream-exception',
    'garbage',
  ]),
  /** For `status` and `effect-then-status`; default 500. */
  status: z.int().min(200).max(599).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.unknown().optional(),
  /** Waited before anything else, whatever the kind. */
  delayMs: z.number().min(0).optional(),
  /** For `cut-stream`, `end-stream` and `stream-exception`: chunks let through first; default 1. */
  afterChunks: z.int().min(0).optional(),
  /** For `stream-exception` (AWS's event streams): its type; default `throttlingException`. The payload is `body`. */
  exception: z.string().optional(),
})

export type Fault = z.infer<typeof faultSchema>

type Env = { Bindings: HttpBindings }

/** Does the fault to one request. `serve` lets the provider answer it. */
type Misbehaviour = (fault: Fault, context: Context<Env>, serve: () => Promise<Response>) => Promise<Response>

const MISBEHAVIOURS: Record<Fault['kind'], Misbehaviour> = {
  status: async fault => errorResponse(fault),
  'effect-then-status': async (fault, _context, serve) => {
    await discard(await serve())
    return errorResponse(fault)
  },
  reset: async (_fault, context) => resetConnection(context),
  'effect-then-reset': async (_fault, context, serve) => {
    await discard(await serve())
    return resetConnection(context)
  },
  slow: async (_fault, _context, serve) => serve(),
  hang: async (_fault, context) => {
    await new Promise<void>(resolve => context.env.outgoing.once('close', resolve))
    return RESPONSE_ALREADY_SENT
  },
  'cut-body': async (_fault, context, serve) => cutBody(context, await serve()),
  'cut-stream': async (fault, context, serve) => cutStream(context, await serve(), fault.afterChunks ?? 1),
  'end-stream': async (fault, _context, serve) => endStream(await serve(), fault.afterChunks ?? 1),
  'stream-exception': async (fault, _context, serve) => streamException(await serve(), fault),
  garbage: async fault =>
    new Response(typeof fault.body === 'string' ? fault.body : '<html>upstream said something odd</html>', {
      status: fault.status ?? 200,
      headers: { 'content-type': 'application/json', 'x-request-id': newId('req_', 32), ...fault.headers },
    }),
}

/** The faults waiting to happen, in the order in which they were set. */
export class Faults {
  #waiting: { fault: Fault; path: RegExp; left: number }[] = []

  add(fault: Fault): void {
    this.#waiting.push({ fault, path: new RegExp(fault.path ?? ''), left: fault.times ?? 1 })
  }

  clear(): void {
    this.#waiting = []
  }

  /** The first fault that is meant for the request; uses it up. */
  take(method: string, pathname: string): Fault | undefined {
    const hit = this.#waiting.find(
      ({ fault, path }) => (fault.method?.toUpperCase() ?? method) === method && path.test(pathname),
    )
    if (!hit) return undefined
    hit.left--
    if (hit.left === 0) this.#waiting = this.#waiting.filter(other => other !== hit)
    return hit.fault
  }

  /** Hono middleware: one fault at most for each request. */
  middleware(): MiddlewareHandler<Env> {
    return async (context, next) => {
      const fault = this.take(context.req.method, context.req.path)
      if (!fault) return next()
      if (fault.delayMs) await delay(fault.delayMs)
      const serve = async (): Promise<Response> => {
        await next()
        return context.res
      }
      const response = await MISBEHAVIOURS[fault.kind](fault, context, serve)
      if (response === context.res) return
      // Unset first: Hono would otherwise carry the provider's headers over.
      context.res = undefined
      context.res = response
    }
  }
}

interface Refusal {
  type: string
  code: string | null
  message: string
  headers?: Record<string, string>
}

const REFUSALS: Record<number, Refusal> = {
  429: {
    type: 'requests',
    code: 'rate_limit_exceeded',
    message: 'Rate limit reached for requests. Please try again in 1s.',
    headers: { 'retry-after': '1' },
  },
  500: {
    type: 'server_error',
    code: null,
    message: 'The server had an error while processing your request.',
  },
  503: {
    type: 'server_error',
    code: 'server_is_overloaded',
    message: 'The engine is currently overloaded, please try again later.',
  },
}

function errorResponse({ status = 500, headers, body }: Fault): Response {
  const { headers: usual, ...refusal } = REFUSALS[status] ?? {
    type: status < 500 ? 'invalid_request_error' : 'server_error',
    code: null,
    message: `The sandbox was asked to answer ${status}.`,
  }
  return new Response(
    typeof body === 'string' ? body : JSON.stringify(body ?? { error: { ...refusal, param: null } }),
    {
      status,
      headers: {
        'content-type': 'application/json',
        'x-request-id': newId('req_', 32),
        ...usual,
        ...headers,
      },
    },
  )
}

/** Lets go of an answer that nobody will read; a stream stops generating. */
async function discard(response: Response): Promise<void> {
  await response.body?.cancel()
}

function resetConnection({ env }: Context<Env>): Response {
  env.incoming.socket.resetAndDestroy()
  return RESPONSE_ALREADY_SENT
}

/** Headers that promise the whole body, half of it, and then the connection is gone. */
async function cutBody({ env: { outgoing } }: Context<Env>, response: Response): Promise<Response> {
  const body = Buffer.from(await response.arrayBuffer())
  const { 'transfer-encoding': _, ...headers } = Object.fromEntries(response.headers)
  outgoing.writeHead(response.status, { ...headers, 'content-length': body.byteLength })
  await written(outgoing, body.subarray(0, Math.floor(body.byteLength / 2)))
  outgoing.destroy()
  return RESPONSE_ALREADY_SENT
}

async function cutStream(
  { env: { outgoing } }: Context<Env>,
  response: Response,
  chunks: number,
): Promise<Response> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  outgoing.flushHeaders()
  for await (const chunk of firstChunks(response, chunks)) await written(outgoing, chunk)
  outgoing.destroy()
  return RESPONSE_ALREADY_SENT
}

function endStream(response: Response, chunks: number): Response {
  return new Response(ReadableStream.from(firstChunks(response, chunks)), response)
}

/** An event stream that goes wrong after its 200: some frames, then one that says why there are no more. */
function streamException(response: Response, fault: Fault): Response {
  const { afterChunks = 1, exception = 'throttlingException', body = { message: 'Too many tokens' } } = fault
  const frames = async function* () {
    yield* firstChunks(response, afterChunks)
    yield exceptionFrame(exception, body)
  }
  return new Response(ReadableStream.from(frames()), response)
}

/** Providers write one event to a chunk, so chunks are events. Leaving early cancels the rest. */
async function* firstChunks(response: Response, limit: number): AsyncGenerator<Uint8Array> {
  if (!response.body) return
  const reader = response.body.getReader()
  try {
    for (let count = 0; count < limit; count++) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel()
  }
}

/** Resolves when the bytes have left for the socket, or the client is gone. */
function written(outgoing: HttpBindings['outgoing'], bytes: Uint8Array): Promise<void> {
  return new Promise(resolve => outgoing.write(bytes, () => resolve()))
}
