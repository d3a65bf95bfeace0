import type { SparseVector } from './vectorizer.ts'

/** A linear layer: one row of weights for each feature, one column for each answer. */
export interface Weights {
  readonly answers: number
  readonly data: Float32Array
}

export function zeroWeights(rows: number, answers: number): Weights {
  return { answers, data: new Float32Array(rows * answers) }
}

/** The answers' scores (logits) for one input, written into `scores`. */
export function scoresOf(
  { answers, data }: Weights,
  { rows, values }: SparseVector,
  scores: Float64Array,
): void {
  scores.fill(0)
  for (let index = 0; index < rows.length; index++) {
    const start = (rows[index] ?? 0) * answers
    const value = values[index] ?? 0
    for (let answer = 0; answer < answers; answer++) {
      scores[answer] = (scores[answer] ?? 0) + value * (data[start + answer] ?? 0)
    }
  }
}

/** Turns scores into probabilities, in place. */
export function softmax(scores: Float64Array): void {
  let top = Number.NEGATIVE_INFINITY
  for (const score of scores) if (score > top) top = score
  let sum = 0
  for (let index = 0; index < scores.length; index++) {
    const weight = Math.exp((scores[index] ?? 0) - top)
    scores[index] = weight
    sum += weight
  }
  for (let index = 0; index < scores.length; index++) scores[index] = (scores[index] ?? 0) / sum
}

/** The best-scored answer among those allowed, or −1. The first wins a tie. */
export function best(scores: Float64Array, allowed: (answer: number) => boolean = () => true): number {
  let winner = -1
  let top = Number.NEGATIVE_INFINITY
  scores.forEach((score, answer) => {
    if (score > top && allowed(answer)) {
      winner = answer
      top = score
    }
  })
  return winner
}
