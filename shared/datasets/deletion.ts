/**
 * Files are deleted with their copies; what a provider would not delete is tried again by the schedule.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { isOutOfReach } from '../providers/index.ts'
import { COPIES, type CopyRecord, copyIdOf, listCopies, UNTOUCHED } from './copy-records.ts'
import { continueCopy, leaveCopy } from './copy-work.ts'
import { forgetCounts } from './count-records.ts'
import { FILES, type FileCopy, type FileRecord } from './records.ts'

/** A copy that is not deleted yet; without a native id where its upload is just being ended. */
export type CopyLeft = Omit<FileCopy, 'native_id'> & { native_id: string | null }

/** What a provider made itself, as a copy of which nothing is to be left. */
const toDelete = async (
  context: Context,
  { owner, id, filename, purpose }: FileRecord,
  { connection, account, format, native_id }: FileCopy,
): Promise<CopyRecord> => ({
  ...UNTOUCHED,
  id: await copyIdOf(owner, account, 'native', native_id),
  owner,
  content: id,
  files: [],
  connection,
  account,
  format,
  name: filename,
  purpose,
  param: 'file_id',
  drop_params: false,
  created_at: nowSeconds(context),
  state: 'deleting',
  native_id,
  due_at: nowSeconds(context),
})

/** Takes a file from its copies. @returns the ids of those that are to be deleted with it */
const leaveCopies = async (context: Context, file: FileRecord): Promise<string[]> => {
  const { store } = context.platform
  const left = await Promise.all(
    (await listCopies(context, file)).map(({ id }) => leaveCopy(context, id, file.id)),
  )
  const own = await Promise.all(file.copies.map(copy => toDelete(context, file, copy)))
  for (const copy of own) await COPIES.create(store, copy)
  return [...left.filter(copy => copy !== undefined), ...own].map(({ id }) => id)
}

/**
 * Deletes a file, and its copies but for those that another file of the owner with the same content uses. The tombstone comes
 * first: from then on no one gets the file, whatever fails after.
 * @returns the copies that a provider would not delete, or that are just being made; the schedule goes on with them
 */
export const deleteFile = async (context: Context, file: FileRecord): Promise<CopyLeft[]> => {
  const { store, bucket } = context.platform
  await FILES.update(store, file.id, value => ({ ...value, deleted_at: nowSeconds(context) }))
  for (const { key } of file.segments) await bucket.delete(key)
  await forgetCounts(context, file.id)
  const ids = await leaveCopies(context, file)
  await FILES.update(store, file.id, value => ({ ...value, segments: [], copies: [] }))
  const left = await Promise.all(
    ids.map(async id => {
      await continueCopy(context, id).catch((error: unknown) => {
        if (!isOutOfReach(error)) throw error
      })
      return (await COPIES.get(store, id))?.value
    }),
  )
  return left.flatMap(copy => {
    if (copy === undefined) return []
    const { connection, account, format, native_id } = copy
    return [{ connection, account, format, native_id }]
  })
}
