/**
 * CSV with a header (RFC 4180): a record is an example.
 * @module
 */
import { type CsvError, parse } from 'csv-parse'
import type { Columns } from '../../openai/index.ts'
import { LONGEST_LINE } from '../lines.ts'
import { createUtf8Reader, type Decoded } from '../utf8.ts'
import { KNOWN_COLUMNS, type Layout, layoutOf, toExample } from './columns.ts'
import type { Input, InputHandlers } from './input.ts'
import { NOT_UTF8, TOO_LONG } from './jsonl.ts'

const LINE_FEED = 0x0a
const encoder = new TextEncoder()

/** Characters of a column's name, or of several, that are repeated in a message. */
const MOST_NAMED = 100
const named = (names: readonly string[]) => {
  const all = names.map(name => `'${name}'`).join(', ')
  return all.length > MOST_NAMED ? `${all.slice(0, MOST_NAMED).toWellFormed()}…` : all
}

/** Where lines end, as far as records have not come there yet. Offsets are bytes from the start. */
const createLineIndex = () => {
  let size = 0
  let passed = 0
  let waiting: number[] = []
  let next = 0
  return {
    add(bytes: Uint8Array) {
      if (next > 0) waiting = waiting.slice(next)
      next = 0
      for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1))
        waiting.push(size + at)
      size += bytes.length
    },
    /** Line ends before an offset; offsets only grow. */
    before(offset: number): number {
      while (next < waiting.length && (waiting[next] ?? 0) < offset) {
        next++
        passed++
      }
      return passed
    },
    get all() {
      return passed + waiting.length - next
    },
  }
}

const lineEndsIn = (record: readonly string[]): number => {
  let count = 0
  for (const cell of record)
    for (let at = cell.indexOf('\n'); at !== -1; at = cell.indexOf('\n', at + 1)) count++
  return count
}

export const createCsvInput = (
  { onValue, onProblem }: InputHandlers,
  delimiter: string,
  columns: Columns | undefined,
): Input => {
  const utf8 = createUtf8Reader()
  const lineIndex = createLineIndex()
  let layout: Layout | undefined
  let width = 0
  let isBroken = false
  let isOver = false
  let isUnended = false
  /** Blank lines before the last record. */
  let blankBefore = 0

  const stop = (
    line: number | null,
    code: 'not_utf8' | 'line_too_long' | 'csv_header' | 'csv_quotes',
    message: string,
  ) => {
    if (!isBroken) onProblem({ line, path: '', code, message })
    isBroken = true
  }

  const readHeader = (header: string[], line: number) => {
    const found = layoutOf(header, columns)
    if ('missing' in found) {
      const wanted = columns
        ? `the column ${named(found.missing)}`
        : `${KNOWN_COLUMNS}: say which they are in 'columns'`
      return stop(line, 'csv_header', `is a CSV header without ${wanted}`)
    }
    layout = found
    width = header.length
    if (found.unused.length > 0)
      onProblem({
        line,
        path: '',
        code: 'csv_unused_columns',
        message: `has columns that are not used: ${named(found.unused)}`,
      })
  }

  const onRecord = (record: string[], end: number) => {
    // Where the record ends is known exactly, so where it begins follows from the line ends it holds.
    const line = 1 + lineIndex.before(end - 1) - lineEndsIn(record)
    if (record.length === 1 && record[0]?.trim() === '') return
    if (!layout) return readHeader(record, line)
    if (record.length !== width)
      return onProblem({
        line,
        path: '',
        code: 'csv_fields',
        message: `has ${record.length} ${record.length === 1 ? 'field' : 'fields'}, where the header has ${width}`,
      })
    onValue(toExample(layout, record), line, undefined, undefined)
  }

  // The library's messages quote the data: only its codes are used. After any of these the rest cannot be read for certain.
  const onFault = ({ code, bytes, column, empty_lines }: CsvError) => {
    // Bytes are told up to the last field; blank lines may lie between that and a new record.
    const blank = column === 0 ? Number(empty_lines) - blankBefore : 0
    const line = 1 + lineIndex.before(Number(bytes)) + blank
    if (code === 'CSV_MAX_RECORD_SIZE') stop(line, 'line_too_long', TOO_LONG)
    else if (code === 'CSV_QUOTE_NOT_CLOSED')
      stop(line, 'csv_quotes', 'begins a quoted field that does not end')
    else
      stop(
        line,
        'csv_quotes',
        'has a quote in the middle of a field: fields with quotes are quoted, with quotes doubled',
      )
  }

  const parser = parse({
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: LONGEST_LINE,
    on_record(record: string[], { bytes, empty_lines }) {
      if (!isBroken) onRecord(record, bytes)
      blankBefore = empty_lines
      return null
    },
    // Told at once and in place, where errors would come as events.
    skip_records_with_error: true,
    on_skip(error) {
      if (error && !isOver) onFault(error)
      return undefined
    },
  })

  const feed = (text: string) => {
    if (text === '' || isBroken) return
    const bytes = encoder.encode(text)
    lineIndex.add(bytes)
    // Records come out while this runs: the parser neither waits nor keeps any.
    parser.write(bytes)
  }
  /** Whole lines only: of one that is not UTF-8 nothing may become a record. */
  let rest = ''
  const take = ({ text, isBroken: isBad }: Decoded): boolean => {
    const end = text.lastIndexOf('\n') + 1
    if (end > 0) feed(rest + text.slice(0, end))
    rest = end > 0 ? text.slice(end) : rest + text
    if (isBad && !isBroken) {
      // The parser looks ahead: what it still holds are records before that line.
      isOver = true
      parser.end()
      stop(1 + lineIndex.all, 'not_utf8', NOT_UTF8)
    }
    if (rest.length > LONGEST_LINE) stop(1 + lineIndex.all, 'line_too_long', TOO_LONG)
    return !isBroken
  }

  return {
    get lines() {
      // Only whole lines are fed until the last, which may lack its end.
      return lineIndex.all + (isUnended ? 1 : 0)
    },
    get hasMark() {
      return utf8.hasMark
    },
    write: bytes => take(utf8.write(bytes)),
    end() {
      if (!take(utf8.end())) return false
      isUnended = rest !== ''
      feed(rest)
      parser.end()
      if (!layout && !isBroken) stop(null, 'csv_header', 'has no CSV header')
      return !isBroken
    },
  }
}
