/**
 * When the next step of a job is due.
 * @module
 */

interface Step {
  /** Seconds: a job of this age or less… */
  age: number
  /** …is asked after this many seconds. */
  every: number
}

/** Often while something may go wrong soon, rarely when a job has run for hours. */
const POLLS: readonly Step[] = [
  { age: 600, every: 15 },
  { age: 3600, every: 60 },
  { age: 6 * 3600, every: 180 },
  { age: Number.POSITIVE_INFINITY, every: 600 },
]

/** Seconds. */
const FIRST_RETRY = 15
const SLOWEST_RETRY = 900

/** Spread over a fifth on either side, so that jobs that began together do not come together for ever. */
const jittered = (seconds: number, random: () => number) => Math.ceil(seconds * (0.8 + 0.4 * random()))

/** Seconds until a job of this age is asked after again. */
export const pollAfter = (age: number, random = Math.random): number =>
  jittered(POLLS.find(step => age <= step.age)?.every ?? SLOWEST_RETRY, random)

/** Seconds until a step is tried again that has failed so often. @param failures from 1 */
export const retryAfter = (failures: number, random = Math.random): number =>
  jittered(Math.min(SLOWEST_RETRY, FIRST_RETRY * 2 ** Math.min(failures - 1, 10)), random)
