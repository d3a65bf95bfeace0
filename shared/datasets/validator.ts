/**
 * The verdict on a dataset that is uploaded: taken, or refused with what is wrong.
 * @module
 */
import { ApiError, type DatasetProblem, type DatasetReport } from '../openai/index.ts'
import { createInspector, type InspectorOptions } from './inspector.ts'

/** What is checked as a dataset. */
export const VALIDATED_PURPOSE = 'fine-tune'

/** Problems that a refusal names. */
const MOST_TOLD = 20

const isShort = ({ code }: DatasetProblem) => code === 'too_few_examples'

/** A problem as a sentence: the line, the place in it, what is wrong. Never the content itself. */
export const describe = ({ line, path, code, message }: DatasetProblem): string => {
  const place = line === null ? 'the file' : `line ${line}`
  const why = code.startsWith('invalid_') ? 'is not a training example: ' : ''
  return `${place} ${why}${path === '' ? '' : `${path} `}${message}`
}

/** The refusal of a dataset with errors, by its first; undefined for one that is taken. */
export const refusalOf = (report: DatasetReport, param = 'file'): ApiError | undefined => {
  const errors = report.problems.filter(({ severity }) => severity === 'error')
  // That too few are left is only worth saying when it is all there is.
  const first = errors.find(problem => !isShort(problem)) ?? errors[0]
  if (!first) return undefined
  const { errors: count, warnings, problem_counts } = report
  return new ApiError({
    status: 400,
    code: isShort(first) ? 'too_few_examples' : 'invalid_dataset',
    param,
    message: isShort(first) ? `${first.message}.` : `Invalid dataset: ${describe(first)}.`,
    tunegate: { problems: errors.slice(0, MOST_TOLD), problem_counts, errors: count, warnings },
  })
}

export interface DatasetValidator {
  /** Takes the next bytes. */
  write(chunk: Uint8Array): void
  /** The verdict when all bytes are through. @throws {ApiError} naming the line and the place in it. */
  finish(): DatasetReport
  /** Whether the bytes are canonical JSONL as they are; otherwise their canonical form is to be kept instead. */
  readonly isCanonical: boolean
}

export const createValidator = (options: InspectorOptions = {}): DatasetValidator => {
  const inspector = createInspector(options)
  return {
    get isCanonical() {
      return inspector.isCanonical
    },
    write(chunk) {
      inspector.write(chunk)
    },
    finish() {
      const report = inspector.end()
      const refusal = refusalOf(report)
      if (refusal) throw refusal
      return report
    },
  }
}
