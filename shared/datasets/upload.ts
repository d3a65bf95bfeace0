/**
 * A file's way in: form → validator → bucket → record, in constant memory. Nothing is left of a refused one. A dataset that is
 * not canonical JSONL is read from the bucket once more: only at the form's end is it certain what the file is for.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { badRequest, check, type Declaration, uploadFields } from '../openai/index.ts'
import { openBucketWriter } from '../platform/index.ts'
import { canonicalise, sourceFormatOf } from './canonical.ts'
import { type FormHandlers, readForm } from './multipart.ts'
import { FILES, type FileRecord, type Segment } from './records.ts'
import { createValidator, type DatasetValidator } from './validator.ts'

/** Longest file name kept, in characters. */
const LONGEST_NAME = 255

const VALIDATED_PURPOSE = 'fine-tune'

/**
 * Takes an upload (`POST /v1/files`). A dataset for fine-tuning is checked line by line as it passes.
 * @throws {ApiError} 400 naming the field or line, 413 naming the limit.
 */
export const uploadFile = async (context: Context, owner: string, request: Request): Promise<FileRecord> => {
  const { store, bucket, ids } = context.platform
  const id = ids.next('file-')
  const key = `files/${owner}/${id}`
  const writer = openBucketWriter(bucket, key)
  const fields: Record<string, string> = {}
  let filename: string | undefined
  /** What the form has said of the file before it came. */
  let early = ''
  let validator: DatasetValidator | undefined
  // The purpose may come after the file: until it is known, the bytes are checked.
  const isUnchecked = () => fields.purpose !== undefined && fields.purpose !== VALIDATED_PURPOSE
  const declared = () => JSON.stringify([fields.format, fields.columns])
  const declaration = (): Declaration =>
    check(uploadFields.pick({ format: true, columns: true }), {
      format: fields.format,
      columns: fields.columns,
    })
  /** Objects in the bucket that are no file yet. */
  const stored: Segment[] = []

  try {
    const handlers: FormHandlers = {
      onField(name, value) {
        fields[name] = value
        if (name === 'purpose') check(uploadFields.pick({ purpose: true }), { purpose: value })
      },
      onFile(name, given) {
        if (name !== 'file')
          throw badRequest(
            name,
            `Unknown file '${name}': the file belongs into the part 'file'.`,
            'unknown_parameter',
          )
        // The cut may fall within a character: half of one could not be encoded when the name is sent again.
        filename = given.slice(-LONGEST_NAME).toWellFormed()
        early = declared()
        validator = createValidator({ declaration: declaration() })
      },
      async onFileBytes(bytes) {
        if (!isUnchecked() && validator?.isCanonical) validator.write(bytes)
        await writer.write(bytes)
      },
    }
    await readForm(request, context.config.limits.file, handlers, context.platform.chunks)
    const { purpose, format, columns, ...expiry } = check(uploadFields, fields)
    if (filename === undefined)
      throw badRequest('file', "Missing required parameter: 'file'.", 'missing_required_parameter')
    if (writer.size === 0) throw badRequest('file', 'The file is empty.')
    const lifetime = expiry['expires_after[seconds]']
    if ((lifetime === undefined) !== (expiry['expires_after[anchor]'] === undefined)) {
      throw badRequest('expires_after', 'It takes both an anchor and seconds.')
    }

    const isDataset = purpose === VALIDATED_PURPOSE
    if (!isDataset && (format !== undefined || columns !== undefined))
      throw badRequest('format', `Only files with the purpose '${VALIDATED_PURPOSE}' have a format.`)
    const isSeen = validator?.isCanonical && declared() === early
    let report = isDataset && isSeen ? validator?.finish() : undefined
    await writer.commit()
    let segment: Segment = { key, bytes: writer.size }
    if (isDataset && !isSeen) {
      const sent = await bucket.get(key)
      if (!sent) throw new Error('The upload is not in the bucket.')
      const canonical = await canonicalise(context, sent.body, `${key}/canonical`, { format, columns })
      report = canonical.report
      if (canonical.segment) {
        segment = canonical.segment
        stored.push(segment)
        await bucket.delete(key)
      }
    }
    const created = nowSeconds(context)
    const record: FileRecord = {
      id,
      owner,
      filename,
      purpose,
      bytes: segment.bytes,
      created_at: created,
      expires_at: lifetime === undefined ? null : created + lifetime,
      deleted_at: null,
      segments: [segment],
      sha256: null,
      examples: report?.examples ?? null,
      ...(report && segment.key !== key && { source_format: sourceFormatOf(report.summary.format) }),
      copies: [],
    }
    await FILES.create(store, record)
    return record
  } catch (error) {
    // What is left over is a lesser trouble than not to learn what went wrong.
    await writer.abort().catch(() => undefined)
    for (const segment of stored) await bucket.delete(segment.key).catch(() => undefined)
    throw error
  }
}
