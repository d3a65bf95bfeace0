/**
 * Datasets on the wire: how a file says what it holds, and what is said of it. The gateway's own, beside OpenAI's objects.
 * @module
 */
import * as z from 'zod'

/**
 * What an uploaded dataset may be: a container (`jsonl`, a JSON array, CSV), or the lines of a provider's own format in JSONL
 * or an array. All become OpenAI's chat JSONL.
 */
export const SOURCE_FORMATS = [
  'jsonl',
  'json',
  'csv',
  'openai',
  'gemini',
  'nova',
  'claude',
  'prompt_completion',
] as const
export type SourceFormat = (typeof SOURCE_FORMATS)[number]

/** A column's name, or a text that is the same in each example. */
const columnSource = z.union([z.string().min(1).max(256), z.strictObject({ text: z.string().max(32_768) })], {
  error: 'must be a column\'s name or {"text": …}',
})
/** Which column of a CSV file is which message. */
export const columnsSchema = z.strictObject({
  system: columnSource.optional(),
  user: columnSource,
  assistant: columnSource,
})
export type Columns = z.infer<typeof columnsSchema>

/** {@link columnsSchema} where all values are texts: a form field, the query. */
export const columnsField = z
  .string()
  .max(65_536)
  .transform((text, issues): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      issues.addIssue({ code: 'custom', message: 'must be a JSON object' })
      return z.NEVER
    }
  })
  .pipe(columnsSchema)

const declaration = { format: z.enum(SOURCE_FORMATS).optional() }
/** What a dataset says of itself, in a form or the query. */
export const declarationFields = { ...declaration, columns: columnsField.optional() }
export interface Declaration {
  format?: SourceFormat | undefined
  columns?: Columns | undefined
}

const purpose = {
  provider: z.string().min(1).max(64).optional(),
  model: z.string().min(1).max(256).optional(),
  method: z.enum(['supervised', 'dpo', 'reinforcement']).optional(),
}
/** `POST /v1/files/validate` about a file the gateway can read. */
export const validateRequest = z.strictObject({
  /** A file's id, or a URI of a dataset. */
  file: z.string().min(1).max(2048),
  validation_file: z.string().min(1).max(2048).nullish(),
  columns: columnsSchema.optional(),
  ...declaration,
  ...purpose,
})
/** `POST /v1/files/validate` with the dataset as a form's file or as the body itself. */
export const validateFields = z.strictObject({
  validation_file: z.string().min(1).max(2048).optional(),
  ...declarationFields,
  ...purpose,
})
export type ValidateFields = Omit<z.infer<typeof validateFields>, 'columns' | 'format'> & Declaration

/** What can be wrong with a dataset. The list is closed and documented in `docs/datasets.md`. */
export const PROBLEM_CODES = [
  // The bytes and their form.
  'not_utf8',
  'byte_order_mark',
  'line_too_long',
  'not_json',
  'csv_header',
  'csv_fields',
  'csv_quotes',
  'csv_unused_columns',
  'not_in_format',
  // An example by itself.
  'invalid_example',
  'invalid_messages',
  'invalid_role',
  'invalid_content',
  'invalid_tool_call',
  'invalid_tool_call_id',
  'invalid_tools',
  'invalid_weight',
  'invalid_preference',
  'empty_content',
  'first_not_user',
  'last_not_assistant',
  'not_alternating',
  'nothing_to_train',
  'arguments_not_json',
  'undeclared_tool',
  'tool_call_without_result',
  'tool_result_without_call',
  'preference_form',
  'preference_same',
  'too_many_images',
  'image_too_large',
  'image_model',
  'image_address',
  'image_type',
  'image_type_differs',
  'image_data',
  'image_colours',
  'image_role',
  'special_token',
  'reserved_string',
  'too_many_tokens',
  'not_carried_over',
  // An example among others.
  'duplicate_example',
  'validation_overlap',
  'wrong_kind',
  'too_few_examples',
  'too_many_examples',
] as const
export type ProblemCode = (typeof PROBLEM_CODES)[number]

/** An error keeps the file from being trained on; a warning is something to look at. */
export type Severity = 'error' | 'warning'

export interface DatasetProblem {
  /** From 1: where the example begins, or null for the whole file. */
  line: number | null
  /** A JSON path such as `messages[2].role`, behind the index of the element where the file is an array; or empty. */
  path: string
  severity: Severity
  code: ProblemCode
  message: string
}

export interface Distribution {
  total: number
  min: number
  /** Of the lower half the largest. */
  median: number
  max: number
}

export interface DatasetSummary {
  /** What the file holds: its container, and whose lines. */
  format: { container: 'jsonl' | 'json' | 'csv'; lines: Exclude<SourceFormat, 'jsonl' | 'json' | 'csv'> }
  /** Bytes read. */
  bytes: number
  /** Lines read, blank ones included. */
  lines: number
  examples: number
  kinds: { chat: number; preference: number }
  /** Messages by role. */
  roles: Record<string, number>
  /** Characters of all texts of an example; null without one. */
  characters: Distribution | null
  /** Null where no model is named that tokens can be counted for. */
  tokens: (Distribution & { counter: string; exact: boolean; error: number }) | null
  longest: { line: number; characters: number; tokens: number | null }[]
  /** Examples that repeat an earlier one. */
  duplicates: number
  /** Examples that are also in the training file; only of a validation file. */
  overlap?: number
  /** How many different examples were remembered to find the repeated ones; fewer than there are in very large files. */
  compared: number
  /** Whether the file was read to its end. */
  is_complete: boolean
}

export interface DatasetReport {
  object: 'dataset.report'
  valid: boolean
  examples: number
  /** The first of them; `problem_counts` counts all. */
  problems: DatasetProblem[]
  problem_counts: Partial<Record<ProblemCode, number>>
  errors: number
  warnings: number
  summary: DatasetSummary
  /** Of the validation file, when one was named. */
  validation?: DatasetReport
}
