/** Counters of tokens whose sums can be added up by hand. */
import { imageRuleOf } from '../../../shared/datasets/tokens/images.ts'
import type { TokenCounter } from '../../../shared/datasets/tokens/index.ts'

/** A letter is a token. */
export const letters: TokenCounter = {
  name: 'letters',
  exact: true,
  error: 0,
  count: text => text.length,
  images: imageRuleOf('gpt-4o'),
}
