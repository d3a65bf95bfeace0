/** Google's error object → canonical fault: `{"error": {code, message, status, details}}`, or Cloud Storage's with `errors`. */
import type { ErrorCode } from '../../openai/index.ts'
import type { Answer } from '../../transport.ts'
import { parseJson } from '../json.ts'
import { type Fault, type ProviderFault, unansweredFault } from '../provider.ts'

/** `google.rpc.Code` by number. Source: googleapis/google/rpc/code.proto. */
const RPC_NAMES: Readonly<Record<number, string>> = {
  1: 'CANCELLED',
  2: 'UNKNOWN',
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  10: 'ABORTED',
  11: 'OUT_OF_RANGE',
  12: 'UNIMPLEMENTED',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
  15: 'DATA_LOSS',
  16: 'UNAUTHENTICATED',
}
/** The name of a `google.rpc.Status`'s code. */
export const rpcName = (code: number | undefined): string => RPC_NAMES[code ?? 2] ?? 'UNKNOWN'

/** The HTTP status of a name, for errors that come within an answer of status 200. Source: code.proto. */
const HTTP_STATUS = new Map<string, number>(
  Object.entries({
    INVALID_ARGUMENT: 400,
    FAILED_PRECONDITION: 400,
    OUT_OF_RANGE: 400,
    UNAUTHENTICATED: 401,
    PERMISSION_DENIED: 403,
    NOT_FOUND: 404,
    ABORTED: 409,
    ALREADY_EXISTS: 409,
    RESOURCE_EXHAUSTED: 429,
    CANCELLED: 499,
    UNKNOWN: 500,
    INTERNAL: 500,
    DATA_LOSS: 500,
    UNIMPLEMENTED: 501,
    UNAVAILABLE: 503,
    DEADLINE_EXCEEDED: 504,
  }),
)

const CODES = new Map<string, ErrorCode>(
  Object.entries({
    RESOURCE_EXHAUSTED: 'rate_limit_exceeded',
    UNAVAILABLE: 'server_is_overloaded',
    INTERNAL: 'server_error',
    PERMISSION_DENIED: 'permission_denied',
  }),
)

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** What a model or endpoint that is not there is told by; other resources are not found in other words. */
const MODEL_MISSING = /^(publisher model|model|endpoint)\b/i
const TOO_LONG = /input token count.*exceeds|token limit|context (length|window)/i

const codeOf = (native: string | null, message: string | undefined): ErrorCode | null => {
  if (native === 'NOT_FOUND' && MODEL_MISSING.test(message ?? '')) return 'model_not_found'
  if (native === 'INVALID_ARGUMENT' && TOO_LONG.test(message ?? '')) return 'context_length_exceeded'
  return CODES.get(native ?? '') ?? null
}

/** Seconds, from `google.rpc.RetryInfo`: `"retryDelay": "12.5s"`. */
const retryDelay = (details: unknown): string | null => {
  for (const detail of Array.isArray(details) ? details : []) {
    const { '@type': type, retryDelay: delay } = record(detail)
    const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text(delay) ?? '')?.[1]
    if (text(type)?.endsWith('google.rpc.RetryInfo') && seconds !== undefined)
      return String(Math.ceil(Number(seconds)))
  }
  return null
}

/** Words only: what else stands in a code's place may quote the request. */
const word = (value: unknown): string | null =>
  /^\w{1,64}$/.test(String(value)) ? (text(value) ?? null) : null

/** The error in a JSON value, which a stream without `alt=sse` wraps in an array. */
const errorOf = (value: unknown): Record<string, unknown> =>
  record(record(Array.isArray(value) ? value[0] : value).error)

/** Whether a JSON value is Google's error object. */
export const isErrorObject = (value: unknown): boolean => Object.keys(errorOf(value)).length > 0

/** What an error object says. @param httpStatus of the answer; within a stream that began well, the error's own */
export const faultOf = (value: unknown, httpStatus?: number, retryAfter: string | null = null): Fault => {
  const error = errorOf(value)
  const nativeCode =
    word(error.status) ?? word(record(Array.isArray(error.errors) ? error.errors[0] : {}).reason)
  const own = typeof error.code === 'number' ? error.code : undefined
  const status = httpStatus ?? HTTP_STATUS.get(nativeCode ?? '') ?? own ?? 500
  // A refusal of credentials may quote them.
  const message = status === 401 ? undefined : text(error.message)
  return {
    status,
    code: codeOf(nativeCode, message),
    nativeCode,
    message,
    // Google names its own fields, which are not the caller's: the message has them.
    param: null,
    retryAfter: retryAfter ?? retryDelay(error.details),
    // A 4xx was answered before anything was done, but for those that speak of time and state.
    refused: httpStatus !== undefined && status >= 400 && status < 500 && ![408, 409, 499].includes(status),
  }
}

export const toFault = ({ status, headers, bytes }: Answer): Fault =>
  faultOf(parseJson(bytes), status, headers.get('retry-after'))

/** An answer with a 2xx that is not what the API promises: what became of the request is not known. */
export const garbled = (): ProviderFault => unansweredFault('vertex_ai', 'garbled')
