/**
 * A file's way in: form → validator → bucket → record, in constant memory. Nothing is left of a refused one.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { badRequest, check, uploadFields } from '../openai/index.ts'
import { openBucketWriter } from '../platform/index.ts'
import { type FormHandlers, readForm } from './multipart.ts'
import { FILES, type FileRecord, LONGEST_NAME } from './records.ts'
import { createValidator, VALIDATED_PURPOSE } from './validator.ts'

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
  // The purpose may come after the file: until it is known, the bytes are checked.
  const validator = createValidator()
  const isUnchecked = () => fields.purpose !== undefined && fields.purpose !== VALIDATED_PURPOSE

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
      },
      async onFileBytes(bytes) {
        if (!isUnchecked()) validator.write(bytes)
        await writer.write(bytes)
      },
    }
    await readForm(request, context.config.limits.file, handlers, context.platform.chunks)
    const { purpose, ...expiry } = check(uploadFields, fields)
    if (filename === undefined)
      throw badRequest('file', "Missing required parameter: 'file'.", 'missing_required_parameter')
    if (writer.size === 0) throw badRequest('file', 'The file is empty.')
    const examples = purpose === VALIDATED_PURPOSE ? validator.finish().examples : null
    const lifetime = expiry['expires_after[seconds]']
    if ((lifetime === undefined) !== (expiry['expires_after[anchor]'] === undefined)) {
      throw badRequest('expires_after', 'It takes both an anchor and seconds.')
    }

    await writer.commit()
    const created = nowSeconds(context)
    const record: FileRecord = {
      id,
      owner,
      filename,
      purpose,
      bytes: writer.size,
      created_at: created,
      expires_at: lifetime === undefined ? null : created + lifetime,
      deleted_at: null,
      segments: [{ key, bytes: writer.size }],
      sha256: null,
      examples,
      copies: [],
    }
    await FILES.create(store, record)
    return record
  } catch (error) {
    // What is left over is a lesser trouble than not to learn what went wrong.
    await writer.abort().catch(() => undefined)
    throw error
  }
}
