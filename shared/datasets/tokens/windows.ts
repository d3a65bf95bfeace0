/**
 * How many tokens one training example may have. What is beyond is cut off by OpenAI and Vertex AI, and fails at Bedrock.
 * @module
 */
import { baseModelOf } from '../../providers/index.ts'

interface Row {
  provider: readonly string[]
  model: RegExp
  tokens: number
  source: string
}

const OPENAI = 'https://platform.openai.com/docs/guides/fine-tuning#token-limits'
const VERTEX_AI =
  'https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-supervised-tuning#limitations'
const BEDROCK = 'https://docs.aws.amazon.com/bedrock/latest/userguide/quotas.html'
const NOVA = 'https://docs.aws.amazon.com/nova/latest/userguide/fine-tune-prepare-data-understanding.html'

/** As of 2026-11-20. */
const ROWS: readonly Row[] = [
  { provider: ['openai', 'azure'], model: /^gpt-4(o|\.1)/, tokens: 65_536, source: OPENAI },
  { provider: ['openai', 'azure'], model: /^gpt-3\.?5-turbo/, tokens: 16_385, source: OPENAI },
  { provider: ['vertex_ai'], model: /^gemini-/, tokens: 131_072, source: VERTEX_AI },
  { provider: ['bedrock'], model: /^amazon\.nova/, tokens: 32_000, source: NOVA },
  { provider: ['bedrock'], model: /^anthropic\.claude-3-haiku/, tokens: 32_000, source: BEDROCK },
  { provider: ['bedrock'], model: /^meta\.llama3-2-90b/, tokens: 10_000, source: BEDROCK },
  { provider: ['bedrock'], model: /^meta\.llama3-[13]-/, tokens: 16_000, source: BEDROCK },
  { provider: ['bedrock'], model: /^amazon\.titan-text/, tokens: 4096, source: BEDROCK },
]

/** Tokens of one example that a model is trained on, or null where no limit is known. */
export const exampleWindow = (provider: string, model: string): number | null => {
  const base = baseModelOf(provider, model)
  return ROWS.find(row => row.provider.includes(provider) && row.model.test(base))?.tokens ?? null
}
