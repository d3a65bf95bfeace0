import type { Hyperparameters, JobMethod } from './job-schema.ts'

export interface Resolved extends Hyperparameters {
  n_epochs: number
  batch_size: number
  learning_rate_multiplier: number
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))

const given = <T>(value: T | 'auto' | undefined, chosen: T): T =>
  value === undefined || value === 'auto' ? chosen : value

/** What `"auto"` stands for when the multiplier of rewards is drawn: they move the scores less than labels do. */
const AUTO_MULTIPLIER: Record<JobMethod['type'], number> = { supervised: 1, dpo: 1, reinforcement: 2 }

export const AUTO_BETA = 0.1

/**
 * Gives every `"auto"` its value. Small sets are seen more often (up to 10 epochs, at least 3), large ones in larger
 * batches (about 250 steps to an epoch).
 */
export function resolveHyperparameters(
  { type, hyperparameters: asked }: JobMethod,
  examples: number,
): Resolved {
  const resolved: Resolved = {
    n_epochs: given(asked.n_epochs, clamp(Math.round(45_000 / examples), 3, 10)),
    batch_size: given(asked.batch_size, clamp(Math.round(examples / 250), 4, 256)),
    learning_rate_multiplier: given(asked.learning_rate_multiplier, AUTO_MULTIPLIER[type]),
  }
  if (type === 'dpo') resolved.beta = given(asked.beta, AUTO_BETA)
  if (type === 'reinforcement') {
    resolved.reasoning_effort = asked.reasoning_effort ?? 'default'
    resolved.compute_multiplier = given(asked.compute_multiplier, 1)
    resolved.eval_interval = given(asked.eval_interval, 1)
    resolved.eval_samples = given(asked.eval_samples, 1)
  }
  return resolved
}

/** The same before the examples are counted: what was not given is `"auto"`. */
export function unresolvedHyperparameters({ type, hyperparameters: asked }: JobMethod): Hyperparameters {
  return {
    n_epochs: 'auto',
    batch_size: 'auto',
    learning_rate_multiplier: 'auto',
    ...(type === 'dpo' && { beta: 'auto' }),
    ...asked,
  }
}
