/**
 * The one place that calls the outside world: host guard, no redirects, time limits, careful repetition.
 * @module
 */
import type { Config } from './config.ts'
import { assertPublicUrl } from './host-guard.ts'
import type { Clock } from './platform/index.ts'

/**
 * What may be sent again. `always`: the call changes nothing, or nothing more when repeated. `if-refused`: only after
 * a 429, which says that it was not carried out. `never`: the caller repeats for itself.
 */
export type Repeat = 'always' | 'if-refused' | 'never'

export interface OutboundRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  url: URL
  headers: Record<string, string>
  /** A stream is opened anew for each attempt: a spent one could not be repeated. */
  body?: string | Uint8Array<ArrayBuffer> | (() => Promise<ReadableStream<Uint8Array>>)
  repeat: Repeat
  /** Statuses that are an answer though they are a 3xx, e.g. the 308 of an upload session: "go on". */
  accept?: readonly number[]
  /** For `call`, and for errors, the time to the whole answer; for `open` the time to its headers. */
  timeoutMs: number
  /** Ends the call when the client has gone. */
  signal?: AbortSignal | undefined
  /**
   * The call is the request's own and ends with it: where the platform sees to that itself, no abort signal is made, which
   * is a seventh of what a completion costs in workerd.
   */
  endsWithRequest?: boolean
}

/** An answer read whole. Any status. */
export interface Answer {
  status: number
  headers: Headers
  bytes: Uint8Array<ArrayBuffer>
}

/** An answer whose body is still on its way. Any status. */
export interface OpenAnswer {
  status: number
  headers: Headers
  body: ReadableStream<Uint8Array>
}

/** No answer: why, and whether the other side may have acted on the request is unknown. */
export class TransportError extends Error {
  readonly reason: 'timeout' | 'unreachable' | 'redirected' | 'client_gone'
  constructor(reason: TransportError['reason'], cause?: unknown) {
    super(`No answer: ${reason}`, { cause })
    this.name = 'TransportError'
    this.reason = reason
  }
}

export interface Transport {
  call(request: OutboundRequest): Promise<Answer>
  open(request: OutboundRequest): Promise<OpenAnswer>
  /** A call to a host that owes us nothing: its body is not read, however long it is. */
  notify(request: OutboundRequest): Promise<Pick<Answer, 'status' | 'headers'>>
  /** Refuses a URL that would not be called. @param param the field it came in @throws {ApiError} 400 */
  assertCallable(url: URL, param: string): void
}

export interface TransportOptions {
  fetch(request: Request | string, init?: RequestInit): Promise<Response>
  clock: Clock
  retries: Config['retries']
  /** The one origin that need not be public: the local sandbox. */
  allowedOrigin?: string | undefined
  /** Whether the platform ends a request's calls when the request ends (workerd). */
  endsCallsWithRequest?: boolean
  /** 0 to 1. */
  random?: () => number
}

/** Longest `Retry-After` that is waited out here; beyond it the caller decides. */
const LONGEST_RETRY_AFTER_MS = 60_000

/** Milliseconds the server asks to wait, from `retry-after-ms` or `retry-after` (seconds or a date). */
export const retryAfterMs = (headers: Headers, now: number): number | undefined => {
  const milliseconds = Number(headers.get('retry-after-ms') || Number.NaN)
  if (milliseconds >= 0) return milliseconds
  const value = headers.get('retry-after')
  if (!value) return undefined
  const seconds = Number(value)
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined
}

/** Whether an answer or its absence may be followed by the same request again. */
export const mayRepeat = (
  repeat: Repeat,
  outcome: Pick<Answer, 'status' | 'headers'> | TransportError,
): boolean => {
  if (repeat === 'never') return false
  if (outcome instanceof TransportError) {
    return repeat === 'always' && (outcome.reason === 'timeout' || outcome.reason === 'unreachable')
  }
  if (outcome.headers.get('x-should-retry') === 'false') return false
  if (outcome.status === 429) return true
  return repeat === 'always' && (outcome.status === 408 || outcome.status >= 500)
}

/** Full jitter over a doubling delay, unless the server named one. Milliseconds; undefined: too long to wait here. */
export const delayBefore = (
  attempt: number,
  asked: number | undefined,
  { firstDelayMs, longestDelayMs }: Config['retries'],
  random: () => number,
): number | undefined => {
  if (asked !== undefined) return asked > LONGEST_RETRY_AFTER_MS ? undefined : asked
  return random() * Math.min(longestDelayMs, firstDelayMs * 2 ** attempt)
}

/** Bytes that are read of what an error says: who is asked may be anyone, and go on without an end. */
const MOST_OF_AN_ERROR = 1024 * 1024

