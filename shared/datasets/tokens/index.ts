/**
 * Counting tokens: OpenAI's models with their own encodings, all others by approximation.
 * @module
 */
import { baseModelOf } from '../../providers/index.ts'
import { approximateTokens, approximationOf } from './approximate.ts'
import { countWith } from './bpe.ts'
import { encodingOf } from './encodings.ts'
import type { ExampleTokens } from './example.ts'
import { type ImageRule, imageRuleOf, spreadOf } from './images.ts'

export { type ExampleTokens, exampleTokens, PER_EXAMPLE } from './example.ts'
export { guessOf, type ImageRule } from './images.ts'
export { exampleWindow } from './windows.ts'

export interface TokenCounter {
  /** Of the encoding or the approximation: counts by one counter can be compared, and kept. */
  name: string
  /** Whether texts are counted as the model itself reads them. */
  exact: boolean
  /** Relative, e.g. 0.15: the count may be this much too low or too high. 0 for an exact one. */
  error: number
  /** Tokens of a text. Names of special tokens in it are ordinary text. */
  count(text: string): number
  /** How images are counted, beside texts. */
  images: ImageRule
}

/** How far off a sum may be, as a part of it: the counter's own error, and what images may have beyond what was taken for them. */
export const errorOf = (
  { error, images }: TokenCounter,
  { tokens, guessed }: Pick<ExampleTokens, 'tokens' | 'guessed'>,
): number => error + (guessed === 0 ? 0 : (guessed * spreadOf(images)) / tokens)

/**
 * The counter of a model.
 * @param model as its provider names it: a base model, a tune or checkpoint of one
 */
export const tokenCounterFor = async (provider: string, model: string): Promise<TokenCounter> => {
  const base = baseModelOf(provider, model)
  const images = imageRuleOf(base)
  const encoding = encodingOf(base)
  if (encoding) return { name: encoding, exact: true, error: 0, count: await countWith(encoding), images }
  const approximation = approximationOf(base)
  const { name, error } = approximation
  return { name, exact: false, error, count: text => approximateTokens(approximation, text), images }
}
