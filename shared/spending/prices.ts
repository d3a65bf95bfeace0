/**
 * What things cost, as data. A price that is not known is null and never 0.
 * @module
 */
import type { PriceRow } from '../config.ts'
import { baseModelOf } from '../providers/index.ts'

export type { PriceRow } from '../config.ts'

const MILLION = 1_000_000

/** Units counted in tokens are priced by the million. */
const PER: Record<PriceRow['unit'], number> = {
  training_token: MILLION,
  input_token: MILLION,
  output_token: MILLION,
  tuned_input_token: MILLION,
  tuned_output_token: MILLION,
  training_hour: 1,
  hosting_hour: 1,
}

interface Source {
  source: string
  as_of: string
}

/** OpenAI's pricing page, read in a mirror. */
const OPENAI: Source = { source: 'https://developers.openai.com/api/docs/pricing', as_of: '2026-11-20' }
/** An open table that anyone may correct; most of its rows were taken in that month. */
const OPEN_TABLE: Source = { source: 'https://github.com/Portkey-AI/models', as_of: '2025-12' }
const AZURE: Source = {
  source: 'https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning-cost-management',
  as_of: '2026-11-20',
}
const VERTEX_AI: Source = {
  source: 'https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning',
  as_of: '2026-11-20',
}

type Rates = Partial<Record<PriceRow['unit'], number>>

/** Rows of one model. */
const rows = (provider: string, model: string, from: Source, rates: Rates): PriceRow[] =>
  (Object.keys(rates) as PriceRow['unit'][]).flatMap(unit => {
    const usd = rates[unit]
    return usd === undefined ? [] : [{ provider, model, unit, usd, per: PER[unit], ...from }]
  })

const tokens = (training: number, input: number, output: number): Rates => ({
  training_token: training,
  input_token: input,
  output_token: output,
})
const tuned = (input: number, output: number): Rates => ({
  tuned_input_token: input,
  tuned_output_token: output,
})

/** Any model of the provider. */
export const ANY_MODEL = '*'

export const PRICES: readonly PriceRow[] = [
  ...rows('openai', 'gpt-4.1', OPENAI, { training_token: 25, ...tuned(3, 12) }),
  ...rows('openai', 'gpt-4.1-mini', OPENAI, { training_token: 5, ...tuned(0.8, 3.2) }),
  ...rows('openai', 'gpt-4.1-nano', OPENAI, { training_token: 1.5 }),
  ...rows('openai', 'gpt-4o', OPENAI, { training_token: 25, ...tuned(3.75, 15) }),
  ...rows('openai', 'gpt-4o-mini', OPENAI, { training_token: 3, ...tuned(0.3, 1.2) }),
  ...rows('openai', 'o4-mini', OPENAI, { training_hour: 100 }),
  ...rows('openai', 'gpt-4.1', OPEN_TABLE, { input_token: 2, output_token: 8 }),
  ...rows('openai', 'gpt-4.1-mini', OPEN_TABLE, { input_token: 0.4, output_token: 1.6 }),
  ...rows('openai', 'gpt-4.1-nano', OPEN_TABLE, { input_token: 0.1, output_token: 0.4, ...tuned(0.2, 0.8) }),
  ...rows('openai', 'gpt-4o', OPEN_TABLE, { input_token: 2.5, output_token: 10 }),
  ...rows('openai', 'gpt-4o-mini', OPEN_TABLE, { input_token: 0.15, output_token: 0.6 }),
  ...rows('openai', 'o4-mini', OPEN_TABLE, { input_token: 1.1, output_token: 4.4, ...tuned(4, 16) }),
  // Tunes cost by the token only.
  ...rows('openai', ANY_MODEL, OPENAI, { hosting_hour: 0 }),

  ...rows('azure', 'gpt-4.1', OPEN_TABLE, tokens(25, 2, 8)),
  ...rows('azure', 'gpt-4.1-mini', OPEN_TABLE, tokens(5, 0.4, 1.6)),
  ...rows('azure', 'gpt-4.1-nano', OPEN_TABLE, tokens(1.5, 0.1, 0.4)),
  ...rows('azure', 'gpt-4o', OPEN_TABLE, tokens(25, 2.5, 10)),
  ...rows('azure', 'gpt-4o-mini', OPEN_TABLE, tokens(3, 0.15, 0.6)),
  ...rows('azure', 'o4-mini', OPEN_TABLE, { input_token: 1.1, output_token: 4.4 }),
  ...rows('azure', 'o4-mini', AZURE, { training_hour: 100 }),
  ...rows('azure', 'gpt-5', AZURE, { training_hour: 100 }),
  // Deployed as Standard or Global Standard. The Developer tier costs nothing by the hour, and is deleted after a day.
  ...rows('azure', ANY_MODEL, AZURE, { hosting_hour: 1.7 }),

  ...rows('vertex_ai', 'gemini-2.5-pro', OPEN_TABLE, tokens(25, 1.25, 10)),
  ...rows('vertex_ai', 'gemini-2.5-flash', OPEN_TABLE, tokens(5, 0.3, 2.5)),
  ...rows('vertex_ai', 'gemini-2.5-flash-lite', OPEN_TABLE, tokens(1.5, 0.1, 0.4)),
  // A tune's endpoint is Google's to keep.
  ...rows('vertex_ai', ANY_MODEL, VERTEX_AI, { hosting_hour: 0 }),

  ...rows('bedrock', 'anthropic.claude-3-haiku-20240307-v1:0', OPEN_TABLE, {
    input_token: 0.25,
    output_token: 1.25,
  }),
  ...rows('bedrock', 'amazon.nova-micro-v1:0', OPEN_TABLE, { input_token: 0.035, output_token: 0.14 }),
  ...rows('bedrock', 'amazon.nova-lite-v1:0', OPEN_TABLE, { input_token: 0.06, output_token: 0.24 }),
  ...rows('bedrock', 'amazon.nova-pro-v1:0', OPEN_TABLE, { input_token: 0.8, output_token: 3.2 }),
  ...rows('bedrock', 'meta.llama3-1-8b-instruct-v1:0', OPEN_TABLE, { input_token: 0.22, output_token: 0.22 }),
  ...rows('bedrock', 'meta.llama3-1-70b-instruct-v1:0', OPEN_TABLE, {
    input_token: 0.72,
    output_token: 0.72,
  }),
  ...rows('bedrock', 'meta.llama3-3-70b-instruct-v1:0', OPEN_TABLE, {
    input_token: 0.72,
    output_token: 0.72,
  }),
]

/** What is asked for. */
export interface PriceQuery {
  provider: string
  /** The connection's name: a deployment may have prices for one account only. */
  connection: string
  /** By any name: alias, tune, checkpoint. */
  model: string
  unit: PriceRow['unit']
  /** The connection's, where it has one. */
  region?: string | undefined
}

/**
 * The price of a unit: the deployment's own row, else ours; null where none is known.
 * @param own rows of `tunegate.config.ts`, which go first
 */
export const findPrice = (own: readonly PriceRow[], query: PriceQuery): PriceRow | null => {
  const { provider, connection, unit, region } = query
  const model = baseModelOf(provider, query.model)
  const fits = (row: PriceRow) =>
    (row.provider === connection || row.provider === provider) &&
    row.unit === unit &&
    (row.model === ANY_MODEL || baseModelOf(provider, row.model) === model) &&
    (row.region === undefined || row.region === region)
  return own.find(fits) ?? PRICES.find(fits) ?? null
}
