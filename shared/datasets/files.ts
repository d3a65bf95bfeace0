/**
 * Files an owner has: found and listed.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { notFound } from '../openai/index.ts'
import type { Page, PageQuery } from '../platform/index.ts'
import { type Connection, closedHint, nativeConnection } from '../providers/index.ts'
import { adoptNamedFile } from './adopt.ts'
import { FILES, type FileRecord } from './records.ts'

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
