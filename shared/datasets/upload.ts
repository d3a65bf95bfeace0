/**
 * A file's way in: form → intake → record.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest, check, type Declaration, uploadFields } from '../openai/index.ts'
import { alsoTo } from './form-digest.ts'
import { openIntake } from './intake.ts'
import { type FormHandlers, readForm } from './multipart.ts'
import type { FileRecord } from './records.ts'
import { VALIDATED_PURPOSE } from './validator.ts'

/**
 * Takes an upload (`POST /v1/files`). A dataset for fine-tuning is checked line by line as it passes.
 * @param note sees the form, too
 * @throws {ApiError} 400 naming the field or line, 413 naming the limit.
 */
export const uploadFile = async (
  context: Context,
  owner: string,
  request: Request,
  note?: FormHandlers,
): Promise<FileRecord> => {
  const intake = openIntake(context, owner, context.ids?.next('file-'))
  const fields: Record<string, string> = {}
  let filename: string | undefined
  // The purpose may come after the file: until it is known, the bytes are checked.
  const isChecked = () => fields.purpose === undefined || fields.purpose === VALIDATED_PURPOSE
  const declaration = (): Declaration =>
    check(uploadFields.pick({ format: true, columns: true }), {
      format: fields.format,
      columns: fields.columns,
    })

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
        filename = given
        intake.declare(declaration())
      },
      onFileBytes: bytes => intake.write(bytes, isChecked()),
    }
    await readForm(request, context.config.limits.file, alsoTo(note, handlers), context.platform.chunks)
    const { purpose, format, columns, ...expiry } = check(uploadFields, fields)
    if (filename === undefined)
      throw badRequest('file', "Missing required parameter: 'file'.", 'missing_required_parameter')
    const lifetime = expiry['expires_after[seconds]']
    if ((lifetime === undefined) !== (expiry['expires_after[anchor]'] === undefined)) {
      throw badRequest('expires_after', 'It takes both an anchor and seconds.')
    }
    return await intake.finish({ filename, purpose, lifetime, declaration: { format, columns } })
  } catch (error) {
    await intake.abort()
    throw error
  }
}
