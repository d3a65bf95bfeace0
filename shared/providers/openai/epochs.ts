import type { EpochRule } from '../provider.ts'

/** @see https://github.com/openai/openai-cookbook/blob/main/examples/Chat_finetuning_data_prep.ipynb */
const TARGET = 3
const FEWEST_SEEN = 100
const MOST_SEEN = 25_000
const MOST_EPOCHS = 25

/**
 * OpenAI's rule: three epochs, more for a dataset so small that fewer than 100 examples would be seen, fewer for one so large that more
 * than 25,000 would be.
 */
export const defaultEpochs = (examples: number): EpochRule => {
  const seen = examples * TARGET
  const epochs =
    seen < FEWEST_SEEN
      ? Math.min(MOST_EPOCHS, Math.floor(FEWEST_SEEN / Math.max(1, examples)))
      : seen > MOST_SEEN
        ? Math.max(1, Math.floor(MOST_SEEN / examples))
        : TARGET
  return {
    low: epochs,
    expected: epochs,
    high: epochs,
    rule: `${TARGET}, or as many as show the model ${FEWEST_SEEN} to ${MOST_SEEN} examples in all (1 to ${MOST_EPOCHS})`,
    source: 'https://github.com/openai/openai-cookbook/blob/main/examples/Chat_finetuning_data_prep.ipynb',
  }
}
