import { answerOfKey } from './answers.ts'
import type { StringCheck } from './job-schema.ts'

type Comparison = (output: string, reference: string) => boolean

const COMPARISONS: Record<StringCheck['operation'], Comparison> = {
  eq: (output, reference) => output === reference,
  ne: (output, reference) => output !== reference,
  like: (output, reference) => output.includes(reference),
  ilike: (output, reference) => output.toLowerCase().includes(reference.toLowerCase()),
}

/** The grader as a function from an answer (its key) to a reward of 0 or 1. */
export function graderOf({ operation }: StringCheck, reference: string): (answer: string) => number {
  return answer => (COMPARISONS[operation](answerOfKey(answer).content ?? '', reference) ? 1 : 0)
}
