/**
 * Whose fault it is that a provider does not train a job, and whether another might.
 * @module
 */
import { ApiError, type ErrorCode } from '../openai/index.ts'
import { type NativeJob, ProviderFault } from '../providers/index.ts'
import type { Verdict } from './records.ts'

/** By code, whatever the status it comes with. */
const BY_CODE: Partial<Record<ErrorCode, Verdict>> = {
  insufficient_quota: 'quota',
  rate_limit_exceeded: 'capacity',
  slow_down: 'capacity',
  server_is_overloaded: 'capacity',
  model_not_available: 'capacity',
  server_error: 'outage',
  provider_timeout: 'outage',
  model_not_found: 'policy',
  unsupported_model: 'policy',
  permission_denied: 'policy',
  feature_unsupported: 'policy',
  connection_unconfigured: 'policy',
  credentials_required: 'policy',
  budget_exceeded: 'budget',
  price_unknown: 'budget',
}

/** By the status of a refusal. Any other 4xx speaks of what was asked for. */
const BY_STATUS: Record<number, Verdict> = { 401: 'policy', 403: 'policy', 408: 'outage', 429: 'capacity' }

/**
 * Why a provider did not take a job.
 * @returns `data` where another provider would have to say the same
 */
export const verdictOf = (error: unknown): Verdict => {
  if (error instanceof ProviderFault) {
    if (typeof error.status !== 'number') return 'outage'
    return (
      BY_CODE[error.code ?? 'invalid_value'] ??
      BY_STATUS[error.status] ??
      (error.status >= 500 ? 'outage' : 'data')
    )
  }
  if (!(error instanceof ApiError)) throw error
  return BY_CODE[error.code] ?? (error.status >= 500 ? 'outage' : 'data')
}

/** Whether a later try at the same provider may go better. */
export const mayPass = (verdict: Verdict): boolean =>
  verdict === 'capacity' || verdict === 'quota' || verdict === 'outage'

/** Words of a job's own error that speak of the provider. OpenAI, Azure: `error.code`; Google: `google.rpc.Code`; AWS: exceptions. */
const OF_THE_PROVIDER: Readonly<Record<string, Verdict>> = {
  server_error: 'outage',
  internal_error: 'outage',
  InternalServerError: 'outage',
  InternalServerException: 'outage',
  INTERNAL: 'outage',
  UNAVAILABLE: 'outage',
  DEADLINE_EXCEEDED: 'outage',
  ABORTED: 'outage',
  JOB_STATE_EXPIRED: 'capacity',
  RESOURCE_EXHAUSTED: 'quota',
  exceeded_quota: 'quota',
  ServiceQuotaExceededException: 'quota',
  ThrottlingException: 'capacity',
}

/** Bedrock has no codes in a job's failure, only words. */
const SAID: readonly (readonly [RegExp, Verdict])[] = [
  [/\binternal (server |service )?(error|failure)\b|\bservice (is )?(temporarily )?unavailable\b/i, 'outage'],
  [/\binsufficient capacity\b|\bcapacity (is )?(currently )?(unavailable|insufficient)\b/i, 'capacity'],
]

/** Why a job that had been taken failed, if that was the provider's own fault; undefined: the data's, or not known. */
export const faultOf = ({ status, error }: Pick<NativeJob, 'status' | 'error'>): Verdict | undefined => {
  if (status !== 'failed' || !error) return undefined
  const known = Object.hasOwn(OF_THE_PROVIDER, error.code) ? OF_THE_PROVIDER[error.code] : undefined
  return known ?? SAID.find(([words]) => words.test(error.message))?.[1]
}
