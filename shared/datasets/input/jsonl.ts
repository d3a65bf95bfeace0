/**
 * JSON lines: a value on each, blank ones between them.
 * @module
 */
import type { ProblemCode } from '../../openai/index.ts'
import { createLineReader, type LineFault, LONGEST_LINE } from '../lines.ts'
import type { Input, InputHandlers } from './input.ts'

export const TOO_LONG = `is longer than ${LONGEST_LINE / 1024 / 1024} MiB`
export const NOT_UTF8 = 'is not UTF-8'
export const NOT_JSON = 'is not JSON'

const FAULTS: Record<LineFault['problem'], readonly [ProblemCode, string]> = {
  not_utf8: ['not_utf8', NOT_UTF8],
  too_long: ['line_too_long', TOO_LONG],
}

export const createJsonlInput = ({ onValue, onProblem }: InputHandlers): Input => {
  const reader = createLineReader((text, line) => {
    if (text.trim() === '') return
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      // The parser's own message quotes the data.
      return onProblem({ line, path: '', code: 'not_json', message: NOT_JSON })
    }
    onValue(value, line, text, undefined)
  })
  const isWhole = (fault: LineFault | undefined): boolean => {
    if (!fault) return true
    const [code, message] = FAULTS[fault.problem]
    onProblem({ line: fault.line, path: '', code, message })
    return false
  }
  return {
    get lines() {
      return reader.lines
    },
    get hasMark() {
      return reader.hasMark
    },
    write: bytes => isWhole(reader.write(bytes)),
    end: () => isWhole(reader.end()),
  }
}
