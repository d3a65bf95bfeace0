/** OpenAI's error object → canonical fault. */
import { PROVIDER_ERROR_CODES } from '../../openai/index.ts'
import type { Answer } from '../../transport.ts'
import { parseJson } from '../json.ts'
import type { Fault } from '../provider.ts'

type KnownCode =
  | (typeof PROVIDER_ERROR_CODES)[number]
  | 'model_not_found'
  | 'unknown_parameter'
  | 'invalid_value'
const KNOWN = new Set<string>([
  ...PROVIDER_ERROR_CODES,
  'model_not_found',
  'unknown_parameter',
  'invalid_value',
])
const isKnown = (code: string | null): code is KnownCode => code !== null && KNOWN.has(code)

interface ErrorObject {
  message?: unknown
  param?: unknown
  code?: unknown
  type?: unknown
}
const errorOf = (value: unknown): ErrorObject => {
  const error = typeof value === 'object' && value !== null && 'error' in value ? value.error : undefined
  return typeof error === 'object' && error !== null ? error : {}
}
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)

/** Codes are words; whatever else stands in their place may quote the request. */
const word = (value: unknown): string | null => (/^\w{1,64}$/.test(String(value)) ? text(value) : null)

/** OpenAI echoes part of the key in the message of a 401: nothing of it is repeated. */
const speaksOfKeys = (status: number) => status === 401

export const toFault = ({ status, headers, bytes }: Answer): Fault => {
  const error = errorOf(parseJson(bytes))
  const nativeCode = word(error.code) ?? word(error.type)
  return {
    status,
    code: isKnown(nativeCode) ? nativeCode : null,
    nativeCode,
    message: speaksOfKeys(status) ? undefined : (text(error.message) ?? undefined),
    param: speaksOfKeys(status) ? null : text(error.param),
    retryAfter: headers.get('retry-after'),
    // A 4xx was answered before anything was done, but for 408 and 409, which speak of time and state.
    refused: status >= 400 && status < 500 && status !== 408 && status !== 409,
  }
}
