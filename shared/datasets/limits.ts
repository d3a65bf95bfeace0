/**
 * How much providers take, by the models they train. What is not listed is not checked.
 * @module
 */

export interface Limits {
  /** Tokens of one example, and whether the provider cuts a longer one off instead of refusing it. */
  tokens?: { most: number; isCut: boolean }
  /** Images of one example. */
  images?: number
  /** Examples of a training file. */
  examples?: { least?: number; most?: number }
}

interface Row extends Limits {
  provider: string
  /** Matched against the model without its prefix; every model where absent. */
  model?: RegExp
  source: string
}

const OPENAI_WINDOW = { most: 65_536, isCut: true }
const LLAMA = { tokens: { most: 16_000, isCut: false }, examples: { least: 100, most: 10_000 } }
const BEDROCK = 'https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html'

/** The first that fits counts. As of 2026-11-20. */
export const LIMITS: readonly Row[] = [
  {
    provider: 'openai',
    model: /^(ft:)?gpt-4(o|\.1)/,
    tokens: OPENAI_WINDOW,
    images: 10,
    source: 'https://developers.openai.com/api/docs/guides/vision-fine-tuning',
  },
  {
    provider: 'openai',
    images: 10,
    source: 'https://developers.openai.com/api/docs/guides/vision-fine-tuning',
  },
  {
    provider: 'azure',
    model: /^gpt-4(o|\.1)/,
    tokens: OPENAI_WINDOW,
    images: 64,
    source: 'https://learn.microsoft.com/azure/foundry/openai/how-to/fine-tuning-vision',
  },
  {
    provider: 'azure',
    images: 64,
    source: 'https://learn.microsoft.com/azure/foundry/openai/how-to/fine-tuning-vision',
  },
  {
    provider: 'vertex_ai',
    tokens: { most: 131_072, isCut: true },
    images: 30,
    examples: { most: 10_000_000 },
    source:
      'https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning-about',
  },
  {
    provider: 'bedrock',
    model: /amazon\.nova/,
    tokens: { most: 32_000, isCut: false },
    images: 10,
    examples: { least: 8, most: 20_000 },
    source: BEDROCK,
  },
  {
    provider: 'bedrock',
    model: /anthropic\.claude/,
    tokens: { most: 32_000, isCut: false },
    examples: { least: 32, most: 10_000 },
    source: BEDROCK,
  },
  {
    provider: 'bedrock',
    model: /amazon\.titan/,
    tokens: { most: 4096, isCut: false },
    source: BEDROCK,
  },
  { provider: 'bedrock', model: /meta\.llama/, ...LLAMA, source: BEDROCK },
]

export const limitsOf = (provider: string, model: string | undefined): Limits =>
  LIMITS.find(
    row =>
      row.provider === provider &&
      (row.model === undefined || (model !== undefined && row.model.test(model))),
  ) ?? {}
