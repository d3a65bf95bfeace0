/** A job's hyperparameters: strings on the wire, each model with names and ranges of its own. */

import type { TrainingPlan } from '../../trainer/train.ts'
import { BASE_LEARNING_RATE } from '../../trainer/tune.ts'
import { invalid } from '../errors.ts'
import type { BaseModel } from './base-models.ts'

export type Hyperparameters = Record<string, string>

const NUMBER = { integer: /^\d+$/, number: /^\d*\.?\d+(?:[eE][-+]?\d+)?$/ }

/**
 * Checks what was given and fills in what was not.
 *
 * @throws {AwsError} ValidationException
 */
export function resolveHyperparameters(
  { hyperparameters: ranges, customizableId }: BaseModel,
  given: Hyperparameters,
): Hyperparameters {
  for (const [name, text] of Object.entries(given)) {
    const range = ranges[name]
    if (!range) {
      const known = Object.keys(ranges).join(', ')
      throw invalid(
        `Hyperparameter '${name}' is not supported for model ${customizableId}. Supported: ${known}.`,
      )
    }
    const { kind, min, max } = range
    const value = NUMBER[kind].test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) {
      throw invalid(
        `Invalid value '${text}' for hyperparameter '${name}': it must be ${kind === 'integer' ? 'an integer' : 'a number'} from ${min} to ${max} for model ${customizableId}.`,
      )
    }
  }
  const defaults = Object.entries(ranges).map(([name, range]) => [name, range.default])
  return { ...Object.fromEntries(defaults), ...given }
}

/** Where a model has no batch size to set. */
const OWN_BATCH_SIZE = 4

/** The order of the examples is always the same: Bedrock has no seed to set. */
const SEED = 1

/** The trainer's plan. A learning rate counts in multiples of the model's default. */
export function planOf({ hyperparameters: ranges }: BaseModel, resolved: Hyperparameters): TrainingPlan {
  const value = (name: string): number | undefined =>
    resolved[name] === undefined ? undefined : Number(resolved[name])
  const rate = value('learningRate')
  const multiplier =
    value('learningRateMultiplier') ?? (rate === undefined ? 1 : rate / Number(ranges.learningRate?.default))
  return {
    epochs: value('epochCount') ?? 1,
    batchSize: value('batchSize') ?? OWN_BATCH_SIZE,
    learningRate: BASE_LEARNING_RATE * multiplier,
    seed: SEED,
  }
}
