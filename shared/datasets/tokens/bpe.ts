/**
 * Byte-pair encoding with OpenAI's own rank tables. A table is a text module beside the bundle, read at the first count
 * that needs it: it is no part of the main module, and nothing of it is parsed at startup.
 * @module
 */
import { BytePairEncodingCore } from 'gpt-tokenizer/BytePairEncodingCore'
import { Cl100KBase } from 'gpt-tokenizer/encodingParams/cl100k_base'
import { O200KBase } from 'gpt-tokenizer/encodingParams/o200k_base'
import type { Encoding } from './encodings.ts'
import { parseRanks, type Ranks } from './ranks.ts'

/**
 * Merges remembered. Each may hold {@link LONGEST_PIECE} characters: together 20 MiB at the very worst, of an isolate's 128.
 */
const MERGES_REMEMBERED = 4000

/**
 * Characters of one unbroken run that are merged at a time: merging takes time that grows with the square of the length, and a dataset may
 * hold a line of eight million equal letters. A longer run is counted in slices, each cut adding at most a token or two.
 */
const LONGEST_PIECE = 512

/** Runs that the encodings' own split leaves whole: letters, signs, white space. */
const LONG_RUN = new RegExp(
  ['[\\p{L}\\p{M}]', '[^\\s\\p{L}\\p{N}]', '\\s'].map(kind => `${kind}{${LONGEST_PIECE + 1},}`).join('|'),
  'gu',
)

const SETTINGS: Record<
  Encoding,
  {
    load: () => Promise<{ default: string }>
    settings: (ranks: Ranks) => ConstructorParameters<typeof BytePairEncodingCore>[0]
  }
> = {
  o200k_base: { load: () => import('gpt-tokenizer/data/o200k_base.tiktoken'), settings: O200KBase },
  cl100k_base: { load: () => import('gpt-tokenizer/data/cl100k_base.tiktoken'), settings: Cl100KBase },
}

/** Pieces no longer than is merged at once; surrogate pairs stay whole. */
const cutRuns = (text: string): string[] => {
  const pieces: string[] = []
  let end = 0
  for (const { 0: run, index } of text.matchAll(LONG_RUN)) {
    pieces.push(text.slice(end, index))
    for (let start = 0, cut = 0; start < run.length; start = cut) {
      const isWithinPair = /[\uD800-\uDBFF]/.test(run.charAt(start + LONGEST_PIECE - 1))
      cut = start + LONGEST_PIECE - (isWithinPair ? 1 : 0)
      pieces.push(run.slice(start, cut))
    }
    end = index + run.length
  }
  pieces.push(text.slice(end))
  return pieces
}

/** Within a text it is a token of its own; gpt-tokenizer loses it, and with it the merges around. */
const MARK = '\uFEFF'

const countAll = (texts: string[], count: (text: string) => number): number =>
  texts.reduce((sum, text) => sum + count(text), 0)

/** Counters of this isolate. */
const counters = new Map<Encoding, (text: string) => number>()

/**
 * A function that counts a text's tokens. Names of special tokens in a text are text like any other, as in a message's content at
 * OpenAI. The table stays in memory: about 20 MiB for o200k_base, half of that for cl100k_base.
 */
export const countWith = async (encoding: Encoding): Promise<(text: string) => number> => {
  const { load, settings } = SETTINGS[encoding]
  const { default: table } = await load()
  // Looked up behind the import, so that no request waits for what another one began.
  const known = counters.get(encoding)
  if (known) return known
  const core = new BytePairEncodingCore({ ...settings(parseRanks(table)), mergeCacheSize: MERGES_REMEMBERED })
  const countRuns = (text: string) =>
    text.length <= LONGEST_PIECE
      ? core.countNative(text)
      : countAll(cutRuns(text), piece => core.countNative(piece))
  const count = (text: string) => {
    if (!text.includes(MARK)) return countRuns(text)
    const texts = text.split(MARK)
    return texts.length - 1 + countAll(texts, countRuns)
  }
  counters.set(encoding, count)
  return count
}
