/**
 * An upload's states and their end: pending until it is completed, cancelled or an hour old; then nothing is left of it but the
 * parts that make its file.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { badRequest, notFound, type UploadStatus } from '../openai/index.ts'
import { listDue } from '../platform/index.ts'
import { deleteUnder, recordFile } from './leftovers.ts'
import { FILES } from './records.ts'
import { prefixOf, UPLOADS, type UploadRecord } from './upload-records.ts'

/** Seconds from creation to expiry, by OpenAI's rule. */
export const LIFETIME = 3600
/** Seconds after expiry until the parts go: what began in time may end. */
const GRACE = 15 * 60
/** Seconds after expiry until the last look, which finds parts that came in spite of everything. */
const LAST_LOOK = 24 * 3600

export const firstLookAt = ({ expires_at }: Pick<UploadRecord, 'expires_at'>): number => expires_at + GRACE

/** When an upload is to be looked after next. */
const nextLookAt = (upload: UploadRecord, now: number): number | null => {
  const last = upload.expires_at + LAST_LOOK
  return [firstLookAt(upload), last].find(at => now < at) ?? null
}

/** The state by the clock: one that has expired is so before anyone has written it down. */
export const statusAt = ({ status, expires_at }: UploadRecord, now: number): UploadStatus =>
  status === 'pending' && now >= expires_at ? 'expired' : status

/** An upload of this owner. */
export const findUpload = async (context: Context, owner: string, id: string): Promise<UploadRecord> => {
  const upload = (await UPLOADS.get(context.platform.store, id))?.value
  if (!upload || upload.owner !== owner)
    throw notFound('upload_not_found', 'upload_id', `No such upload: '${id}'.`)
  return upload
}

const ENDED: Record<Exclude<UploadStatus, 'pending'>, string> = {
  completed: 'is completed already',
  cancelled: 'has been cancelled',
  expired: 'has expired: an upload is to be completed within an hour',
}

/** What an upload in this state is answered with. */
export const stateError = (id: string, status: UploadStatus) =>
  badRequest(
    null,
    `The upload '${id}' ${status === 'pending' ? 'is pending' : ENDED[status]}.`,
    'invalid_state',
  )

/** @throws {ApiError} 400 when it takes nothing any more. */
export const assertPending = (context: Context, upload: UploadRecord): void => {
  const status = statusAt(upload, nowSeconds(context))
  if (status !== 'pending') throw stateError(upload.id, status)
}

/** @throws {ApiError} 400 when it takes nothing any more. */
export const findPendingUpload = async (
  context: Context,
  owner: string,
  id: string,
): Promise<UploadRecord> => {
  const upload = await findUpload(context, owner, id)
  assertPending(context, upload)
  return upload
}

/** The objects that the upload's file is made of, as long as it has not been deleted. */
export const keptParts = async (
  { platform: { store } }: Context,
  upload: UploadRecord,
): Promise<Set<string>> => {
  const file =
    upload.file_id === null ? undefined : ((await FILES.get(store, upload.file_id))?.value ?? upload.unfiled)
  return new Set(file && file.deleted_at === null ? file.segments.map(({ key }) => key) : [])
}

/** Brings a completed upload to its end: its file among the files, the parts that no one named gone. May be repeated. */
export const settle = async (context: Context, upload: UploadRecord): Promise<UploadRecord> => {
  const { store } = context.platform
  if (upload.unfiled === null) return upload
  await recordFile(context, upload.unfiled)
  await deleteUnder(context, prefixOf(upload), await keptParts(context, upload))
  const settled = await UPLOADS.update(store, upload.id, value => ({
    ...value,
    unfiled: null,
    due_at: nextLookAt(value, nowSeconds(context)),
  }))
  return settled ?? upload
}

/** One look: what has expired is marked, then its parts go; what a crash has left is brought to its end. */
const lookAfter = async (context: Context, { id }: UploadRecord): Promise<void> => {
  const { store } = context.platform
  const now = nowSeconds(context)
  // Marked first: whoever completes it at this moment then fails, or has won and keeps its parts.
  const upload = await UPLOADS.update(store, id, value =>
    statusAt(value, now) === value.status ? value : { ...value, status: 'expired' },
  )
  if (!upload) return
  if (upload.unfiled !== null) {
    await settle(context, upload)
    return
  }
  await deleteUnder(context, prefixOf(upload), await keptParts(context, upload))
  await UPLOADS.update(store, id, value => ({ ...value, due_at: nextLookAt(value, now) }))
}

/** Looks after the uploads that are due. One that fails keeps none of the others from it, and stays due. */
export const sweepUploads = async (context: Context, limit: number): Promise<void> => {
  const due = await listDue(context.platform.store, UPLOADS, nowSeconds(context), limit)
  const failures: unknown[] = []
  for (const upload of due) await lookAfter(context, upload).catch(error => failures.push(error))
  if (failures.length > 0) throw failures[0]
}
