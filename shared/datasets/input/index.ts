/**
 * Any dataset → canonical examples. What it is, is declared or seen from how it begins.
 * @module
 */
import type { DatasetSummary, Declaration } from '../../openai/index.ts'
import { joinBytes } from '../../openai/index.ts'
import { isObject, READERS } from '../formats/index.ts'
import { createArrayInput } from './array.ts'
import { createCsvInput } from './csv.ts'
import { declared, delimiterOf, type LineFormat, lineFormatOf, readHead } from './detect.ts'
import type { Input, InputHandlers } from './input.ts'
import { createJsonlInput } from './jsonl.ts'

export type { InputProblem } from './input.ts'

/** Bytes decoded at a time: short texts die young, long ones make the heap grow. */
const BITE = 8 * 1024

export interface DatasetInput extends Input {
  /** What the file is found to be; JSONL of OpenAI's while too little has come to say. */
  readonly format: DatasetSummary['format']
  /** Whether the bytes are canonical as they are. */
  readonly isCanonical: boolean
}

/** Puts the index of an array's element before a path in it. */
const within = (index: number | undefined, path: string): string => {
  if (index === undefined) return path
  return path === '' ? `[${index}]` : `[${index}].${path}`
}

/**
 * @param handlers get canonical examples, still unchecked. A `text` comes only where what was read is canonical as it stands.
 */
export const createInput = (
  declaration: Declaration,
  { onValue, onProblem }: InputHandlers,
): DatasetInput => {
  const said = declared(declaration)
  let lines: LineFormat | undefined = said.lines
  let container = said.container
  let inner: Input | undefined
  let waiting: Uint8Array = new Uint8Array()

  const take: InputHandlers['onValue'] = (value, line, text, index) => {
    lines ??= lineFormatOf(value)
    if (lines === 'openai') return onValue(value, line, text, index)
    if (!isObject(value)) {
      const path = within(index, '')
      return onProblem({ line, path, code: 'not_in_format', message: 'must be a JSON object' })
    }
    const { example, losses } = READERS[lines](value)
    for (const { path, message, code = 'not_carried_over' } of losses)
      onProblem({ line, path: within(index, path), code, message })
    if (example !== undefined) onValue(example, line, undefined, index)
  }
  const handlers: InputHandlers = {
    onValue(value, line, text, index) {
      try {
        take(value, line, text, index)
      } catch (error) {
        // `JSON.parse` reads any depth, but `JSON.stringify` overflows the stack.
        if (!(error instanceof RangeError)) throw error
        onProblem({ line, path: within(index, ''), code: 'invalid_example', message: 'is nested too deeply' })
      }
    },
    onProblem,
  }

  const open = (bytes: Uint8Array, isWhole: boolean): Input | undefined => {
    const head = readHead(bytes, isWhole)
    if (!head) return undefined
    container ??= head.container
    if (container === 'json') return createArrayInput(handlers)
    if (container === 'jsonl') return createJsonlInput(handlers)
    lines = 'openai'
    return createCsvInput(handlers, delimiterOf(head.firstLine, declaration.columns), declaration.columns)
  }
  const write = (bytes: Uint8Array): boolean => {
    if (inner) return inner.write(bytes)
    waiting = joinBytes(waiting, bytes.slice())
    inner = open(waiting, false)
    return inner?.write(waiting) ?? true
  }
  let isUsable = true

  return {
    get format() {
      return { container: container ?? 'jsonl', lines: lines ?? 'openai' }
    },
    get isCanonical() {
      return (container ?? 'jsonl') === 'jsonl' && (lines ?? 'openai') === 'openai'
    },
    get lines() {
      return inner?.lines ?? 0
    },
    get hasMark() {
      return inner?.hasMark ?? false
    },
    write(bytes) {
      for (let start = 0; start < bytes.length && isUsable; start += BITE)
        isUsable = write(bytes.subarray(start, start + BITE))
      return isUsable
    },
    end() {
      if (!isUsable) return false
      if (!inner) {
        inner = open(waiting, true)
        isUsable = inner?.write(waiting) ?? true
      }
      return isUsable && (inner?.end() ?? true)
    },
  }
}

export { within }
