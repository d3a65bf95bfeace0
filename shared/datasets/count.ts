/**
 * How many tokens a file has: all of it counted up to a bound, and beyond that from samples spread evenly over it. A count is kept, so that
 * nothing is counted twice.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { badRequest } from '../openai/index.ts'
import { COUNTS, type CountRecord, idOfCount } from './count-records.ts'
import { exampleProblem } from './example.ts'
import type { Example } from './formats/index.ts'
import { createInput } from './input/index.ts'
import { LONGEST_LINE } from './lines.ts'
import { readExamples, readFile } from './origins.ts'
import type { FileRecord } from './records.ts'
import { exampleTokens, type TokenCounter } from './tokens/index.ts'

interface Tally {
  bytes: number
  examples: number
  tokens: number
  truncated: number
  images: number
  guessed: number
}

const EMPTY: Tally = { bytes: 0, examples: 0, tokens: 0, truncated: 0, images: 0, guessed: 0 }

/** Takes bytes of whole lines, in whoever's format; what is no example is not counted. */
const createTallying = (counter: TokenCounter, window: number | null) => {
  const tally = { ...EMPTY }
  const input = createInput(
    {},
    {
      onValue(value) {
        if (exampleProblem(value)) return
        const { tokens, images, guessed } = exampleTokens(counter, value as Example)
        tally.examples++
        tally.images += images
        tally.guessed += guessed
        tally.tokens += window === null ? tokens : Math.min(tokens, window)
        if (window !== null && tokens > window) tally.truncated++
      },
      onProblem: () => undefined,
    },
  )
  return {
    write(bytes: Uint8Array) {
      tally.bytes += bytes.length
      input.write(bytes)
    },
    end(): Tally {
      input.end()
      return tally
    },
  }
}

const countAll = async (
  body: ReadableStream<Uint8Array>,
  counter: TokenCounter,
  window: number | null,
): Promise<Tally> => {
  const tallying = createTallying(counter, window)
  for await (const chunk of body) tallying.write(chunk)
  return tallying.end()
}

/** Samples of a large file. */
const MOST_SAMPLES = 64
const LEAST_SAMPLE = 64 * 1024
const LINE_FEED = 0x0a

/** Bytes from a place on: as many as wanted, and on to the end of a line. */
const readSample = async (body: ReadableStream<Uint8Array>, wanted: number): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    const isEnough = size >= wanted && chunk.includes(LINE_FEED)
    // Leaving the loop cancels the stream.
    if (isEnough || size > wanted + LONGEST_LINE) break
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  const end = bytes.indexOf(LINE_FEED, wanted)
  return end === -1 ? bytes : bytes.subarray(0, end + 1)
}

/** The whole lines of a sample: what its first byte is in the middle of belongs to the one before. */
const wholeLines = (bytes: Uint8Array, isStart: boolean): Uint8Array =>
  bytes.subarray(isStart ? 0 : bytes.indexOf(LINE_FEED) + 1, bytes.lastIndexOf(LINE_FEED) + 1)

const tallySample = (bytes: Uint8Array, counter: TokenCounter, window: number | null): Tally => {
  const tallying = createTallying(counter, window)
  tallying.write(bytes)
  return tallying.end()
}

const sum = (tallies: readonly Tally[], of: (tally: Tally) => number) =>
  tallies.reduce((total, tally) => total + of(tally), 0)

/**
 * What samples say of the whole: their ratios to the bytes they are of. The error is twice the standard error of tokens per byte
 * between them, at least 1 %.
 */
export const extrapolate = (samples: readonly Tally[], bytes: number): Tally & { error: number } => {
  const good = samples.filter(sample => sample.examples > 0)
  const seen = sum(good, sample => sample.bytes)
  const scale = seen === 0 ? 0 : bytes / seen
  const scaled = (of: (tally: Tally) => number) => Math.round(sum(good, of) * scale)
  const tokens = scaled(tally => tally.tokens)
  const mean = tokens / bytes
  const variance =
    sum(good, sample => (sample.tokens / sample.bytes - mean) ** 2) / Math.max(1, good.length - 1)
  const relative = mean === 0 ? 1 : (2 * Math.sqrt(variance / Math.max(1, good.length))) / mean
  return {
    bytes: seen,
    examples: scaled(tally => tally.examples),
    tokens,
    truncated: scaled(tally => tally.truncated),
    images: scaled(tally => tally.images),
    guessed: scaled(tally => tally.guessed),
    error: good.length < 2 ? 1 : Math.max(0.01, relative),
  }
}

const sampleFile = async (
  context: Context,
  file: FileRecord,
  counter: TokenCounter,
  window: number | null,
  budget: number,
) => {
  // What only a provider has is not read from its middle: each place would send all before it.
  const isSpread = file.segments.length > 0
  const count = isSpread ? Math.max(2, Math.min(MOST_SAMPLES, Math.floor(budget / LEAST_SAMPLE))) : 1
  const samples: Tally[] = []
  for (let index = 0; index < count; index++) {
    const body = isSpread
      ? (await readFile(context, file, Math.floor((index * file.bytes) / count))).body
      : await readExamples(context, file)
    const bytes = await readSample(body, Math.ceil(budget / count))
    samples.push(tallySample(wholeLines(bytes, index === 0), counter, window))
  }
  return extrapolate(samples, file.bytes)
}

/** How a file is to be counted. */
export interface CountWish {
  window: number | null
  /** Bytes that may be looked at now; a file no longer than this is counted whole. */
  budget: number
}

/**
 * The tokens of a file, from an earlier count if it is as good as what the budget allows.
 * @throws {ApiError} when the bytes are gone or cannot be had, or hold no example
 */
export const countFile = async (
  context: Context,
  file: FileRecord,
  counter: TokenCounter,
  { window, budget }: CountWish,
): Promise<CountRecord> => {
  const { store } = context.platform
  const key = { file: file.id, counter: `${counter.name}+${counter.images.name}`, window }
  const known = (await COUNTS.get(store, idOfCount(key)))?.value
  const isSampled = file.bytes > budget
  // Samples end where lines do: about as many bytes are as good as the same.
  if (known && (!known.is_sampled || (isSampled && known.bytes_counted >= budget / 2))) return known

  const found = isSampled
    ? await sampleFile(context, file, counter, window, budget)
    : { ...(await countAll(await readExamples(context, file), counter, window)), error: 0 }
  if (found.examples === 0)
    throw badRequest('training_file', 'The file holds no training example.', 'invalid_dataset')
  const count: CountRecord = {
    ...key,
    examples: file.examples ?? found.examples,
    tokens: found.tokens,
    truncated_examples: found.truncated,
    images: found.images,
    images_guessed: found.guessed,
    bytes_counted: found.bytes,
    is_sampled: isSampled,
    sampling_error: found.error,
    created_at: nowSeconds(context),
  }
  await COUNTS.putAll(store, [count])
  return count
}
