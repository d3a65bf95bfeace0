/**
 * Uploads in parts (`/v1/uploads`): a file beyond what one request may hold. Each part is an object of the bucket; the file is
 * its parts one after the other, in the order that completing it names. Nothing is copied.
 * @module
 */
import { createHash } from 'node:crypto'
import { type Context, newId, nowSeconds } from '../context.ts'
import {
  badRequest,
  type CompleteUploadRequest,
  MOST_PARTS,
  type UploadObject,
  type UploadPartState,
  type UploadRequest,
} from '../openai/index.ts'
import { deleteUnder } from './leftovers.ts'
import { FILES, type FileRecord, LONGEST_NAME, type Segment, toFileObject } from './records.ts'
import { checkStored, type Findings } from './stored-check.ts'
import { findUpload, firstLookAt, LIFETIME, settle, stateError, statusAt } from './upload-life.ts'
import { directParts, partStates, storedParts } from './upload-parts.ts'
import { prefixOf, UPLOADS, type UploadRecord } from './upload-records.ts'
import { VALIDATED_PURPOSE } from './validator.ts'

const STANDARD_PART_SIZE = 64 * 1024 * 1024

const toUploadObject = (
  context: Context,
  upload: UploadRecord,
  more: { file?: FileRecord | undefined; parts?: UploadPartState[] } = {},
): UploadObject => ({
  id: upload.id,
  object: 'upload',
  bytes: upload.bytes,
  created_at: upload.created_at,
  expires_at: upload.expires_at,
  filename: upload.filename,
  purpose: upload.purpose,
  status: statusAt(upload, nowSeconds(context)),
  ...(more.file && { file: toFileObject(more.file) }),
  ...(more.parts && { tunegate: { parts: more.parts } }),
})

/** @throws {ApiError} 400 when the bytes make too many parts. */
const partSizeOf = ({ direct, bytes, part_size = STANDARD_PART_SIZE }: UploadRequest): number | null => {
  if (!direct) return null
  if (Math.ceil(bytes / part_size) <= MOST_PARTS) return part_size
  throw badRequest(
    'part_size',
    `An upload has up to ${MOST_PARTS} parts: of ${bytes} bytes, each has at least ${Math.ceil(bytes / MOST_PARTS)}.`,
  )
}

/** Begins an upload (`POST /v1/uploads`). @throws {ApiError} 400 naming the field */
export const createUpload = async (
  context: Context,
  owner: string,
  request: UploadRequest,
): Promise<UploadObject> => {
  const { store } = context.platform
  const limit = context.config.limits.file
  if (request.bytes > limit) throw badRequest('bytes', `A file has up to ${limit} bytes.`)
  const created = nowSeconds(context)
  const upload: UploadRecord = {
    id: newId(context, 'upload_'),
    owner,
    filename: request.filename.slice(-LONGEST_NAME).toWellFormed(),
    purpose: request.purpose,
    mime_type: request.mime_type,
    bytes: request.bytes,
    created_at: created,
    expires_at: created + LIFETIME,
    file_seconds: request.expires_after?.seconds ?? null,
    part_size: partSizeOf(request),
    status: 'pending',
    completed_by: null,
    file_id: null,
    unfiled: null,
    due_at: firstLookAt({ expires_at: created + LIFETIME }),
  }
  // First, as there may be no URLs to be had.
  const parts = upload.part_size === null ? undefined : await partStates(context, upload, new Map())
  // Made before by the same request: what has become of it since.
  if (!(await UPLOADS.create(store, upload))) return getUpload(context, owner, upload.id)
  return toUploadObject(context, upload, parts && { parts })
}

/** How far an upload is (`GET /v1/uploads/{id}`): what has arrived, so that an interrupted client can go on. */
export const getUpload = async (context: Context, owner: string, id: string): Promise<UploadObject> => {
  const upload = await findUpload(context, owner, id)
  if (statusAt(upload, nowSeconds(context)) === 'pending')
    return toUploadObject(context, upload, {
      parts: await partStates(context, upload, await storedParts(context, upload)),
    })
  return ended(context, upload)
}

/** An upload that is over, with its file as long as that lives. */
const ended = async (context: Context, upload: UploadRecord): Promise<UploadObject> => {
  const { file_id } = await settle(context, upload)
  const file = file_id === null ? undefined : (await FILES.get(context.platform.store, file_id))?.value
  return toUploadObject(context, upload, { file: file?.deleted_at === null ? file : undefined })
}

