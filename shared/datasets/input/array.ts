/**
 * One JSON array of examples. Only its brackets are followed here; each element is left to `JSON.parse`, so that it means
 * what it means on a line of its own, and a bad one does not spoil the others.
 * @module
 */
import { LONGEST_LINE } from '../lines.ts'
import { createUtf8Reader, type Decoded } from '../utf8.ts'
import type { Input, InputHandlers } from './input.ts'
import { NOT_JSON, NOT_UTF8, TOO_LONG } from './jsonl.ts'

const CODE = { lineFeed: 0x0a, space: 0x20, quote: 0x22, comma: 0x2c, open: 0x5b, back: 0x5c, close: 0x5d }
const BRACE = { open: 0x7b, close: 0x7d }

/** An element as a line of its own: in JSON a line end stands between values only, and so does the blank behind it. */
const toLine = (text: string) => text.trim().replace(/[\r\n][ \t\r\n]*/g, '')

export const createArrayInput = ({ onValue, onProblem }: InputHandlers): Input => {
  const utf8 = createUtf8Reader()
  let line = 1
  /** Brackets open; 0 before the array and after it. */
  let depth = 0
  let inString = false
  let isEscaped = false
  let isOver = false
  /** Whether characters have come since the last line end. */
  let isUnended = false
  /** What has come of the current element, in earlier pieces. */
  let held = ''
  /** Where it begins; 0 before its first character. */
  let startLine = 0
  let index = 0

  const fail = (at: number, code: 'not_utf8' | 'line_too_long' | 'not_json', message: string): false => {
    onProblem({ line: at, path: '', code, message })
    return false
  }
  const emit = (text: string, isLast: boolean) => {
    const at = startLine || line
    startLine = 0
    held = ''
    if (isLast && index === 0 && text.trim() === '') return
    const number = index++
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return onProblem({ line: at, path: `[${number}]`, code: 'not_json', message: NOT_JSON })
    }
    // Written anew it would be another where a number is beyond what a double holds.
    onValue(value, at, toLine(text), number)
  }

  const take = ({ text, isBroken }: Decoded): boolean => {
    /** Where the current element begins in this piece. */
    let start = 0
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === CODE.lineFeed) line++
      if (inString) {
        if (isEscaped) isEscaped = false
        else if (code === CODE.back) isEscaped = true
        else if (code === CODE.quote) inString = false
        continue
      }
      if (code <= CODE.space) continue
      if (depth === 0) {
        if (isOver) return fail(line, 'not_json', 'follows the end of the array')
        // What comes first is an opening bracket: otherwise the file would not be taken for an array.
        if (code !== CODE.open) return fail(line, 'not_json', 'is not a JSON array')
        depth = 1
        start = at + 1
        continue
      }
      const isEnd = depth === 1 && (code === CODE.comma || code === CODE.close)
      if (isEnd) {
        emit(held + text.slice(start, at), code === CODE.close)
        start = at + 1
        if (code === CODE.close) {
          depth = 0
          isOver = true
        }
        continue
      }
      if (startLine === 0) startLine = line
      if (code === CODE.quote) inString = true
      else if (code === CODE.open || code === BRACE.open) depth++
      else if (code === CODE.close || code === BRACE.close) depth--
      // A closing brace that nothing opened: what follows belongs to no element.
      if (depth === 0) return fail(line, 'not_json', 'closes what was not opened')
    }
    if (text !== '') isUnended = !text.endsWith('\n')
    if (isBroken) return fail(line, 'not_utf8', NOT_UTF8)
    if (depth > 0) held += text.slice(start)
    return held.length <= LONGEST_LINE || fail(startLine || line, 'line_too_long', TOO_LONG)
  }

  return {
    get lines() {
      return line - (isUnended ? 0 : 1)
    },
    get hasMark() {
      return utf8.hasMark
    },
    write: bytes => take(utf8.write(bytes)),
    end: () => take(utf8.end()) && (isOver || fail(line, 'not_json', 'ends before the array does')),
  }
}
