/**
 * Files an owner has: found, listed, read.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { notFound } from '../openai/index.ts'
import type { Page, PageQuery } from '../platform/index.ts'
import { type Connection, closedHint, nativeConnection, reconnect } from '../providers/index.ts'
import { adoptNamedFile } from './adopt.ts'
import { copiesOf } from './copy-records.ts'
import { FILES, type FileCopy, type FileRecord, type Segment } from './records.ts'

const isAlive = (context: Context) => (file: FileRecord) =>
  file.deleted_at === null && (file.expires_at === null || file.expires_at > nowSeconds(context))

/**
 * A file of this owner. Someone else's is as unknown as one that never was. Where the request names a provider, an id of
 * that provider's own is taken in.
 * @param param the request's field that named it
 * @param named the account the request is for, where that is known already
 */
export const findFile = async (
  context: Context,
  owner: string,
  id: string,
  param = 'file_id',
  named?: Connection,
): Promise<FileRecord> => {
  const own = (await FILES.get(context.platform.store, id))?.value
  const connection = own ? undefined : (named ?? (await nativeConnection(context)))
  const file = own ?? (connection && (await adoptNamedFile(context, owner, connection, id)))
  if (!file || file.owner !== owner) {
    const hint = own ? '' : closedHint(context, connection)
    throw notFound('file_not_found', param, `No such file: '${id}'.${hint}`)
  }
  if (!isAlive(context)(file))
    throw notFound('file_deleted', param, `The file '${id}' has been deleted or has expired.`)
  return file
}

export const listFiles = (
  context: Context,
  owner: string,
  { purpose, ...page }: PageQuery & { purpose?: string | undefined },
): Promise<Page<FileRecord>> => {
  const { store } = context.platform
  return purpose === undefined
    ? FILES.list(store, 'owner', owner, page, isAlive(context))
    : FILES.list(store, 'purpose', `${owner}#${purpose}`, page, isAlive(context))
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

const isInBucket = async ({ bucket }: Context['platform'], [first]: readonly Segment[]) =>
  first !== undefined && (await bucket.size(first.key)) !== undefined

/**
 * The bytes, from our bucket or, for what only a provider has, from there.
 * @param from the byte to begin at
 */
export const readFile = async (
  context: Context,
  file: FileRecord,
  from = 0,
): Promise<{ body: ReadableStream<Uint8Array>; size: number | undefined }> => {
  const { segments } = file
  const [first, ...more] = segments
  if (first && more.length === 0) {
    // Most files are one object, which the platform passes on by its own means.
    const object = await context.platform.bucket.get(first.key, from)
    if (object) return object
  } else if (await isInBucket(context.platform, segments))
    return { body: joined(context.platform, segments, from), size: file.bytes }
  for (const copy of (await copiesOf(context, file)).filter(isOriginal)) {
    const { provider, channel } = await reconnect(context, copy.connection, copy.account)
    const { status, body } = await provider.files.content(channel, copy.native_id, from)
    const isFrom = from === 0 || status === PARTIAL_CONTENT
    return { body: isFrom ? body : body.pipeThrough(skipping(from)), size: undefined }
  }
  throw notFound('file_not_found', 'file_id', `The bytes of '${file.id}' are gone.`)
}

/** Formats in which the lines are what they were. */
const ORIGINAL: readonly FileCopy['format'][] = [null, 'openai', 'openai_with_mark']
const isOriginal = ({ format }: FileCopy) => ORIGINAL.includes(format)

const PARTIAL_CONTENT = 206

/** Leaves out the first bytes. */
const skipping = (bytes: number): TransformStream<Uint8Array, Uint8Array> => {
  let left = bytes
  return new TransformStream({
    transform(chunk, controller) {
      if (left < chunk.length) controller.enqueue(chunk.subarray(left))
      left = Math.max(0, left - chunk.length)
    },
  })
}
