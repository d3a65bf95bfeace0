import { conversationFeatures, type Features, type Turn } from './features.ts'
import type { Lesson } from './objectives.ts'
import { scoresOf, zeroWeights } from './softmax.ts'
import type { VectorExample } from './train.ts'
import type { TunedModel } from './tuned-model.ts'
import { Vectorizer } from './vectorizer.ts'

/** A conversation and what to learn from it. Answers are named in full here, not by column. */
export interface Example {
  turns: readonly Turn[]
  teaches: Teaching
}

export type Teaching =
  | { kind: 'answer'; answer: string }
  | { kind: 'preference'; preferred: string; rejected: string }
  /** `reward(answer)` is the grader's verdict, 0 … 1. Examples with the same `key` have the same rewards. */
  | { kind: 'reward'; candidate: string; key: string; reward: (answer: string) => number }

export interface Tuning {
  model: TunedModel
  examples: VectorExample[]
  validation: VectorExample[]
}

export interface TuningSources {
  examples: readonly Example[]
  validation: readonly Example[]
  /** Only for preferences. */
  beta: number
  /** A tuned model to go on from; without it all weights start at zero. */
  from?: TunedModel
}

/** Base learning rate of AdaGrad; a job's multiplier scales it. */
export const BASE_LEARNING_RATE = 0.1

/**
 * Lays out a model for the examples: rows for their features, a column for each distinct answer.
 *
 * @param breathe awaited between examples, so that the caller can let others run
 */
export async function prepareTuning(
  { examples, validation, beta, from }: TuningSources,
  breathe: () => Promise<void>,
): Promise<Tuning> {
  const answers = [...new Set([...(from?.answers ?? []), ...examples.flatMap(namedAnswers)])]
  const documents: Features[] = []
  for (const { turns } of examples) {
    documents.push(conversationFeatures(turns))
    await breathe()
  }
  const vectorizer = Vectorizer.fit(documents, answers.length, from?.vectorizer)
  const model: TunedModel = { vectorizer, answers, weights: zeroWeights(vectorizer.rows, answers.length) }
  if (from) inherit(model, from)

  const column = new Map(answers.map((answer, index) => [answer, index]))
  const lessonOf = lessonMaker(model, column, beta)
  const vectorize = async (example: Example, features: Features): Promise<VectorExample> => {
    const input = vectorizer.vector(features)
    await breathe()
    return { input, lesson: lessonOf(example.teaches, input) }
  }
  const tuning: Tuning = { model, examples: [], validation: [] }
  for (const [index, example] of examples.entries()) {
    tuning.examples.push(await vectorize(example, documents[index] ?? new Map()))
  }
  for (const example of validation) {
    tuning.validation.push(await vectorize(example, conversationFeatures(example.turns)))
  }
  return tuning
}

function namedAnswers({ teaches }: Example): string[] {
  switch (teaches.kind) {
    case 'answer':
      return [teaches.answer]
    case 'preference':
      return [teaches.preferred, teaches.rejected]
    case 'reward':
      return [teaches.candidate]
  }
}

/** Copies the weights of an earlier model, whose rows and columns come first and in the same order. */
function inherit({ weights }: TunedModel, from: TunedModel): void {
  const width = from.weights.answers
  for (let row = 0; row < from.vectorizer.rows; row++) {
    weights.data.set(from.weights.data.subarray(row * width, (row + 1) * width), row * weights.answers)
  }
}

function lessonMaker(model: TunedModel, column: ReadonlyMap<string, number>, beta: number) {
  const rewards = new Map<string, Float32Array>()
  const columnOf = (answer: string): number => column.get(answer) ?? -1
  const start = new Float64Array(model.answers.length)
  return (teaches: Teaching, input: VectorExample['input']): Lesson => {
    switch (teaches.kind) {
      case 'answer':
        return { kind: 'answer', answer: columnOf(teaches.answer) }
      case 'preference': {
        const preferred = columnOf(teaches.preferred)
        const rejected = columnOf(teaches.rejected)
        scoresOf(model.weights, input, start)
        const reference = (start[preferred] ?? 0) - (start[rejected] ?? 0)
        return { kind: 'preference', preferred, rejected, reference, beta }
      }
      case 'reward': {
        const known = rewards.get(teaches.key) ?? Float32Array.from(model.answers, teaches.reward)
        rewards.set(teaches.key, known)
        return { kind: 'reward', rewards: known }
      }
    }
  }
}
