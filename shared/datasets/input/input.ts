/**
 * The contract of what reads datasets: bytes in, examples and problems out, in constant memory.
 * @module
 */
import type { ProblemCode } from '../../openai/index.ts'

/** Severity is the inspector's to say. */
export interface InputProblem {
  line: number | null
  path: string
  code: ProblemCode
  message: string
}

export interface InputHandlers {
  /**
   * @param line where it begins, from 1
   * @param text the JSON it was read from as one line, where it was read from JSON
   * @param index of the element, where the file is an array
   */
  onValue(value: unknown, line: number, text: string | undefined, index: number | undefined): void
  onProblem(problem: InputProblem): void
}

export interface Input {
  /** @returns false when nothing more can be made of the file */
  write(bytes: Uint8Array): boolean
  /** @returns whether all of the file was read */
  end(): boolean
  /** Lines begun so far. */
  readonly lines: number
  readonly hasMark: boolean
}
