/**
 * What is kept of counting a file. See `docs/storage.md`.
 * @module
 */
import type { Context } from '../context.ts'
import { collection } from '../platform/index.ts'

/** A file counted by one counter, each example up to a window. */
export interface CountRecord {
  file: string
  /** Of the `TokenCounter` its own name and that of how it counts images, with a `+` between. */
  counter: string
  /** Tokens of one example that count; null: all. */
  window: number | null
  examples: number
  tokens: number
  /** Examples longer than the window. */
  truncated_examples: number
  images: number
  /** Images whose tokens are a guess, as their size is not known. */
  images_guessed: number
  /** Bytes that were looked at: all of them, or the samples. */
  bytes_counted: number
  is_sampled: boolean
  /** Relative error that comes of sampling, in addition to the counter's; 0 where all was counted. */
  sampling_error: number
  /** Unix seconds. */
  created_at: number
}

export const idOfCount = ({ file, counter, window }: Pick<CountRecord, 'file' | 'counter' | 'window'>) =>
  `${file}/${counter}/${window ?? 'all'}`

export const COUNTS = collection<CountRecord, 'file'>('count', idOfCount, {
  file: { slot: 'a', entry: count => ({ partition: count.file, sort: idOfCount(count) }) },
})

/** Counters that may have counted one file. */
const MOST_COUNTS = 100

/** Forgets what was counted of a file. */
export const forgetCounts = async ({ platform: { store } }: Context, file: string): Promise<void> => {
  const { items } = await COUNTS.list(store, 'file', file, { limit: MOST_COUNTS })
  for (const count of items) await COUNTS.delete(store, idOfCount(count))
}