const beginningOf = async ({ body }: Response): Promise<Blob> => {
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  // Leaving the loop cancels the body.
  for await (const chunk of body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= MOST_OF_AN_ERROR) break
  }
  return new Blob(chunks)
}

/** Takes from an answer what its caller wants of it. */
type Read<T> = (response: Response) => Promise<T> | T

export const createTransport = ({
  fetch,
  clock,
  retries,
  allowedOrigin,
  endsCallsWithRequest = false,
  random = Math.random,
}: TransportOptions): Transport => {
  /** A call without a signal: when its time is over it is left to the platform, which ends it with the request. */
  const attemptUnsignalled = <T>(
    { method, url, headers, timeoutMs }: OutboundRequest,
    body: string | undefined,
    read: Read<T>,
  ): Promise<T> => {
    const answered = async () => {
      const init: RequestInit = { method, headers, redirect: 'manual' }
      if (body !== undefined) init.body = body
      const response = await fetch(url.href, init)
      if (response.status >= 300 && response.status < 400) throw new TransportError('redirected')
      return read(response)
    }
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(new TransportError('timeout')), timeoutMs)
      answered().then(
        answer => {
          clearTimeout(timeout)
          resolve(answer)
        },
        (cause: unknown) => {
          clearTimeout(timeout)
          reject(cause instanceof TransportError ? cause : new TransportError('unreachable', cause))
        },
      )
    })
  }

  /** One attempt; `read` runs under the same time limit. */
  const attempt = async <T>(request: OutboundRequest, read: Read<T>): Promise<T> => {
    const { method, url, headers, timeoutMs, signal } = request
    if (signal?.aborted) throw new TransportError('client_gone', signal.reason)
    // What keeps a body from being opened is no failure of the network: it comes out as it is.
    const body = typeof request.body === 'function' ? await request.body() : request.body
    const timer = new AbortController()
    const timeout = setTimeout(() => timer.abort(), timeoutMs)
    // A streamed body must stay stoppable by the client after the timer has done its work.
    const either = signal ? AbortSignal.any([timer.signal, signal]) : timer.signal
    try {
      const init: RequestInit = { method, headers, redirect: 'manual', signal: either }
      if (typeof body === 'string') init.body = body
      else if (body) Object.assign(init, { body, duplex: 'half' })
      // By its address: Node lets go of the signal of a Request that nobody holds.
      const response = await fetch(url.href, init)
      if (response.status >= 300 && response.status < 400 && !request.accept?.includes(response.status)) {
        await response.body?.cancel().catch(() => undefined)
        throw new TransportError('redirected')
      }
      return await read(response)
    } catch (cause) {
      if (cause instanceof TransportError) throw cause
      if (signal?.aborted) throw new TransportError('client_gone', cause)
      throw new TransportError(timer.signal.aborted ? 'timeout' : 'unreachable', cause)
    } finally {
      clearTimeout(timeout)
    }
  }

  const carryOut = <T>(request: OutboundRequest, read: Read<T>): Promise<T> => {
    const { body } = request
    return endsCallsWithRequest && request.endsWithRequest && (body === undefined || typeof body === 'string')
      ? attemptUnsignalled(request, body, read)
      : attempt(request, read)
  }

  const repeated = async <T extends Pick<Answer, 'status' | 'headers'>>(
    request: OutboundRequest,
    read: Read<T>,
  ): Promise<T> => {
    assertPublicUrl(request.url, allowedOrigin)
    if (request.repeat === 'never') return carryOut(request, read)
    for (let attempts = 0; ; attempts++) {
      const outcome = await carryOut(request, read).catch((error: unknown) => {
        if (error instanceof TransportError) return error
        throw error
      })
      if (!(outcome instanceof TransportError) && outcome.status < 400) return outcome
      const asked = outcome instanceof TransportError ? undefined : retryAfterMs(outcome.headers, clock.now())
      const delay =
        attempts < retries.count && mayRepeat(request.repeat, outcome)
          ? delayBefore(attempts, asked, retries, random)
          : undefined
      if (delay === undefined) {
        if (outcome instanceof TransportError) throw outcome
        return outcome
      }
      await clock.sleep(delay)
    }
  }

  return {
    call: request =>
      repeated(request, async response => ({
        status: response.status,
        headers: response.headers,
        bytes: new Uint8Array(await response.arrayBuffer()),
      })),
    notify: request =>
      repeated(request, async ({ status, headers, body }) => {
        await body?.cancel().catch(() => undefined)
        return { status, headers }
      }),
    assertCallable: (url, param) => assertPublicUrl(url, allowedOrigin, param),
    open: request =>
      repeated(request, response => {
        const { status, headers, body } = response
        if (response.ok && body) return { status, headers, body }
        // Only a success may take its time: what an error says is read under the same limit.
        return beginningOf(response).then(blob => ({ status, headers, body: blob.stream() }))
      }),
  }
}
