/**
 * From a counted dataset to what training on it costs. Pure: what is counted, and where, is decided elsewhere.
 * @module
 */
import type { PriceRow } from '../config.ts'
import type { JobEstimate, Method, PriceObject, Range } from '../openai/index.ts'
import type { EpochRule } from '../providers/index.ts'
import { costOf } from './money.ts'
import { findPrice, type PriceQuery } from './prices.ts'

/** A dataset's tokens, and how well they are known. */
export interface DatasetTokens {
  tokens: number
  counter: string
  exact: boolean
  /** Relative, of all that is uncertain in the count. */
  error: number
  /** Tokens that may not be there: how examples are framed is not published. */
  framing: number
}

export interface EstimateInput extends Omit<PriceQuery, 'unit'> {
  method: Method['type']
  dataset: DatasetTokens
  /** The request's own, or 'auto'. */
  epochs: number | 'auto'
  /** The provider's rule for 'auto'. */
  rule: EpochRule
}

const toPriceObject = ({ usd, per, unit, region, source, as_of }: PriceRow): PriceObject => ({
  usd,
  per,
  unit,
  region: region ?? null,
  source,
  as_of,
})

const mapRange = (range: Range, change: (value: number) => number): Range => ({
  low: change(range.low),
  expected: change(range.expected),
  high: change(range.high),
})

const datasetRange = ({ tokens, error, framing }: DatasetTokens): Range => ({
  low: Math.max(0, Math.floor(tokens * (1 - Math.min(1, error))) - framing),
  expected: tokens,
  high: Math.ceil(tokens * (1 + error)),
})

const epochsOf = ({ epochs, rule }: EstimateInput): JobEstimate['epochs'] =>
  epochs === 'auto'
    ? {
        value: rule.expected,
        low: rule.low,
        high: rule.high,
        source: 'provider_default',
        rule: `${rule.rule} (${rule.source})`,
      }
    : { value: epochs, low: epochs, high: epochs, source: 'request', rule: null }

const priceMissing = ({ provider, model }: EstimateInput, unit: string) =>
  `No price of '${provider}' for '${model}' by the ${unit.replace('_', ' ')} is known; \`prices\` in tunegate.config.ts takes one.`

export const BY_THE_HOUR =
  'Reinforcement fine-tuning is billed by the hour of training, and how many it takes is not known.'

/** What a job trains, and what that costs. @param own prices of the deployment, which go first */
export const estimateTraining = (own: readonly PriceRow[], input: EstimateInput): JobEstimate => {
  const { dataset, method } = input
  const epochs = epochsOf(input)
  const once = datasetRange(dataset)
  const trained: Range = {
    low: once.low * epochs.low,
    expected: once.expected * epochs.value,
    high: once.high * epochs.high,
  }
  const unit = method === 'reinforcement' ? 'training_hour' : 'training_token'
  const row = findPrice(own, { ...input, unit })
  const isByToken = unit === 'training_token'
  return {
    tokens: {
      dataset: dataset.tokens,
      counter: dataset.counter,
      exact: dataset.exact,
      error: dataset.error,
      trained,
    },
    epochs,
    price: row && toPriceObject(row),
    price_missing: row ? (isByToken ? null : BY_THE_HOUR) : priceMissing(input, unit),
    usd: row && isByToken ? mapRange(trained, tokens => costOf(tokens, row)) : null,
  }
}

/** What a tune costs by the hour while it is deployed, or null where that is not known. */
export const hostingPrice = (
  own: readonly PriceRow[],
  query: Omit<PriceQuery, 'unit'>,
): { usd_per_hour: number; region: string | null; source: string; as_of: string } | null => {
  const row = findPrice(own, { ...query, unit: 'hosting_hour' })
  if (!row) return null
  const { region = null, source, as_of } = row
  return { usd_per_hour: costOf(1, row), region, source, as_of }
}
