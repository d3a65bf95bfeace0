/** The dataset formats, by the name providers ask for them. */
import type { DatasetFormat } from '../../providers/index.ts'
import { toClaude, toNova, toPromptCompletion } from './bedrock.ts'
import type { Converter } from './format.ts'
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

export type { Example, Loss } from './format.ts'
