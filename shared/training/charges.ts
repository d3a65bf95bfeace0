/**
 * What a job's attempts have cost. Pure.
 * @module
 */
import { type Charge, chargeFor, NOTHING, sum, toMicros, toUsd } from '../spending/index.ts'
import type { JobRecord, PastAttempt, Target } from './records.ts'

/** The place an earlier attempt was made at. */
export const targetOfPast = ({ targets }: JobRecord, past: PastAttempt): Target | undefined =>
  targets.find(
    ({ connection, native_model }) => connection === past.connection && native_model === past.native_model,
  )

/** What an attempt that is over has cost. One that no provider has had costs nothing. */
export const chargeOfPast = (job: JobRecord, past: PastAttempt): Charge => {
  if (past.is_unsettled) return { usd: null, missing: 'It is not known whether the provider had the job.' }
  if (past.native_id === null) return NOTHING
  return chargeFor({
    provider: past.provider,
    status: past.found?.status ?? 'failed',
    trainedTokens: past.found?.trainedTokens ?? null,
    estimate: targetOfPast(job, past)?.estimate ?? { missing: 'The place is not known any more.' },
  })
}

/** What the last attempt has cost, when the job is over; before that what it has cost so far. */
export const chargeOfCurrent = (job: JobRecord): Charge => {
  const { provider, status, native, native_id, estimate } = job
  if (native_id === null) return NOTHING
  return chargeFor({ provider, status, trainedTokens: native?.trainedTokens ?? null, estimate })
}

/** What all attempts have cost: known only where all of them are. */
export const costOfJob = (job: JobRecord): Charge => {
  const charges = [...job.past.map(past => chargeOfPast(job, past)), chargeOfCurrent(job)]
  const known = charges.flatMap(({ usd }) => (usd === null ? [] : [toMicros(usd)]))
  const unknown = charges.find(({ usd }) => usd === null)
  return unknown ?? { usd: toUsd(sum(known)), missing: null }
}

/** What earlier attempts count for in limits, in millionths: what they cost or, where that is not known, what was set aside. */
export const countedOf = (job: JobRecord): number =>
  sum(
    job.past.map(past => {
      const { usd } = chargeOfPast(job, past)
      return usd === null ? (past.reservation?.micros ?? 0) : toMicros(usd)
    }),
  )
