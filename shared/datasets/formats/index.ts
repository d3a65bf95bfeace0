/** The dataset formats, by the name providers ask for them. */
import type { DatasetFormat } from '../../providers/index.ts'
import { exampleProblem } from '../example.ts'
import { toClaude, toNova, toPromptCompletion } from './bedrock.ts'
import { type Converter, type Example, isObject, type Loss, type Reader } from './format.ts'
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

/** Lines of another form → the format, by way of what they say. What is no example in that form is a loss. */
const convertFrom =
  (read: Reader, convert: Converter | undefined) =>
  (value: unknown): { line: unknown; losses: Loss[] } => {
    if (!isObject(value))
      return {
        line: undefined,
        losses: [{ path: '', message: 'must be a JSON object', code: 'not_in_format' }],
      }
    const { example, losses } = read(value)
    const problem = example === undefined ? undefined : exampleProblem(example)
    if (example === undefined || problem)
      return { line: undefined, losses: problem ? [...losses, problem] : losses }
    if (!convert) return { line: example, losses }
    const converted = convert(example as Example)
    return { line: converted.line, losses: [...losses, ...converted.losses] }
  }

/** A format, made of lines that are in the form of another. */
export const formatFrom = (form: DatasetFormat, wanted: DatasetFormat): Format => {
  const { convert, mark } = FORMATS[wanted]
  if (form === wanted) return { mark }
  if (form === 'openai' || form === 'openai_with_mark') return FORMATS[wanted]
  return { convert: convertFrom(READERS[form], convert), mark }
}

export type { ChatExample, Example, Loss, Message, PreferenceExample } from './format.ts'
export { isObject, isPreference } from './format.ts'
