/**
 * One dataset, many places: brings a file to where a job needs it.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError, notFound } from '../openai/index.ts'
import { type Connection, type DatasetFormat, unlessMissing } from '../providers/index.ts'
import type { LineLoss } from './convert.ts'
import { claim } from './copy-lease.ts'
import { COPIES, type CopyRecord, contentOf, copyIdOf, UNTOUCHED } from './copy-records.ts'
import { carryOn, isAtWork, leaveCopy } from './copy-work.ts'
import { lossRefusal } from './copying.ts'
import { isHeld } from './lease.ts'
import { FILES, type FileRecord } from './records.ts'

/** What a copy is for. */
export interface CopyWish {
  format: DatasetFormat
  /** Whether what the format has no place for is left out rather than refused. */
  dropParams: boolean
  /** The request's field that named the file. */
  param: 'training_file' | 'validation_file'
  /** Seconds to wait for it; the configuration's unless told. */
  waitSeconds?: number
}

export interface Copy {
  /** The provider's own reference. */
  id: string
  /** What was left out on the way, for a warning; empty when the copy was there already. */
  dropped: LineLoss[]
}

/** Milliseconds between two looks at a copy that someone else is making. */
const LOOK_MS = 1000
/** Seconds after which it is worth asking again. */
const RETRY_AFTER = 15

/** Whether the account still has the file: it may have expired there, or been deleted by someone. */
const isThere = async ({ provider, channel }: Connection, nativeId: string): Promise<boolean> =>
  (await unlessMissing(provider.files.get(channel, nativeId))) !== undefined

const newCopy = async (
  context: Context,
  file: FileRecord,
  { name, account }: Connection,
  { format, dropParams, param }: CopyWish,
): Promise<CopyRecord> => {
  const content = contentOf(file)
  return {
    ...UNTOUCHED,
    id: await copyIdOf(file.owner, account, format, content),
    owner: file.owner,
    content,
    files: [file.id],
    connection: name,
    account,
    format,
    // Named by our id, so that a copy whose upload broke off can be told from others in the account.
    name: `${file.id}.jsonl`,
    purpose: file.purpose,
    param,
    drop_params: dropParams,
    created_at: nowSeconds(context),
    due_at: nowSeconds(context) + context.config.copying.leaseSeconds,
  }
}

/** What was to be deleted but is there yet is used again; what is being deleted is begun anew once it is gone. */
const revived = (context: Context, copy: CopyRecord, { id }: FileRecord): CopyRecord =>
  copy.native_id === null || copy.session || isHeld(context, copy)
    ? copy
    : { ...copy, state: 'done', files: [id], failures: 0, due_at: null }

/** The record of a copy, with the file among those that use it. */
const joinCopy = async (context: Context, file: FileRecord, wished: CopyRecord): Promise<CopyRecord> => {
  const { store } = context.platform
  const isNew = await COPIES.create(store, wished)
  const joined = isNew
    ? wished
    : await COPIES.update(store, wished.id, copy => {
        if (copy.state === 'deleting') return revived(context, copy, file)
        const drop_params = copy.drop_params || wished.drop_params
        const files = copy.files.includes(file.id) ? copy.files : [...copy.files, file.id]
        return files === copy.files && drop_params === copy.drop_params
          ? copy
          : { ...copy, files, drop_params }
      })
  // A deletion of the file either finds it among the copy's files, or is found here.
  const now = (await FILES.get(store, file.id))?.value
  if (now?.deleted_at !== null) {
    await leaveCopy(context, wished.id, file.id)
    throw notFound('file_deleted', wished.param, `The file '${file.id}' has been deleted.`)
  }
  return joined ?? wished
}

/** Makes a record as if nothing had been done, unless it has changed meanwhile. */
const forget = (context: Context, known: CopyRecord): Promise<CopyRecord | undefined> =>
  COPIES.update(context.platform.store, known.id, copy =>
    copy.state === known.state && copy.native_id === known.native_id && !isHeld(context, copy)
      ? { ...copy, ...UNTOUCHED, due_at: nowSeconds(context) + context.config.copying.leaseSeconds }
      : copy,
  )

const stillCopying = ({ state, survey, sent, connection }: CopyRecord): ApiError => {
  const parts = `${sent} of ${survey.parts.length} parts have arrived`
  return new ApiError({
    status: 503,
    code: 'dataset_copying',
    message: `The dataset is still being copied to '${connection}' (${state === 'surveying' ? 'it is being read' : parts}). The copy goes on: ask again.`,
    headers: { 'retry-after': String(RETRY_AFTER) },
  })
}

const answered = ({ native_id, survey }: CopyRecord): Copy => ({
  id: native_id ?? '',
  dropped: survey.losses,
})

/**
 * Makes sure that the connection's account has the file in a format. What the conversion would lose is known, and refused,
 * before a byte is sent. Whatever has been begun for the same content is gone on with, and goes on without this caller.
 * @throws {ApiError} 400 naming lines; 503 when it takes longer than a caller is kept waiting
 */
export const ensureCopy = async (
  context: Context,
  file: FileRecord,
  connection: Connection,
  wish: CopyWish,
): Promise<Copy> => {
  const { clock } = context.platform
  // What the provider made itself, or has been taken in from it, is there in the form it wants.
  const own = file.copies.find(
    ({ account, format }) => account === connection.account && format === wish.format,
  )
  if (own && (await isThere(connection, own.native_id))) return { id: own.native_id, dropped: [] }
  const wished = await newCopy(context, file, connection, wish)
  const end = clock.now() + (wish.waitSeconds ?? context.config.copying.waitSeconds) * 1000
  for (;;) {
    const copy = await joinCopy(context, file, wished)
    if (copy.state === 'done') {
      if (copy.survey.loss_count > 0 && !wish.dropParams) throw lossRefusal(copy, wish.param)
      if (await isThere(connection, copy.native_id ?? '')) return { ...answered(copy), dropped: [] }
      await forget(context, copy)
    } else if (copy.error) {
      await forget(context, copy)
      throw new ApiError({ ...copy.error, param: copy.error.param === null ? null : wish.param })
    }
    const claimed = await claim(context, copy.id, crypto.randomUUID(), ({ state }) => isAtWork(state))
    const worked =
      claimed && (await carryOn({ context, connection, copy: claimed, isTakenOver: true, memory: {} }, end))
    if (worked?.state === 'done') return answered(worked)
    if (clock.now() >= end) throw stillCopying(worked ?? copy)
    if (!claimed) await clock.sleep(LOOK_MS)
  }
}
