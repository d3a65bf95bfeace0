/**
 * Byte-pair encoding with OpenAI's own rank tables, as far as counting needs it. A table is a text module beside the bundle, read at the
 * first count that needs it: it is no part of the main module, and nothing of it is parsed at startup.
 *
 * Merged here rather than by gpt-tokenizer, which brings the tables and the patterns: its merging decodes every pair of bytes to text, which
 * takes many times as long for words it has not met, and loses byte order marks within a text.
 * @module
 */
import { CL100K_TOKEN_SPLIT_REGEX, O200K_TOKEN_SPLIT_REGEX } from 'gpt-tokenizer/encodingParams/constants'
import type { Encoding } from './encodings.ts'
import { parseRanks, type Ranks } from './ranks.ts'

/**
 * The patterns are OpenAI's, whose regular expressions take Unicode's white space for `\s`: JavaScript's has a byte order mark in it,
 * and lacks U+0085.
 */
const withUnicodeSpace = ({ source, flags }: RegExp): RegExp =>
  new RegExp(source.replaceAll('\\s', '\\p{White_Space}').replaceAll('\\S', '\\P{White_Space}'), flags)

/** The table, and the pattern that cuts a text into the pieces that are merged each for itself. */
const ENCODINGS: Record<Encoding, { load: () => Promise<{ default: string }>; pieces: RegExp }> = {
  o200k_base: {
    load: () => import('gpt-tokenizer/data/o200k_base.tiktoken'),
    pieces: withUnicodeSpace(O200K_TOKEN_SPLIT_REGEX),
  },
  cl100k_base: {
    load: () => import('gpt-tokenizer/data/cl100k_base.tiktoken'),
    pieces: withUnicodeSpace(CL100K_TOKEN_SPLIT_REGEX),
  },
}

/**
 * Bytes merged at a time: merging takes time that grows with the square of the length, and a dataset may hold a line of eight million
 * equal letters. A longer piece is counted in slices, each cut adding at most a token or two.
 */
const LONGEST_MERGE = 1024

/** Pieces remembered with their counts, and the characters of the longest: at the very most 10 MiB of an isolate's 128. */
const PIECES_REMEMBERED = 20_000
const LONGEST_REMEMBERED = 128

const encoder = new TextEncoder()

/** A text's bytes in UTF-8, each as a character of the same code. Of ASCII that is the text itself. */
const bytesOf = (text: string): string => {
  if (/^[\0-\x7f]*$/.test(text)) return text
  let bytes = ''
  for (const byte of encoder.encode(text)) bytes += String.fromCharCode(byte)
  return bytes
}

/** The rank of what is no token. */
const NONE = 0x7fffffff

/** Where the parts of the bytes being merged begin, and the rank of each joined with the one behind it; used again and again. */
const starts = new Int32Array(LONGEST_MERGE + 1)
const joined = new Int32Array(LONGEST_MERGE + 1)

/** Into how many tokens bytes merge: again and again the two neighbours whose union has the lowest rank. */
const mergedCount = (bytes: string, ranks: Ranks): number => {
  let parts = bytes.length
  const rankAt = (part: number): number =>
    part + 2 > parts ? NONE : (ranks.get(bytes.slice(starts[part], starts[part + 2])) ?? NONE)
  for (let part = 0; part <= parts; part++) starts[part] = part
  for (let part = 0; part < parts; part++) joined[part] = rankAt(part)
  for (;;) {
    let lowest = NONE
    let at = 0
    for (let part = 0; part < parts; part++) {
      const rank = joined[part] ?? NONE
      if (rank < lowest) {
        lowest = rank
        at = part
      }
    }
    if (lowest === NONE) return parts
    starts.copyWithin(at + 1, at + 2, parts + 1)
    joined.copyWithin(at + 1, at + 2, parts)
    parts--
    joined[at] = rankAt(at)
    if (at > 0) joined[at - 1] = rankAt(at - 1)
  }
}

const isWithinCharacter = (bytes: string, at: number) => (bytes.charCodeAt(at) & 0xc0) === 0x80

/** Bytes in slices that are short enough, cut between characters. */
const slicesOf = (bytes: string): string[] => {
  if (bytes.length <= LONGEST_MERGE) return [bytes]
  const slices: string[] = []
  for (let start = 0, end = 0; start < bytes.length; start = end) {
    end = start + LONGEST_MERGE
    while (isWithinCharacter(bytes, end)) end--
    slices.push(bytes.slice(start, end))
  }
  return slices
}

const createCounter = (ranks: Ranks, pieces: RegExp) => {
  const remembered = new Map<string, number>()

  const countPiece = (piece: string): number => {
    const known = remembered.get(piece)
    if (known !== undefined) return known
    const bytes = bytesOf(piece)
    const count = ranks.has(bytes)
      ? 1
      : slicesOf(bytes).reduce((sum, slice) => sum + mergedCount(slice, ranks), 0)
    if (piece.length <= LONGEST_REMEMBERED) {
      if (remembered.size >= PIECES_REMEMBERED) remembered.clear()
      remembered.set(piece, count)
    }
    return count
  }

  return (text: string): number => {
    let sum = 0
    for (const [piece] of text.matchAll(pieces)) sum += countPiece(piece)
    return sum
  }
}

/** Counters of this isolate. */
const counters = new Map<Encoding, (text: string) => number>()

/**
 * A function that counts a text's tokens. Names of special tokens in a text are text like any other, as in a message's content at
 * OpenAI. The table stays in memory: about 20 MiB for o200k_base, 5 MiB for cl100k_base.
 */
export const countWith = async (encoding: Encoding): Promise<(text: string) => number> => {
  const { load, pieces } = ENCODINGS[encoding]
  const { default: table } = await load()
  // Looked up behind the import, so that no request waits for what another one began.
  const known = counters.get(encoding)
  if (known) return known
  const count = createCounter(parseRanks(table), pieces)
  counters.set(encoding, count)
  return count
}
