/**
 * Parts of an upload: taken in one by one through the gateway, or told where in the bucket to go.
 * @module
 */
import { type Context, newId, nowSeconds } from '../context.ts'
import {
  ApiError,
  badRequest,
  LARGEST_PART,
  MOST_PARTS,
  type UploadPartObject,
  type UploadPartState,
} from '../openai/index.ts'
import { openBucketWriter } from '../platform/index.ts'
import { alsoTo } from './form-digest.ts'
import { type FormHandlers, readForm } from './multipart.ts'
import { assertPending, findPendingUpload, findUpload, keptParts } from './upload-life.ts'
import { prefixOf, type UploadRecord } from './upload-records.ts'

/** Bytes of a form around the part it holds. */
const FORM_BYTES = 64 * 1024

const tooLarge = () =>
  new ApiError({
    status: 413,
    code: 'body_too_large',
    param: 'data',
    message:
      `The part is too large: a part has up to ${LARGEST_PART} bytes. Send more and smaller ones; or create the upload with ` +
      '"direct": true, whose parts go straight to the bucket.',
  })

/** Bytes of each part in the bucket, by its id, in the order in which they began to come. */
export const storedParts = async (
  { platform: { bucket } }: Context,
  upload: UploadRecord,
): Promise<Map<string, number>> => {
  const prefix = prefixOf(upload)
  const parts = new Map<string, number>()
  for (let after: string | undefined; ; ) {
    const { objects, hasMore } = await bucket.list(prefix, after)
    for (const { key, bytes } of objects) parts.set(key.slice(prefix.length), bytes)
    after = objects.at(-1)?.key
    if (!hasMore || after === undefined) return parts
  }
}

/** Refuses a part beyond what an upload may have; what was sent twice counts twice. */
const assertRoom = (context: Context, parts: ReadonlyMap<string, number>, announced: number) => {
  const limit = context.config.limits.file
  const stored = [...parts.values()].reduce((sum, bytes) => sum + bytes, 0)
  if (parts.size >= MOST_PARTS) throw badRequest('data', `An upload has up to ${MOST_PARTS} parts.`)
  if (stored + announced > limit + FORM_BYTES)
    throw badRequest('data', `The upload's parts have ${stored} bytes already, of up to ${limit}.`)
}

/**
 * Takes a part (`POST /v1/uploads/{id}/parts`). It is there as a whole or not at all.
 * @throws {ApiError} 400 naming the field or the upload's state, 413 naming the limit.
 */
export const addPart = async (
  context: Context,
  owner: string,
  uploadId: string,
  request: Request,
  note?: FormHandlers,
): Promise<UploadPartObject> => {
  const { bucket, chunks } = context.platform
  const upload = await findPendingUpload(context, owner, uploadId)
  if (upload.part_size !== null) {
    throw badRequest(
      null,
      'The parts of this upload go straight to the bucket: GET /v1/uploads/{id} answers their URLs.',
      'invalid_state',
    )
  }
  const announced = Number(request.headers.get('content-length') ?? 0)
  assertRoom(context, await storedParts(context, upload), announced)

  const created = nowSeconds(context)
  const id = newId(context, 'part_')
  const key = prefixOf(upload) + id
  const writer = openBucketWriter(bucket, key)
  let hasFile = false
  try {
    await readForm(
      request,
      LARGEST_PART + FORM_BYTES,
      alsoTo(note, {
        onField(name) {
          throw badRequest(
            name,
            name === 'data'
              ? "'data' must be a file: its part of the form needs a file name."
              : `Unknown parameter: '${name}'.`,
            name === 'data' ? 'invalid_value' : 'unknown_parameter',
          )
        },
        onFile(name) {
          if (name !== 'data')
            throw badRequest(
              name,
              `Unknown file '${name}': the part belongs into 'data'.`,
              'unknown_parameter',
            )
          hasFile = true
        },
        async onFileBytes(bytes) {
          if (writer.size + bytes.length > LARGEST_PART) throw tooLarge()
          await writer.write(bytes)
        },
      }),
      chunks,
      { param: 'data', tooLarge },
    )
    if (!hasFile)
      throw badRequest('data', "Missing required parameter: 'data'.", 'missing_required_parameter')
    if (writer.size === 0) throw badRequest('data', 'The part is empty.')
    await writer.commit()
    // While it came the upload may have ended: then nothing would ever name it, unless someone was so fast as to have done so.
    const now = await findUpload(context, owner, uploadId)
    if (!(await keptParts(context, now)).has(key)) assertPending(context, now)
  } catch (error) {
    await writer.abort().catch(() => undefined)
    throw error
  }
  return { id, object: 'upload.part', created_at: created, upload_id: upload.id }
}

interface DirectPart {
  id: string
  number: number
  bytes: number
}

/** The parts of an upload whose parts go straight to the bucket. They sort by their number. */
export const directParts = ({
  bytes,
  part_size,
}: Pick<UploadRecord, 'bytes' | 'part_size'>): DirectPart[] => {
  const size = part_size ?? bytes
  const count = Math.ceil(bytes / size)
  return Array.from({ length: count }, (_, index) => ({
    id: `part_${String(index + 1).padStart(4, '0')}`,
    number: index + 1,
    bytes: index + 1 < count ? size : bytes - size * index,
  }))
}

/** @throws {ApiError} 400 when this deployment gives no URLs. */
const presign = async (context: Context, upload: UploadRecord, { id, bytes }: DirectPart) => {
  const seconds = Math.max(1, upload.expires_at - nowSeconds(context))
  const put = await context.platform.bucket.presignPut?.(prefixOf(upload) + id, { bytes, seconds })
  if (put) return put
  throw badRequest(
    'direct',
    'This deployment has no URLs to its bucket: that needs BUCKET_S3_URL, BUCKET_S3_BUCKET, BUCKET_S3_ACCESS_KEY_ID and ' +
      'BUCKET_S3_SECRET_ACCESS_KEY (docs/uploads.md). Without them, send the parts to POST /v1/uploads/{id}/parts.',
    'feature_unsupported',
  )
}

/** Every part there is or is to be, with a fresh URL for each that has not arrived at the bucket. */
export const partStates = async (
  context: Context,
  upload: UploadRecord,
  stored: ReadonlyMap<string, number>,
): Promise<UploadPartState[]> => {
  if (upload.part_size === null)
    return Array.from(stored, ([id, bytes]) => ({ id, bytes, has_arrived: true }))
  return Promise.all(
    directParts(upload).map(async part =>
      stored.get(part.id) === part.bytes
        ? { ...part, has_arrived: true }
        : {
            ...part,
            has_arrived: false,
            method: 'PUT' as const,
            ...(await presign(context, upload, part)),
            expires_at: upload.expires_at,
          },
    ),
  )
}
