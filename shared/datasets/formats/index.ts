/** The dataset formats, by the name providers ask for them. */
import type { DatasetFormat } from '../../providers/index.ts'
import { toClaude, toNova, toPromptCompletion } from './bedrock.ts'
import type { Converter, Reader } from './format.ts'
import { fromClaude, fromNova, fromPromptCompletion } from './from-bedrock.ts'
import { fromGemini } from './from-gemini.ts'
import { toGemini } from './gemini.ts'

export interface Format {
  /** Without it the lines stay as they are. */
  convert?: Converter
  /** Whether the file begins with a UTF-8 byte order mark. */
  mark: boolean
}

export const FORMATS: Record<DatasetFormat, Format> = {
  openai: { mark: false },
  openai_with_mark: { mark: true },
  gemini: { convert: toGemini, mark: false },
  nova: { convert: toNova, mark: false },
  claude: { convert: toClaude, mark: false },
  prompt_completion: { convert: toPromptCompletion, mark: false },
}

/** Lines that are not OpenAI's, read as if they were. */
export const READERS: Record<Exclude<DatasetFormat, 'openai' | 'openai_with_mark'>, Reader> = {
  gemini: fromGemini,
  nova: fromNova,
  claude: fromClaude,
  prompt_completion: fromPromptCompletion,
}

export type { ChatExample, Example, Loss, Message, PreferenceExample } from './format.ts'
export { isObject, isPreference } from './format.ts'
