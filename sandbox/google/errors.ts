/** The error object that Google's newer APIs share, and the table from its status to HTTP. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** `google.rpc.Code`: its number, and the HTTP status that carries it. */
export const STATUS = {
  CANCELLED: { rpc: 1, http: 499 },
  INVALID_ARGUMENT: { rpc: 3, http: 400 },
  NOT_FOUND: { rpc: 5, http: 404 },
  PERMISSION_DENIED: { rpc: 7, http: 403 },
  RESOURCE_EXHAUSTED: { rpc: 8, http: 429 },
  FAILED_PRECONDITION: { rpc: 9, http: 400 },
  UNIMPLEMENTED: { rpc: 12, http: 501 },
  INTERNAL: { rpc: 13, http: 500 },
  UNAVAILABLE: { rpc: 14, http: 503 },
  UNAUTHENTICATED: { rpc: 16, http: 401 },
} as const

export type StatusName = keyof typeof STATUS

/** One of the `google.rpc` messages that explain an error: `@type` and its fields. */
export interface Detail {
  '@type': string
  [field: string]: unknown
}

export interface GoogleErrorBody {
  error: { code: number; message: string; status: StatusName; details?: readonly Detail[] }
}

/** A refusal. Thrown anywhere in a route, answered as `{"error": {code, message, status, details}}`. */
export class GoogleError extends Error {
  override readonly name = 'GoogleError'
  readonly status: StatusName
  readonly details: readonly Detail[]

  constructor(status: StatusName, message: string, details: readonly Detail[] = []) {
    super(message)
    this.status = status
    this.details = details
  }

  get http(): ContentfulStatusCode {
    // 499 is nginx's invention: not in the list of types, but on Google's wire.
    return STATUS[this.status].http as ContentfulStatusCode
  }

  get body(): GoogleErrorBody {
    const { status, message, details } = this
    return { error: { code: this.http, message, status, ...(details.length > 0 && { details }) } }
  }
}

/** Why access was refused, in the form that Google's client libraries look for. */
export const errorInfo = (reason: string, metadata: Record<string, string> = {}): Detail => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
  metadata,
})

/** Any failure as a GoogleError: what nobody foresaw is the sandbox's own fault. */
export const asGoogleError = (error: Error): GoogleError =>
  error instanceof GoogleError ? error : new GoogleError('INTERNAL', `The sandbox failed: ${error.message}`)
