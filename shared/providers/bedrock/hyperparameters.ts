/**
 * OpenAI's hyperparameters ⇄ each family's own: other names, values as strings, other ranges. OpenAI multiplies a learning rate
 * that it chooses; where Bedrock wants the rate itself, its default is what is multiplied.
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/custom-models-hp.html
 * @see https://docs.aws.amazon.com/nova/latest/userguide/customize-fine-tune-hyperparameters.html
 * @module
 */
import { badRequest, type Hyperparameters } from '../../openai/index.ts'
import type { Dropped, EpochRule } from '../provider.ts'
import type { Family } from './bases.ts'

interface Range {
  min: number
  max: number
  standard: number
}

/** Bedrock's names; a family has those it takes. */
type Name =
  | 'epochCount'
  | 'batchSize'
  | 'learningRate'
  | 'learningRateMultiplier'
  | 'learningRateWarmupSteps'
  | 'earlyStoppingThreshold'
  | 'earlyStoppingPatience'

const range = (min: number, max: number, standard: number): Range => ({ min, max, standard })

export const RANGES: Record<Family, Partial<Record<Name, Range>>> = {
  nova: {
    epochCount: range(1, 5, 2),
    learningRate: range(1e-6, 1e-4, 1e-5),
    learningRateWarmupSteps: range(0, 100, 10),
  },
  claude: {
    epochCount: range(1, 10, 2),
    batchSize: range(4, 256, 32),
    learningRateMultiplier: range(0.1, 2, 1),
    earlyStoppingThreshold: range(0, 0.1, 0.001),
    earlyStoppingPatience: range(1, 10, 2),
  },
  // The batch size is always 1.
  llama: { epochCount: range(1, 10, 5), learningRate: range(5e-6, 0.1, 1e-4) },
  titan: {
    epochCount: range(1, 10, 5),
    batchSize: range(1, 64, 1),
    learningRate: range(0, 1, 1e-5),
    learningRateWarmupSteps: range(0, 250, 5),
  },
}

/** Bedrock's default is a fixed number for each family. Of a family that is not known, any of theirs may be the one. */
export const defaultEpochs = (family: Family | undefined): EpochRule => {
  const standards = (family === undefined ? Object.values(RANGES) : [RANGES[family]]).flatMap(
    ({ epochCount }) => (epochCount ? [epochCount.standard] : []),
  )
  const [low, high] = [Math.min(...standards), Math.max(...standards)]
  return {
    low,
    expected: low,
    high,
    rule:
      low === high
        ? `${low} for the models of the family '${family}'`
        : `not known for this model: ${low} to ${high} as for others`,
    source: 'https://docs.aws.amazon.com/bedrock/latest/userguide/custom-models-hp.html',
  }
}

/** Options of `provider_options.bedrock` that are hyperparameters. */
export interface TuningOptions {
  learning_rate_warmup_steps?: number | undefined
  early_stopping_threshold?: number | undefined
  early_stopping_patience?: number | undefined
}

const OPTIONS: Record<keyof TuningOptions, Name> = {
  learning_rate_warmup_steps: 'learningRateWarmupSteps',
  early_stopping_threshold: 'earlyStoppingThreshold',
  early_stopping_patience: 'earlyStoppingPatience',
}

