/**
 * Bytes → lines of text, as they arrive. UTF-8 characters and line ends may be cut anywhere.
 * @module
 */
import { createUtf8Reader, type Decoded } from './utf8.ts'

/** Characters of one line, without its line end: beyond it a line is refused rather than held in memory. */
export const LONGEST_LINE = 8 * 1024 * 1024

export type LineFault = { line: number; problem: 'not_utf8' | 'too_long' }

export interface LineReader {
  /** Takes the next bytes. @returns a fault, after which nothing more is taken. */
  write(chunk: Uint8Array): LineFault | undefined
  /** The last line, which needs no line end. */
  end(): LineFault | undefined
  /** Lines begun so far. */
  readonly lines: number
  /** Whether the bytes began with a byte order mark. */
  readonly hasMark: boolean
}

const withoutReturn = (line: string) => (line.endsWith('\r') ? line.slice(0, -1) : line)

/**
 * @param onLine called for each line without its line end (LF or CRLF), numbered from 1. A byte order mark is taken off.
 */
export const createLineReader = (onLine: (line: string, number: number) => void): LineReader => {
  const utf8 = createUtf8Reader()
  let rest = ''
  let number = 1

  const tooLong = (): LineFault => ({ line: number, problem: 'too_long' })

  const emit = (text: string): LineFault | undefined => {
    const line = withoutReturn(text)
    if (line.length > LONGEST_LINE) return tooLong()
    onLine(line, number++)
    return undefined
  }

  const take = ({ text, isBroken }: Decoded): LineFault | undefined => {
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      const fault = emit(start === 0 && rest !== '' ? rest + text.slice(0, end) : text.slice(start, end))
      if (fault) return fault
      if (start === 0) rest = ''
      start = end + 1
    }
    if (isBroken) return { line: number, problem: 'not_utf8' }
    rest += start === 0 ? text : text.slice(start)
    // Looked at more closely only when long: the text is joined in memory by that.
    return rest.length > LONGEST_LINE && withoutReturn(rest).length > LONGEST_LINE ? tooLong() : undefined
  }

  return {
    get lines() {
      return number - (rest === '' ? 1 : 0)
    },
    get hasMark() {
      return utf8.hasMark
    },
    write: chunk => take(utf8.write(chunk)),
    end() {
      const fault = take(utf8.end())
      if (fault) return fault
      const last = rest
      rest = ''
      return last === '' ? undefined : emit(last)
    },
  }
}
