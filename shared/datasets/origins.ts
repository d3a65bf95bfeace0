/**
 * Where a file can be read from: our bucket, or any place that has a copy. Lines as they came are preferred; a copy in a provider's
 * form is read back only where nothing else is left, and never taken for the original.
 * @module
 */
import type { Context } from '../context.ts'
import { notFound } from '../openai/index.ts'
import { type DatasetFormat, rangeOf, reconnect, unlessMissing } from '../providers/index.ts'
import { convert, type LineLoss } from './convert.ts'
import { type CopyRecord, listCopies, type Origin } from './copy-records.ts'
import { formatFrom } from './formats/index.ts'
import { lineFormatOf } from './input/detect.ts'
import { createLineReader } from './lines.ts'
import type { FileCopy, FileRecord, Segment } from './records.ts'

/** An origin, and what of the file is not in it any more. */
interface Candidate extends Omit<Origin, 'form' | 'bytes'> {
  /** Null: what a provider has made or was given by others; seen from its first line. */
  form: DatasetFormat | null
  losses: LineLoss[]
  loss_count: number
}

/** An origin that was there a moment ago. */
export interface FoundOrigin extends Candidate, Pick<Origin, 'bytes'> {
  form: DatasetFormat
}

/** Forms in which the lines are what they were. */
const KEPT: readonly (DatasetFormat | null)[] = ['openai', 'openai_with_mark']

const WHOLE = { losses: [], loss_count: 0 }

/** What a provider made itself, or had before it was taken in: there the file is what it is. */
const toNative = ({ connection, account, native_id, format }: FileCopy): Candidate => ({
  place: { connection, account, native_id },
  form: format,
  is_original: true,
  ...WHOLE,
})

const lostBefore = ({ format, survey }: CopyRecord): LineLoss[] =>
  survey.losses.map(loss => ({
    ...loss,
    message: `${loss.message} (lost before: of the dataset only its copy in the form '${format}' is left)`,
  }))

/** A copy of the gateway's, if it is finished. */
const toCandidate = (copy: CopyRecord): Candidate[] => {
  const { connection, account, native_id, format, survey, state } = copy
  if (state !== 'done' || native_id === null) return []
  const is_original = KEPT.includes(format) && (survey.origin?.is_original ?? true)
  return [
    {
      place: { connection, account, native_id },
      form: format,
      is_original,
      losses: is_original ? [] : lostBefore(copy),
      loss_count: is_original ? 0 : survey.loss_count,
    },
  ]
}

/**
 * Whether a converted copy says what the dataset said. Prompt and completion do not: a system message is part of the prompt there,
 * and cannot be told from it.
 */
const isReadable = ({ form, is_original }: Candidate, wanted: DatasetFormat): boolean =>
  is_original || form === wanted || form !== 'prompt_completion'

/** The places outside our bucket, in the order in which they are to be tried. */
const candidates = async (
  context: Context,
  file: FileRecord,
  wanted: DatasetFormat,
): Promise<Candidate[]> => {
  const copies = (await listCopies(context, file)).flatMap(toCandidate)
  const rank = ({ is_original, form, loss_count }: Candidate) => [
    Number(!is_original),
    loss_count,
    Number(form !== wanted),
  ]
  return [...file.copies.map(toNative), ...copies]
    .filter(each => isReadable(each, wanted))
    .map((each, index) => ({ each, order: [...rank(each), index] }))
    .sort((a, b) => a.order.map((value, at) => value - (b.order[at] ?? 0)).find(by => by !== 0) ?? 0)
    .map(({ each }) => each)
}

/** The objects of our bucket one after the other, each opened when the one before has ended. */
export const joined = (
  { bucket, sizedBody }: Context['platform'],
  segments: readonly Segment[],
  from: number,
): ReadableStream<Uint8Array> => {
  let before = 0
  const pieces = segments.flatMap(({ key, bytes }) => {
    const skipped = Math.max(0, from - before)
    before += bytes
    if (skipped >= bytes) return []
    return async () => {
      const object = await bucket.get(key, skipped)
      if (object?.size !== bytes) throw new Error('A part of the file is not in the bucket.')
      return object.body
    }
  })
  return sizedBody(pieces, Math.max(0, before - from))
}

interface Opened {
  body: ReadableStream<Uint8Array>
  size: number | undefined
}

const isInBucket = async ({ bucket }: Context['platform'], [first]: readonly Segment[]) =>
  first !== undefined && (await bucket.size(first.key)) !== undefined

const openBucket = async (
  { platform }: Context,
  { segments, bytes }: FileRecord,
  from: number,
): Promise<Opened | undefined> => {
  const [first, ...more] = segments
  // Most files are one object, which the platform passes on by its own means.
  if (first && more.length === 0) return platform.bucket.get(first.key, from)
  return (await isInBucket(platform, segments))
    ? { body: joined(platform, segments, from), size: bytes }
    : undefined
}

export const PARTIAL_CONTENT = 206

