/**
 * OpenAI's error object and the one exception the gateway throws.
 * @module
 */

import type { DatasetReport } from './datasets.ts'

/** Codes the gateway itself gives. The list is closed and documented in `docs/errors.md`. */
export type GatewayErrorCode =
  | 'batch_not_found'
  | 'body_too_large'
  | 'budget_exceeded'
  | 'budget_not_found'
  | 'conflict'
  | 'connection_unconfigured'
  | 'credentials_required'
  | 'dataset_copying'
  | 'delivery_not_found'
  | 'deployment_unconfigured'
  | 'feature_unsupported'
  | 'file_deleted'
  | 'file_not_found'
  | 'file_purpose_invalid'
  | 'host_forbidden'
  | 'idempotency_key_in_use'
  | 'idempotency_key_reused'
  | 'insufficient_permissions'
  | 'internal_error'
  | 'invalid_api_key'
  | 'invalid_dataset'
  | 'invalid_json'
  | 'invalid_multipart'
  | 'invalid_signature'
  | 'invalid_state'
  | 'invalid_value'
  | 'job_not_found'
  | 'key_not_found'
  | 'method_not_allowed'
  | 'missing_api_key'
  | 'missing_required_parameter'
  | 'model_not_deployed'
  | 'model_not_found'
  | 'permission_denied'
  | 'price_unknown'
  | 'provider_authentication_failed'
  | 'provider_error'
  | 'provider_invalid_answer'
  | 'provider_redirected'
  | 'provider_stream_broken'
  | 'provider_timeout'
  | 'provider_unreachable'
  | 'source_forbidden'
  | 'source_unreadable'
  | 'submission_outcome_unknown'
  | 'too_few_examples'
  | 'unknown_parameter'
  | 'unknown_url'
  | 'upload_not_found'
  | 'webhook_endpoint_not_found'
  | 'webhook_undelivered'

/** Codes a provider gave that clients of the OpenAI API act on; they are passed on unchanged. */
export const PROVIDER_ERROR_CODES = [
  'content_filter',
  'context_length_exceeded',
  'content_policy_violation',
  'insufficient_quota',
  'integer_above_max_value',
  'integer_below_min_value',
  'invalid_prompt',
  'invalid_type',
  'invalid_image',
  'invalid_function_parameters',
  'model_not_available',
  'rate_limit_exceeded',
  'server_error',
  'server_is_overloaded',
  'slow_down',
  'string_above_max_length',
  'string_below_min_length',
  'tokens_exceeded',
  'unsupported_model',
  'unsupported_parameter',
  'unsupported_value',
] as const

export type ErrorCode = GatewayErrorCode | (typeof PROVIDER_ERROR_CODES)[number]

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'conflict_error'
  | 'rate_limit_error'
  | 'insufficient_quota'
  | 'server_error'

/** What a provider said. */
export interface ProviderDetails {
  provider: string
  native_status: number | null
  native_code: string | null
}
/** What is wrong with a dataset: the first errors, and how many there are. */
export type DatasetDetails = Pick<DatasetReport, 'problems' | 'problem_counts' | 'errors' | 'warnings'>

/** Which limit a job would go beyond, in dollars. Of a budget for everything no one is told how much others have used. */
export interface BudgetDetails {
  /** The budget's or the batch's id; null: the job's own `budget_limit`. */
  budget: string | null
  limit_usd: number
  spent_usd: number | null
  reserved_usd: number | null
  /** The high figure of what the job is estimated to cost. */
  estimate_usd: number
}

/** The body of every error answer. `tunegate` is there only when a provider had its say, a dataset was refused, or a budget is at its end. */
export interface ErrorBody {
  error: {
    message: string
    type: ErrorType
    param: string | null
    code: ErrorCode | null
    tunegate?: ProviderDetails | DatasetDetails | BudgetDetails
  }
}

export interface ApiErrorOptions {
  status: number
  code: ErrorCode
  message: string
  param?: string | null
  type?: ErrorType
  /** Answer headers, e.g. `retry-after` or `x-should-retry`. */
  headers?: Record<string, string>
  tunegate?: ErrorBody['error']['tunegate']
  cause?: unknown
}

const TYPE_OF_STATUS: Record<number, ErrorType> = {
  401: 'authentication_error',
  402: 'insufficient_quota',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  429: 'rate_limit_error',
}

const typeOf = (status: number): ErrorType =>
  TYPE_OF_STATUS[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error')

/** An answer that is an error. Thrown anywhere, turned into a response in one place (`functions/app.ts`). */
export class ApiError extends Error {
  readonly status: number
  readonly code: ErrorCode
  readonly param: string | null
  readonly type: ErrorType
  readonly headers: Record<string, string>
  readonly tunegate: ErrorBody['error']['tunegate']

  constructor(options: ApiErrorOptions) {
    super(options.message, { cause: options.cause })
    this.name = 'ApiError'
    this.status = options.status
    this.code = options.code
    this.param = options.param ?? null
    this.type = options.type ?? typeOf(options.status)
    this.headers = options.headers ?? {}
    this.tunegate = options.tunegate
  }

  toBody(): ErrorBody {
    const { message, type, param, code, tunegate } = this
    return { error: { message, type, param, code, ...(tunegate && { tunegate }) } }
  }
}

/** A 400 that names the field. */
export const badRequest = (param: string | null, message: string, code: ErrorCode = 'invalid_value') =>
  new ApiError({ status: 400, code, param, message })

export const notFound = (code: ErrorCode, param: string, message: string) =>
  new ApiError({ status: 404, code, param, message })
