/** Every provider there is: one line each. */
import { openai } from './openai/index.ts'
import { openaiCompatible } from './openai_compatible/index.ts'
import type { Provider } from './provider.ts'

export const PROVIDERS: Readonly<Record<string, Provider>> = { openai, openai_compatible: openaiCompatible }
