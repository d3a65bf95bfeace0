/**
 * When a delivery is attempted again. Pure.
 * @module
 */
import type { DeliveryError } from '../openai/index.ts'

/** Seconds from one attempt to the next: Standard Webhooks' own. */
export const SCHEDULE: readonly number[] = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
/** The most that is added to a delay, as a part of it, so that what failed together does not come again together. */
const JITTER = 0.2
/** Seconds: who asks for more is asked again all the same. */
const LONGEST_RETRY_AFTER = 86_400

/** Nothing that time could mend. */
const FINAL: readonly DeliveryError[] = ['gone', 'host_forbidden', 'endpoint_disabled', 'endpoint_deleted']

export interface Outcome {
  status_code: number | null
  /** Null: it was delivered. */
  error: DeliveryError | null
  /** Milliseconds that the receiver asked to be left alone for. */
  retryAfterMs?: number | undefined
}

/**
 * Seconds until the next attempt; undefined: there is none.
 * @param tries attempts made, this one included
 * @param random 0 to 1
 */
export const delayAfter = (
  { error, retryAfterMs = 0 }: Outcome,
  tries: number,
  random: number,
): number | undefined => {
  const scheduled = SCHEDULE[tries]
  if (error === null || FINAL.includes(error) || scheduled === undefined) return undefined
  const asked = Math.min(retryAfterMs / 1000, LONGEST_RETRY_AFTER)
  return Math.ceil(Math.max(scheduled * (1 + JITTER * random), asked))
}
