/**
 * From a provider's fault to the error the gateway answers.
 * @module
 */
import { ApiError, type ErrorCode } from '../openai/index.ts'
import { ProviderFault } from './provider.ts'

interface Row {
  status: number
  code: ErrorCode
  message: string
}

/** Faults without an HTTP status. */
const NO_STATUS: Record<Exclude<ProviderFault['status'], number>, Row> = {
  timeout: { status: 504, code: 'provider_timeout', message: 'did not answer in time' },
  unreachable: { status: 502, code: 'provider_unreachable', message: 'could not be reached, or broke off' },
  redirected: {
    status: 502,
    code: 'provider_redirected',
    message: 'answered with a redirect, which is never followed',
  },
  client_gone: { status: 499, code: 'provider_unreachable', message: 'was left before it answered' },
  garbled: {
    status: 502,
    code: 'provider_invalid_answer',
    message: 'answered something that its API does not promise',
  },
}

const DEFAULT_CODE: Record<number, ErrorCode> = { 429: 'rate_limit_exceeded' }

/** Its code tells a refusal of the connection's credentials from one of the caller's own key; the setting is named. */
const authentication = (setting: string | null): Row => ({
  status: 401,
  code: 'provider_authentication_failed',
  message: `refused the credentials of this connection${setting === null ? '' : ` (${setting})`}`,
})

/** Every fault as an OpenAI error: 4xx, 429 and 5xx keep their status, silence becomes 502 or 504. */
export const toAnswerError = (fault: ProviderFault): ApiError => {
  const { status, said, param, provider, nativeCode, retryAfter } = fault
  const row: Row =
    typeof status !== 'number'
      ? NO_STATUS[status]
      : status === 401
        ? authentication(param)
        : {
            status,
            code: fault.code ?? DEFAULT_CODE[status] ?? 'provider_error',
            message: said ?? `answered with status ${status}`,
          }
  return new ApiError({
    ...row,
    // What a provider says of a request is told as it said it; what the gateway says of a provider names it.
    message: row.message === said ? said : `The provider '${provider}' ${row.message}.`,
    param,
    ...(nativeCode === 'insufficient_quota' && { type: 'insufficient_quota' as const }),
    ...(retryAfter !== null && { headers: { 'retry-after': retryAfter } }),
    tunegate: {
      provider,
      native_status: typeof status === 'number' ? status : null,
      native_code: nativeCode,
    },
    cause: fault,
  })
}

/** An error for the caller out of anything thrown on the way to a provider. */
export const asAnswerError = (error: unknown): unknown =>
  error instanceof ProviderFault ? toAnswerError(error) : error