/** Leaves out the first bytes. */
export const skipping = (bytes: number): TransformStream<Uint8Array, Uint8Array> => {
  let left = bytes
  return new TransformStream({
    transform(chunk, controller) {
      if (left < chunk.length) controller.enqueue(chunk.subarray(left))
      left = Math.max(0, left - chunk.length)
    },
  })
}

type Place = NonNullable<Origin['place']>

/** Bytes of what is there now; undefined: there is nothing. */
const sizeAt = async (
  context: Context,
  { connection, account, native_id }: Place,
): Promise<number | undefined> => {
  const { provider, channel } = await reconnect(context, connection, account)
  return (await unlessMissing(provider.files.get(channel, native_id)))?.bytes
}

/** @returns undefined where the place has it no more */
const openPlace = async (
  context: Context,
  { connection, account, native_id }: Place,
  from: number,
): Promise<Opened | undefined> => {
  const { provider, channel } = await reconnect(context, connection, account)
  const answer = await unlessMissing(provider.files.content(channel, native_id, from))
  if (!answer) return undefined
  const isPart = answer.status === PARTIAL_CONTENT
  if (isPart && rangeOf(answer.headers)?.start !== from) {
    await answer.body.cancel().catch(() => undefined)
    throw new Error('The place sends another range than was asked for.')
  }
  return {
    body: isPart || from === 0 ? answer.body : answer.body.pipeThrough(skipping(from)),
    size: undefined,
  }
}

/**
 * The bytes of an origin from one on, in its own form.
 * @returns undefined when it is not there any more
 */
export const openOrigin = async (
  context: Context,
  file: FileRecord,
  { place, bytes }: Origin,
  from: number,
): Promise<Opened | undefined> => {
  // No range begins at the end.
  if (bytes > 0 && from >= bytes) return { body: new Blob([]).stream(), size: 0 }
  return place === null ? openBucket(context, file, from) : openPlace(context, place, from)
}

/** What a file's lines are, by the first that is not blank. */
const formSeen = async (body: ReadableStream<Uint8Array>): Promise<DatasetFormat> => {
  let form: DatasetFormat | undefined
  const reader = createLineReader(text => {
    if (form !== undefined || text.trim() === '') return
    try {
      form = lineFormatOf(JSON.parse(text))
    } catch {
      // Whoever reads all of it tells of it, with its line.
      form = 'openai'
    }
  })
  // Leaving the loop cancels the body.
  for await (const chunk of body) if (reader.write(chunk) || form !== undefined) break
  if (form === undefined) reader.end()
  return form ?? 'openai'
}

const gone = ({ id }: FileRecord) => notFound('file_not_found', 'file_id', `The bytes of '${id}' are gone.`)

/** Tries place after place. What is only out of reach now is waited for, rather than replaced by what is less. */
const firstOf = async <T>(
  file: FileRecord,
  places: Candidate[],
  open: (candidate: Candidate) => Promise<T | undefined>,
): Promise<T> => {
  let failure: { cause: unknown } | undefined
  for (const place of places) {
    if (failure && !place.is_original) break
    try {
      const opened = await open(place)
      if (opened !== undefined) return opened
    } catch (cause) {
      failure ??= { cause }
    }
  }
  throw failure ? failure.cause : gone(file)
}

/**
 * The best place to read a file from, for whoever wants it in a form.
 * @throws {ApiError} 404 when nothing of it is left
 */
export const findOrigin = async (
  context: Context,
  file: FileRecord,
  wanted: DatasetFormat,
): Promise<FoundOrigin> => {
  if (await isInBucket(context.platform, file.segments))
    return { place: null, form: 'openai', is_original: true, bytes: file.bytes, ...WHOLE }
  return firstOf(file, await candidates(context, file, wanted), async candidate => {
    const { place, form } = candidate
    if (place === null) return undefined
    const bytes = await sizeAt(context, place)
    if (bytes === undefined) return undefined
    if (form !== null) return { ...candidate, bytes, form }
    const opened = await openPlace(context, place, 0)
    return opened && { ...candidate, bytes, form: await formSeen(opened.body) }
  })
}

/**
 * The bytes as they came, from our bucket or, for what only a provider has, from there.
 * @param from the byte to begin at
 */
export const readFile = async (context: Context, file: FileRecord, from = 0): Promise<Opened> => {
  const stored = await openBucket(context, file, from)
  if (stored) return stored
  const originals = (await candidates(context, file, 'openai')).filter(({ is_original }) => is_original)
  return firstOf(file, originals, async ({ place }) => (place ? openPlace(context, place, from) : undefined))
}

/** The examples as canonical lines, from wherever they can be had. */
export const readExamples = async (
  context: Context,
  file: FileRecord,
): Promise<ReadableStream<Uint8Array>> => {
  const origin = await findOrigin(context, file, 'openai')
  const opened = await openOrigin(context, file, origin, 0)
  if (!opened) throw gone(file)
  return KEPT.includes(origin.form)
    ? opened.body
    : opened.body.pipeThrough(convert(formatFrom(origin.form, 'openai')))
}
