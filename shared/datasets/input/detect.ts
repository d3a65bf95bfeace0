/**
 * What a dataset is, by how it begins.
 * @module
 */
import type { Columns, DatasetSummary, Declaration, SourceFormat } from '../../openai/index.ts'
import { isObject } from '../formats/index.ts'
import { layoutOf } from './columns.ts'

export type Container = DatasetSummary['format']['container']
export type LineFormat = DatasetSummary['format']['lines']

/** What a declared format says of either; the other is detected. */
const DECLARED: Record<SourceFormat, { container?: Container; lines?: LineFormat }> = {
  jsonl: { container: 'jsonl' },
  json: { container: 'json' },
  csv: { container: 'csv', lines: 'openai' },
  openai: { lines: 'openai' },
  gemini: { lines: 'gemini' },
  nova: { lines: 'nova' },
  claude: { lines: 'claude' },
  prompt_completion: { lines: 'prompt_completion' },
}

/** Only CSV has columns. */
export const declared = ({ format, columns }: Declaration) =>
  format === undefined ? (columns ? DECLARED.csv : {}) : DECLARED[format]

const DELIMITERS = [',', ';', '\t'] as const

const unquoted = (name: string) => name.trim().replace(/^"(.*)"$/, '$1')

/** Of the delimiters the one that makes sense of a header, or that cuts it into most pieces. */
export const delimiterOf = (header: string, columns: Columns | undefined): string => {
  const cut = DELIMITERS.map(delimiter => ({ delimiter, names: header.split(delimiter).map(unquoted) }))
  const fitting = cut.find(({ names }) => 'places' in layoutOf(names, columns))
  const most = cut.reduce((a, b) => (b.names.length > a.names.length ? b : a))
  return (fitting ?? most).delimiter
}

/** A column's name is short, and holds nothing that JSON is made of. */
const isName = (name: string) => name.length <= 64 && !/[{}[\]:"]/.test(name)

/** Names that can be used, or several that look like it: then it is told which are missing. */
const isHeader = (line: string) =>
  DELIMITERS.some(delimiter => {
    const names = line.split(delimiter).map(unquoted)
    return names.length > 1 && names.every(isName)
  })

/** Bytes looked at before it is settled that there is no line end. */
export const LONGEST_HEAD = 64 * 1024

export interface Head {
  container: Container
  /** The first line that is not blank. */
  firstLine: string
}

/**
 * @param bytes from the beginning of the file
 * @param isWhole whether that is all of it
 * @returns undefined while too little has come to say
 */
export const readHead = (bytes: Uint8Array, isWhole: boolean): Head | undefined => {
  const text = new TextDecoder().decode(bytes).trimStart()
  const isEnough = isWhole || bytes.length >= LONGEST_HEAD
  const end = text.indexOf('\n')
  if (text.startsWith('[')) return { container: 'json', firstLine: '' }
  if (text.startsWith('{')) return { container: 'jsonl', firstLine: '' }
  if (end === -1 && !isEnough) return undefined
  const firstLine = (end === -1 ? text : text.slice(0, end)).trimEnd()
  return { container: isHeader(firstLine) ? 'csv' : 'jsonl', firstLine }
}

/** Whose line this is. A Claude line without a system prompt is OpenAI's as well. */
export const lineFormatOf = (value: unknown): LineFormat => {
  if (!isObject(value)) return 'openai'
  if ('contents' in value) return 'gemini'
  if ('schemaVersion' in value) return 'nova'
  if ('messages' in value && typeof value.system === 'string') return 'claude'
  if ('prompt' in value && 'completion' in value) return 'prompt_completion'
  return 'openai'
}
