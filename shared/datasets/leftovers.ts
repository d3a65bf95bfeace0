/**
 * What would otherwise be left lying: bytes whose file was never recorded because its process died, and files whose time is over.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { collection, dueEntry, listDue } from '../platform/index.ts'
import { deleteFile } from './deletion.ts'
import { FILES, type FileRecord } from './records.ts'

export interface LeftoverRecord {
  id: string
  /** The file that the bytes are to become, or that expires. */
  file: string
  /** Objects of the bucket that are nobody's unless the file is made of them. */
  keys: string[]
  /** Unix seconds: when to look. */
  due_at: number
}

const LEFTOVERS = collection<LeftoverRecord, 'due'>('leftover', leftover => leftover.id, {
  due: { slot: 'a', entry: ({ due_at, id }) => dueEntry(due_at, id, 'expired') },
})

/** Seconds after which no one is still about to record a file of these bytes: longer than any invocation lives. */
const UNRECORDED = 24 * 3600

/** Notes bytes before they are stored, so that they are found if their file is never recorded. */
export const noteBytes = async (
  context: Pick<Context, 'platform'>,
  bytes: Pick<LeftoverRecord, 'id' | 'file' | 'keys'>,
): Promise<void> => {
  await LEFTOVERS.create(context.platform.store, { ...bytes, due_at: nowSeconds(context) + UNRECORDED })
}

/** Bytes that have become a file's, or are gone again, need no look. */
export const forgetBytes = ({ platform }: Pick<Context, 'platform'>, id: string): Promise<void> =>
  LEFTOVERS.delete(platform.store, id)

/**
 * Puts a file among the files; one that expires is noted to be removed then.
 * @returns false when a file of that id is already there
 */
export const recordFile = async (
  { platform: { store } }: Pick<Context, 'platform'>,
  file: FileRecord,
): Promise<boolean> => {
  const { id, expires_at } = file
  if (expires_at !== null)
    await LEFTOVERS.create(store, { id: `${id}/expiry`, file: id, keys: [], due_at: expires_at })
  return FILES.create(store, file)
}

const isExpired = (context: Context, { deleted_at, expires_at }: FileRecord) =>
  deleted_at === null && expires_at !== null && expires_at <= nowSeconds(context)

const remove = async (context: Context, { id, file, keys }: LeftoverRecord): Promise<void> => {
  const { store, bucket } = context.platform
  const record = (await FILES.get(store, file))?.value
  if (record && isExpired(context, record)) await deleteFile(context, record)
  const kept = record?.deleted_at === null ? record.segments.map(({ key }) => key) : []
  await bucket.delete(...keys.filter(key => !kept.includes(key)))
  await LEFTOVERS.delete(store, id)
}

/** Deletes all objects under a prefix but those that a file is made of. */
export const deleteUnder = async (
  { platform: { bucket } }: Pick<Context, 'platform'>,
  prefix: string,
  kept: ReadonlySet<string>,
): Promise<void> => {
  for (let after: string | undefined; ; ) {
    const { objects, hasMore } = await bucket.list(prefix, after)
    const keys = objects.map(({ key }) => key).filter(key => !kept.has(key))
    if (keys.length > 0) await bucket.delete(...keys)
    after = objects.at(-1)?.key
    if (!hasMore || after === undefined) return
  }
}

/** The schedule's duty. One that cannot be removed keeps none of the others from it, and stays due. */
export const removeLeftovers = async (context: Context, limit: number): Promise<void> => {
  const due = await listDue(context.platform.store, LEFTOVERS, nowSeconds(context), limit, 'expired')
  const failures: unknown[] = []
  for (const leftover of due) await remove(context, leftover).catch(error => failures.push(error))
  if (failures.length > 0) throw failures[0]
}
