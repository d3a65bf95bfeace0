import { conversationFeatures, type Turn } from './features.ts'
import { best, scoresOf, type Weights } from './softmax.ts'
import type { Vectorizer } from './vectorizer.ts'

/** What training leaves behind: enough to answer a conversation. */
export interface TunedModel {
  readonly vectorizer: Vectorizer
  readonly weights: Weights
  /** One entry for each column of the weights; what it means is the caller's business. */
  readonly answers: readonly string[]
}

/** The same model, unmoved by further training. */
export function snapshot({ vectorizer, weights, answers }: TunedModel): TunedModel {
  return { vectorizer, answers, weights: { answers: weights.answers, data: weights.data.slice() } }
}

/**
 * The model's answer to a conversation.
 *
 * @param allowed leaves out answers that the caller cannot use now
 * @returns a column number, or −1 if none is allowed
 */
export function answerTo(
  model: TunedModel,
  turns: readonly Turn[],
  allowed?: (answer: number) => boolean,
): number {
  const scores = new Float64Array(model.weights.answers)
  scoresOf(model.weights, model.vectorizer.vector(conversationFeatures(turns)), scores)
  return best(scores, allowed)
}
