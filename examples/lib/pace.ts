/** Makes the sandbox train slowly enough to watch and fast enough to wait for. @module */

/** Wall-clock milliseconds that the steps of one job may take together, besides the computing itself. */
const BUDGET_MS = 8_000

/** How a provider cuts the training into steps, as far as one can guess. */
export interface Habits {
  /** Passes over the examples if nobody asked for a number; by default small sets are seen more often. */
  autoEpochs?: number
  /** Where batches do not grow with the dataset, this is Infinity. */
  mostStepsInEpoch?: number
}

/**
 * Pause after each training step, in milliseconds. How many steps a job will have is the provider's choice; this
 * guesses as the sandbox does (batches of 4 or more, about 250 an epoch at most, small sets seen more often). A wrong
 * guess makes the demo a little faster or slower, nothing else.
 */
export function stepMsFor(
  examples: number,
  epochs?: number,
  { autoEpochs = clamp(45_000 / examples, 3, 10), mostStepsInEpoch = 250 }: Habits = {},
): number {
  const steps = clamp(examples / 4, 1, mostStepsInEpoch) * (epochs ?? autoEpochs)
  return clamp(Math.floor(BUDGET_MS / steps), 1, 250)
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))