/** The objects that the named parts are, in that order. @throws {ApiError} 400 naming the part that is wrong */
const chosen = async (
  context: Context,
  upload: UploadRecord,
  partIds: readonly string[] | undefined,
): Promise<Segment[]> => {
  const stored = await storedParts(context, upload)
  const direct = upload.part_size === null ? undefined : directParts(upload)
  const ids = partIds ?? direct?.map(({ id }) => id)
  if (!ids)
    throw badRequest('part_ids', "Missing required parameter: 'part_ids'.", 'missing_required_parameter')
  const refuse = (index: number, why: string) =>
    badRequest(partIds ? `part_ids[${index}]` : 'part_ids', `The part '${ids[index]}' ${why}.`)
  const seen = new Set<string>()
  const segments = ids.map((id, index): Segment => {
    const bytes = stored.get(id)
    if (seen.has(id)) throw refuse(index, 'is named twice')
    if (bytes === undefined) throw refuse(index, 'has not arrived: there is none of this id in the upload')
    const expected = direct?.find(part => part.id === id)?.bytes ?? bytes
    if (bytes !== expected) throw refuse(index, `has ${bytes} bytes in place of ${expected}`)
    seen.add(id)
    return { key: prefixOf(upload) + id, bytes }
  })
  const total = segments.reduce((sum, { bytes }) => sum + bytes, 0)
  if (total !== upload.bytes)
    throw badRequest('part_ids', `The parts have ${total} bytes; the upload was created for ${upload.bytes}.`)
  return segments
}

/** What tells one completion of an upload from another. */
const requestSum = ({ part_ids, md5 }: CompleteUploadRequest): string =>
  createHash('sha256')
    .update(JSON.stringify([part_ids ?? null, md5?.toLowerCase() ?? null]))
    .digest('hex')

/**
 * Makes a file of the parts (`POST /v1/uploads/{id}/complete`). The decision is one write of the upload's record, which holds
 * the file: whatever fails after it is made good by the same request again, or by the schedule.
 * @throws {ApiError} 400 naming what is wrong; the upload then stays as it is, and can be completed otherwise.
 */
export const completeUpload = async (
  context: Context,
  owner: string,
  id: string,
  request: CompleteUploadRequest,
): Promise<UploadObject> => {
  const { store, ids } = context.platform
  const completedBy = requestSum(request)
  /** The answer when it is over: whoever asked for the very same, at once or before, gets the same. */
  const over = async (upload: UploadRecord): Promise<UploadObject> => {
    if (upload.status !== 'completed' || upload.completed_by !== completedBy)
      throw stateError(id, statusAt(upload, nowSeconds(context)))
    return ended(context, upload)
  }
  const upload = await findUpload(context, owner, id)
  if (statusAt(upload, nowSeconds(context)) !== 'pending') return over(upload)

  const isDataset = upload.purpose === VALIDATED_PURPOSE
  let findings: Findings
  try {
    const segments = await chosen(context, upload, request.part_ids)
    // Below the upload's own prefix: what no file comes of is swept with its parts.
    const canonicalKey = `${prefixOf(upload)}canonical-${completedBy.slice(0, 16)}`
    findings = await checkStored(context, segments, { isDataset, md5: request.md5, canonicalKey })
  } catch (error) {
    // Parts vanish under the eyes of who is late: then that is what went wrong.
    const now = await findUpload(context, owner, id)
    if (now.status !== 'pending') return over(now)
    throw error
  }

  const created = nowSeconds(context)
  const file: FileRecord = {
    id: ids.next('file-'),
    owner,
    filename: upload.filename,
    purpose: upload.purpose,
    created_at: created,
    expires_at: upload.file_seconds === null ? null : created + upload.file_seconds,
    deleted_at: null,
    copies: [],
    ...findings,
  }
  const decided = await UPLOADS.update(store, id, value =>
    value.status === 'pending'
      ? {
          ...value,
          status: 'completed',
          completed_by: completedBy,
          file_id: file.id,
          unfiled: file,
          // At once, should this invocation not get any further.
          due_at: created,
        }
      : value,
  )
  return over(decided ?? upload)
}

/** Gives an upload up (`POST /v1/uploads/{id}/cancel`): its parts go. Again, it is answered the same. */
export const cancelUpload = async (context: Context, owner: string, id: string): Promise<UploadObject> => {
  const found = await findUpload(context, owner, id)
  const now = nowSeconds(context)
  const upload =
    (await UPLOADS.update(context.platform.store, id, value =>
      statusAt(value, now) === 'pending' ? { ...value, status: 'cancelled' } : value,
    )) ?? found
  if (upload.status !== 'cancelled') throw stateError(id, statusAt(upload, now))
  await deleteUnder(context, prefixOf(upload), new Set())
  return toUploadObject(context, upload)
}
