/**
 * Files an owner has: found, listed, read, deleted.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { notFound } from '../openai/index.ts'
import type { Page, PageQuery } from '../platform/index.ts'
import { isOutOfReach, ProviderFault, reconnect } from '../providers/index.ts'
import { FILES, type FileCopy, type FileRecord, type Segment } from './records.ts'

const isAlive = (context: Context) => (file: FileRecord) =>
  file.deleted_at === null && (file.expires_at === null || file.expires_at > nowSeconds(context))

/**
 * A file of this owner. Someone else's is as unknown as one that never was.
 * @param param the request's field that named it
 */
export const findFile = async (
  context: Context,
  owner: string,
  id: string,
  param = 'file_id',
): Promise<FileRecord> => {
  const file = (await FILES.get(context.platform.store, id))?.value
  if (!file || file.owner !== owner) throw notFound('file_not_found', param, `No such file: '${id}'.`)
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
const joined = (
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
  for (const copy of file.copies) {
    const { provider, channel } = await reconnect(context, copy.connection, copy.account)
    const { body } = await provider.files.content(channel, copy.native_id)
    return { body: from === 0 ? body : body.pipeThrough(skipping(from)), size: undefined }
  }
  throw notFound('file_not_found', 'file_id', `The bytes of '${file.id}' are gone.`)
}

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

/** Deletes a copy at a provider. @returns whether it is gone. */
const deleteCopy = async (context: Context, copy: FileCopy): Promise<boolean> => {
  try {
    const { provider, channel } = await reconnect(context, copy.connection, copy.account)
    await provider.files.delete(channel, copy.native_id)
    return true
  } catch (error) {
    if (isOutOfReach(error)) return error instanceof ProviderFault && error.status === 404
    throw error
  }
}

/**
 * Deletes a file and its copies. The tombstone comes first: from then on no one gets the file, whatever fails after.
 * @returns the copies that a provider would not delete; they stay on the record.
 */
export const deleteFile = async (context: Context, file: FileRecord): Promise<FileCopy[]> => {
  const { store, bucket } = context.platform
  await FILES.update(store, file.id, value => ({ ...value, deleted_at: nowSeconds(context) }))
  await bucket.delete(...file.segments.map(({ key }) => key))
  const isGone = await Promise.all(file.copies.map(copy => deleteCopy(context, copy)))
  const left = file.copies.filter((_, index) => !isGone[index])
  await FILES.update(store, file.id, value => ({ ...value, segments: [], copies: left }))
  return left
}
