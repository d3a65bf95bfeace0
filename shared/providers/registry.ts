/** Every provider there is: one line each. */
import { azure } from './azure/index.ts'
import { bedrock } from './bedrock/index.ts'
import { openai } from './openai/index.ts'
import { openaiCompatible } from './openai_compatible/index.ts'
import type { Provider } from './provider.ts'
import { vertexAi } from './vertex_ai/index.ts'

export const PROVIDERS: Readonly<Record<string, Provider>> = {
  azure,
  bedrock,
  openai,
  openai_compatible: openaiCompatible,
  vertex_ai: vertexAi,
}
