/**
 * Checks a dataset while its bytes pass by.
 * @module
 */
import { type ApiError, badRequest } from '../openai/index.ts'
import { exampleProblem } from './example.ts'
import { createLineReader, type LineFault, LONGEST_LINE } from './lines.ts'

/** What is checked as a dataset. */
export const VALIDATED_PURPOSE = 'fine-tune'

/** OpenAI trains on no fewer. */
export const FEWEST_EXAMPLES = 10

/** Bytes decoded at a time: short texts die young, long ones make the heap grow. */
const BITE = 8 * 1024

export interface DatasetValidator {
  /** Takes the next bytes. After the first fault it takes no more. */
  write(chunk: Uint8Array): void
  /** The verdict when all bytes are through. @throws {ApiError} naming the line and the place in it. */
  finish(): { examples: number }
}

const FAULTS: Record<LineFault['problem'], string> = {
  not_utf8: 'is not UTF-8',
  too_long: `is longer than ${LONGEST_LINE / 1024 / 1024} MiB`,
}

export const createValidator = (): DatasetValidator => {
  let examples = 0
  let fault: ApiError | undefined

  const refuse = (line: number, message: string) => {
    fault ??= badRequest('file', `Invalid dataset: line ${line} ${message}.`, 'invalid_dataset')
  }
  const refuseLine = (found: LineFault | undefined) => {
    if (found) refuse(found.line, FAULTS[found.problem])
  }
  const checkLine = (text: string, line: number) => {
    if (fault || text.trim() === '') return
    let example: unknown
    try {
      example = JSON.parse(text)
    } catch {
      // The parser's own message quotes the data.
      return refuse(line, 'is not JSON')
    }
    const found = exampleProblem(example)
    if (found)
      return refuse(line, `is not a training example: ${found.path ? `${found.path} ` : ''}${found.message}`)
    examples++
  }
  const reader = createLineReader(checkLine)

  return {
    write(chunk) {
      for (let start = 0; start < chunk.length && !fault; start += BITE) {
        refuseLine(reader.write(chunk.subarray(start, start + BITE)))
      }
    },
    finish() {
      if (!fault) refuseLine(reader.end())
      if (fault) throw fault
      if (examples < FEWEST_EXAMPLES) {
        throw badRequest(
          'file',
          `The file has ${examples} ${examples === 1 ? 'example' : 'examples'}; fine-tuning needs at least ${FEWEST_EXAMPLES}.`,
          'too_few_examples',
        )
      }
      return { examples }
    },
  }
}