/** A number without exponent, which Bedrock's examples never have, and without the dust of binary arithmetic. */
export const decimal = (value: number): string => {
  const digits = value === 0 ? 0 : Math.max(0, 11 - Math.floor(Math.log10(Math.abs(value))))
  const text = value.toFixed(Math.min(100, digits))
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

const round = (value: number) => Number(value.toPrecision(12))

/** Where a hyperparameter stands in a request. */
export const HYPERPARAMETERS = 'method.supervised.hyperparameters'

/** A field of the request, in Bedrock's name and value. */
interface Wanted {
  param: string
  name: Name
  value: number
  /** What one unit of the request is in Bedrock's. */
  unit: number
}

const wantedOf = (
  { n_epochs, batch_size, learning_rate_multiplier }: Hyperparameters,
  options: TuningOptions,
  ranges: Partial<Record<Name, Range>>,
): Wanted[] => {
  const rate: Name = ranges.learningRate ? 'learningRate' : 'learningRateMultiplier'
  const unit = ranges.learningRate?.standard ?? 1
  const common: [string, Name, number, 'auto' | number | undefined][] = [
    ['n_epochs', 'epochCount', 1, n_epochs],
    ['batch_size', 'batchSize', 1, batch_size],
    ['learning_rate_multiplier', rate, unit, learning_rate_multiplier],
  ]
  return [
    ...common.flatMap(([field, name, unit, value]) =>
      typeof value === 'number' ? [{ param: `${HYPERPARAMETERS}.${field}`, name, value, unit }] : [],
    ),
    ...(Object.keys(OPTIONS) as (keyof TuningOptions)[]).flatMap(field => {
      const value = options[field]
      return value === undefined
        ? []
        : [{ param: `provider_options.bedrock.${field}`, name: OPTIONS[field], value, unit: 1 }]
    }),
  ]
}

/** Refused, not bent to fit: what is trained is what was asked for. */
const assertInRange = (
  { param, name, value, unit }: Wanted,
  { min, max, standard }: Range,
  model: string,
) => {
  const actual = round(value * unit)
  if (actual >= min && actual <= max) return
  const inNative =
    unit === 1 ? '' : ` (${name} ${decimal(min)} to ${decimal(max)}, of which 1 means ${decimal(standard)})`
  throw badRequest(
    param,
    `'${param}' must be from ${decimal(round(min / unit))} to ${decimal(round(max / unit))} for '${model}'${inNative}, not ${value}.`,
  )
}

export interface Translated {
  /** For the job's body. */
  native: Record<string, string>
  dropped: Dropped[]
}

/**
 * The hyperparameters of a job in Bedrock's words. `auto` is left out: Bedrock then takes its own default.
 * @throws {ApiError} 400 with the model's range
 */
export const toNative = (
  model: string,
  family: Family | undefined,
  hyperparameters: Hyperparameters,
  options: TuningOptions = {},
): Translated => {
  // Of a family nobody has told us about, Bedrock itself is the judge; its most common names are tried.
  const ranges = family === undefined ? undefined : RANGES[family]
  const native: Record<string, string> = {}
  const dropped: Dropped[] = []
  for (const wanted of wantedOf(hyperparameters, options, ranges ?? {})) {
    const { param, name, value, unit } = wanted
    const allowed = ranges?.[name]
    if (allowed) assertInRange(wanted, allowed, model)
    else if (ranges) {
      // The one size there is is no wish against it.
      if (family === 'llama' && name === 'batchSize' && value === 1) continue
      dropped.push({ param, message: `'${model}' cannot be tuned with a ${name} of one's own` })
      continue
    }
    native[name] = decimal(round(value * unit))
  }
  return { native, dropped }
}

const numberIn = (native: Record<string, string>, name: Name): number | undefined => {
  const value = Number(native[name] ?? Number.NaN)
  return Number.isFinite(value) ? value : undefined
}

/** Bedrock's words back in OpenAI's: what a job was really trained with, the defaults it took among it. */
export const fromNative = (
  family: Family | undefined,
  native: Record<string, string> | null | undefined,
): Hyperparameters => {
  if (!native) return {}
  const epochs = numberIn(native, 'epochCount')
  const batch = numberIn(native, 'batchSize')
  const rate = numberIn(native, 'learningRate')
  const standard = family && RANGES[family].learningRate?.standard
  const multiplier =
    numberIn(native, 'learningRateMultiplier') ??
    (rate !== undefined && standard !== undefined ? round(rate / standard) : undefined)
  return {
    ...(epochs !== undefined && { n_epochs: epochs }),
    ...(batch !== undefined && { batch_size: batch }),
    ...(multiplier !== undefined && { learning_rate_multiplier: multiplier }),
  }
}
