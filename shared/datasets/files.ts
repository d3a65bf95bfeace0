/**
 * Files an owner has: found, listed, read, deleted.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { notFound } from '../openai/index.ts'
import type { Page, PageQuery } from '../platform/index.ts'
import {
  type Connection,
  closedHint,
  isOutOfReach,
  nativeConnection,
  ProviderFault,
  reconnect,
} from '../providers/index.ts'
import { adoptNamedFile } from './adopt.ts'
import { FILES, type FileCopy, type FileRecord } from './records.ts'

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

/** The bytes, from our bucket or, for what only a provider has, from there. */
export const readFile = async (
  context: Context,
  file: FileRecord,
): Promise<{ body: ReadableStream<Uint8Array>; size: number | undefined }> => {
  const object = file.bucket_key === null ? undefined : await context.platform.bucket.get(file.bucket_key)
  if (object) return object
  for (const copy of file.copies) {
    const { provider, channel } = await reconnect(context, copy.connection, copy.account)
    const { body } = await provider.files.content(channel, copy.native_id)
    return { body, size: undefined }
  }
  throw notFound('file_not_found', 'file_id', `The bytes of '${file.id}' are gone.`)
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
  if (file.bucket_key !== null) await bucket.delete(file.bucket_key)
  const isGone = await Promise.all(file.copies.map(copy => deleteCopy(context, copy)))
  const left = file.copies.filter((_, index) => !isGone[index])
  await FILES.update(store, file.id, value => ({ ...value, bucket_key: null, copies: left }))
  return left
}
