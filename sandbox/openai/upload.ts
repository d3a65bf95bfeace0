import { decodeField, type MultipartError, make } from 'multipasta'
import { ApiError } from './errors.ts'
import { JsonlCheck } from './jsonl.ts'

export interface Upload {
  fields: Record<string, string>
  file: UploadedFile | undefined
}

export interface UploadedFile {
  filename: string
  bytes: Uint8Array<ArrayBuffer>
  /** What keeps the file from being JSONL, if anything. */
  jsonlFault: string | undefined
}

const MAX_BYTES = 512 * 2 ** 20

/**
 * Reads a multipart form as it arrives, its parts in any order.
 *
 * @throws {ApiError} 400 for a malformed form, 413 for a file beyond 512 MB
 */
export async function readUpload(request: Request): Promise<Upload> {
  const upload: Upload = { fields: {}, file: undefined }
  let failure: MultipartError | undefined
  let done = false
  const parser = make({
    headers: { 'content-type': request.headers.get('content-type') ?? '' },
    maxPartSize: MAX_BYTES,
    isFile: part => part.name === 'file',
    onField: (part, value) => {
      upload.fields[part.name] = decodeField(part, value)
    },
    onFile: part => {
      const chunks: Uint8Array[] = []
      const jsonl = new JsonlCheck()
      return chunk => {
        if (chunk) {
          chunks.push(chunk)
          jsonl.write(chunk)
        } else {
          const bytes = new Uint8Array(Buffer.concat(chunks))
          upload.file = { filename: part.filename ?? 'file', bytes, jsonlFault: jsonl.end() }
        }
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
  if (failure || !done) throw refusal(failure)
  return upload
}

function refusal(failure: MultipartError | undefined): ApiError {
  if (failure?._tag === 'ReachedLimit') {
    return new ApiError(413, 'File is larger than the maximum of 512 MB.', {
      param: 'file',
      code: 'file_too_large',
    })
  }
  return new ApiError(400, `Could not parse multipart form: ${failure?._tag ?? 'incomplete'}.`, {
    code: 'invalid_multipart',
  })
}
