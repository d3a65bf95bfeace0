import { best, softmax } from './softmax.ts'

/** What an example teaches. Answers are columns of the weights; −1 is an answer the model does not know. */
export type Lesson =
  | { kind: 'answer'; answer: number }
  /** `reference`: how far the starting model already prefers the one to the other. `beta` as in DPO. */
  | { kind: 'preference'; preferred: number; rejected: number; reference: number; beta: number }
  /** The grader's reward for each answer. */
  | { kind: 'reward'; rewards: Float32Array }

export interface Grade {
  loss: number
  /** 1 for right, 0 for wrong (for rewards: the reward of the best-scored answer). */
  accuracy: number
}

/** Keeps the loss of an answer that the model cannot give finite. */
const LEAST_PROBABILITY = 1e-7

type Grader<L extends Lesson> = (lesson: L, scores: Float64Array, gradient: Float64Array) => Grade

/** Cross-entropy: −log p(answer). */
const gradeAnswer: Grader<Extract<Lesson, { kind: 'answer' }>> = ({ answer }, scores, gradient) => {
  const accuracy = best(scores) === answer ? 1 : 0
  gradient.set(scores)
  softmax(gradient)
  const probability = gradient[answer] ?? 0
  if (answer >= 0) gradient[answer] = probability - 1
  return { loss: -Math.log(Math.max(probability, LEAST_PROBABILITY)), accuracy }
}

/** The DPO loss on the linear scores: −log σ(β · (margin − reference margin)). */
const gradePreference: Grader<Extract<Lesson, { kind: 'preference' }>> = (lesson, scores, gradient) => {
  gradient.fill(0)
  const scoreOf = (answer: number): number => scores[answer] ?? 0
  const margin = scoreOf(lesson.preferred) - scoreOf(lesson.rejected) - lesson.reference
  const doubt = 1 / (1 + Math.exp(lesson.beta * margin))
  if (lesson.preferred !== lesson.rejected) {
    if (lesson.preferred >= 0) gradient[lesson.preferred] = -lesson.beta * doubt
    if (lesson.rejected >= 0) gradient[lesson.rejected] = lesson.beta * doubt
  }
  return { loss: Math.log1p(Math.exp(-lesson.beta * margin)), accuracy: margin > 0 ? 1 : 0 }
}

/** One minus the expected reward, whose gradient is the exact policy gradient. */
const gradeReward: Grader<Extract<Lesson, { kind: 'reward' }>> = ({ rewards }, scores, gradient) => {
  const accuracy = rewards[best(scores)] ?? 0
  gradient.set(scores)
  softmax(gradient)
  let expected = 0
  gradient.forEach((probability, answer) => {
    expected += probability * (rewards[answer] ?? 0)
  })
  gradient.forEach((probability, answer) => {
    gradient[answer] = -probability * ((rewards[answer] ?? 0) - expected)
  })
  return { loss: 1 - expected, accuracy }
}

/**
 * Grades the scores against the lesson and writes ∂loss/∂score into `gradient`.
 *
 * @param scores the answers' logits; left as they are
 */
export function grade(lesson: Lesson, scores: Float64Array, gradient: Float64Array): Grade {
  switch (lesson.kind) {
    case 'answer':
      return gradeAnswer(lesson, scores, gradient)
    case 'preference':
      return gradePreference(lesson, scores, gradient)
    case 'reward':
      return gradeReward(lesson, scores, gradient)
  }
}
