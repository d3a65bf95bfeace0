import type { MiddlewareHandler } from 'hono'

/** A request as it arrived. */
export interface RecordedRequest {
  method: string
  /** Pathname, without the query. */
  path: string
  /** Query string with its `?`, or empty. */
  query: string
  headers: Record<string, string>
  /** Parsed, if it came as JSON. */
  body: unknown
  /** Milliseconds since 1970. */
  at: number
}

const KEPT = 10_000

/** Remembers the latest requests, for tests that ask what really went over the wire. */
export class Recorder {
  #requests: RecordedRequest[] = []

  get requests(): RecordedRequest[] {
    return [...this.#requests]
  }

  clear(): void {
    this.#requests = []
  }

  middleware(): MiddlewareHandler {
    return async ({ req }, next) => {
      const { pathname, search } = new URL(req.url)
      const headers = req.header()
      const recorded: RecordedRequest = {
        method: req.method,
        path: pathname,
        query: search,
        headers,
        body: undefined,
        at: Date.now(),
      }
      this.#requests.push(recorded)
      if (this.#requests.length >= 2 * KEPT) this.#requests = this.#requests.slice(-KEPT)
      if (headers['content-type']?.includes('json'))
        recorded.body = parsed(new TextDecoder().decode(await req.arrayBuffer()))
      await next()
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
