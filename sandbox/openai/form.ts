/** Multipart forms: fields, and one file. */
import { decodeField, type MultipartError, make } from 'multipasta'
import { ApiError } from './errors.ts'

export interface Form {
  fields: Record<string, string>
  file: FormFile | undefined
}

export interface FormFile {
  filename: string
  bytes: Uint8Array<ArrayBuffer>
}

const MEGABYTE = 2 ** 20

/**
 * Reads a multipart form as it arrives, its parts in any order.
 *
 * @param fileField the name of the part that is a file
 * @param maxMegabytes how large the file may be
 * @throws {ApiError} 400 for a malformed form, 413 for a file beyond the limit
 */
export async function readForm(request: Request, fileField: string, maxMegabytes: number): Promise<Form> {
  const form: Form = { fields: {}, file: undefined }
  let failure: MultipartError | undefined
  let done = false
  const parser = make({
    headers: { 'content-type': request.headers.get('content-type') ?? '' },
    maxPartSize: maxMegabytes * MEGABYTE,
    isFile: part => part.name === fileField,
    onField: (part, value) => {
      form.fields[part.name] = decodeField(part, value)
    },
    onFile: part => {
      const chunks: Uint8Array[] = []
      return chunk => {
        if (chunk) chunks.push(chunk)
        else
          form.file = { filename: part.filename ?? fileField, bytes: new Uint8Array(Buffer.concat(chunks)) }
      }
    },
    onError: error => {
      failure ??= error
    },
    onDone: () => {
      done = true
    },
  })
  if (request.body) {
    for await (const chunk of request.body) {
      if (failure) break
      parser.write(chunk)
    }
  }
  if (!failure) parser.end()
  if (failure || !done) throw refusal(failure, fileField, maxMegabytes)
  return form
}

/**
 * The form's file.
 *
 * @throws {ApiError} 400 if it is missing or empty
 */
export function fileIn({ file }: Form, fileField: string): FormFile {
  if (!file) {
    throw new ApiError(400, `Missing required parameter: '${fileField}'.`, {
      param: fileField,
      code: 'missing_required_parameter',
    })
  }
  if (file.bytes.byteLength === 0) {
    throw new ApiError(400, 'File is empty.', { param: fileField, code: 'empty_file' })
  }
  return file
}

function refusal(failure: MultipartError | undefined, param: string, maxMegabytes: number): ApiError {
  if (failure?._tag === 'ReachedLimit') {
    return new ApiError(413, `File is larger than the maximum of ${maxMegabytes} MB.`, {
      param,
      code: 'file_too_large',
    })
  }
  return new ApiError(400, `Could not parse multipart form: ${failure?._tag ?? 'incomplete'}.`, {
    code: 'invalid_multipart',
  })
}
