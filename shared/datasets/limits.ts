/**
 * How much providers take, by the models they train. What is not listed is not checked.
 * @module
 */
import { exampleWindow } from './tokens/index.ts'

export interface Limits {
  /** Tokens of one example, and whether the provider cuts a longer one off instead of refusing it. */
  tokens?: { most: number; isCut: boolean }
  /** Images of one example. */
  images?: number
  /** Bytes of one image. */
  imageBytes?: number
  /** The only models that are trained on images, as the capability table names them. */
  imageModels?: readonly string[]
  /** Examples of a training file. */
  examples?: { least?: number; most?: number }
}

interface Row extends Omit<Limits, 'tokens'> {
  provider: string
  /** Matched against the model without its prefix; every model where absent. */
  model?: RegExp
  source: string
}

const BEDROCK = 'https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html'

/** What is said in MB is read generously: what is beyond is too large either way. */
const MB = 1024 * 1024

/** The first that fits counts. As of 2026-11-20, images as of 2026-11-26. */
export const LIMITS: readonly Row[] = [
  {
    provider: 'openai',
    images: 10,
    imageBytes: 10 * MB,
    imageModels: ['gpt-4o-2024-08-06'],
    source: 'https://developers.openai.com/api/docs/guides/vision-fine-tuning',
  },
  {
    provider: 'azure',
    images: 64,
    imageBytes: 10 * MB,
    imageModels: ['gpt-4o-2024-08-06', 'gpt-4.1-2025-04-14'],
    source: 'https://learn.microsoft.com/azure/foundry/openai/how-to/fine-tuning-vision',
  },
  {
    provider: 'vertex_ai',
    images: 30,
    examples: { most: 10_000_000 },
    source:
      'https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning-about',
  },
  {
    provider: 'bedrock',
    model: /amazon\.nova/,
    images: 10,
    examples: { least: 8, most: 20_000 },
    source: BEDROCK,
  },
  {
    provider: 'bedrock',
    model: /anthropic\.claude/,
    examples: { least: 32, most: 10_000 },
    source: BEDROCK,
  },
  { provider: 'bedrock', model: /meta\.llama/, examples: { least: 100, most: 10_000 }, source: BEDROCK },
]

/** Bedrock fails a job whose examples are too long; the others cut them off. */
const CUTTERS = ['openai', 'azure', 'vertex_ai']

const tokensOf = (provider: string, model: string | undefined): Pick<Limits, 'tokens'> => {
  const most = model === undefined ? null : exampleWindow(provider, model)
  return most === null ? {} : { tokens: { most, isCut: CUTTERS.includes(provider) } }
}

export const limitsOf = (provider: string, model: string | undefined): Limits => ({
  ...LIMITS.find(
    row =>
      row.provider === provider &&
      (row.model === undefined || (model !== undefined && row.model.test(model))),
  ),
  ...tokensOf(provider, model),
})
