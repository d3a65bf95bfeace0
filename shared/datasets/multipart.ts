/**
 * A `multipart/form-data` body, read as it arrives.
 * @module
 */
import { decodeField, type MultipartError, make, type PartInfo } from 'multipasta'
import { ApiError } from '../openai/index.ts'

/** Bytes of a form field that is not a file. */
const LONGEST_FIELD = 64 * 1024
/** More parts than any form here has; bounds what a hostile body costs. */
const MOST_PARTS = 32

export interface FormHandlers {
  onField(name: string, value: string): void
  /** Called once, before the file's first bytes. */
  onFile(name: string, filename: string): void
  /** The next bytes of the file; awaited before more of the body is read. */
  onFileBytes(bytes: Uint8Array): Promise<void>
}

const malformed = (why: string, cause?: unknown) =>
  new ApiError({
    status: 400,
    code: 'invalid_multipart',
    param: 'file',
    message: `The form is not valid: ${why}.`,
    cause,
  })

const WHY: Record<MultipartError['_tag'], string> = {
  InvalidBoundary: 'the content type names no boundary',
  BadHeaders: 'the headers of a part cannot be read',
  InvalidDisposition: 'a part has no name',
  ReachedLimit: 'it has too many parts, or a field is too long',
  EndNotReached: 'it ends in the middle',
}

/**
 * Reads a form whose parts may come in any order.
 * @param maxBytes of the whole body; beyond it the answer is a 413.
 * @throws {ApiError} When the body is no form with exactly one file.
 */
export const readForm = async (request: Request, maxBytes: number, handlers: FormHandlers): Promise<void> => {
  const contentType = request.headers.get('content-type') ?? ''
  if (!/^multipart\/form-data\s*;/i.test(contentType))
    throw malformed('the content type must be multipart/form-data')
  const tooLarge = () =>
    new ApiError({
      status: 413,
      code: 'body_too_large',
      param: 'file',
      message: `The file is too large: this gateway takes up to ${maxBytes} bytes.`,
    })
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge()
  if (!request.body) throw malformed('it is empty')

  let fault: ApiError | undefined
  let isDone = false
  let files = 0
  /** File bytes of the current chunk; the parser speaks by callbacks, while storing waits. */
  let pending: Uint8Array[] = []
  const parser = make({
    headers: { 'content-type': contentType },
    maxFieldSize: LONGEST_FIELD,
    maxParts: MOST_PARTS,
    isFile: (info: PartInfo) => info.filename !== undefined,
    onField: (info, value) => handlers.onField(info.name, decodeField(info, value)),
    onFile(info) {
      if (++files > 1) fault ??= malformed('it has more than one file')
      else handlers.onFile(info.name, info.filename ?? '')
      return bytes => {
        if (bytes !== null && bytes.length > 0) pending.push(bytes)
      }
    },
    onError(error) {
      fault ??= malformed(WHY[error._tag])
    },
    onDone() {
      isDone = true
    },
  })

  const reader = request.body.getReader()
  /** Reads and parses one chunk. @returns false at the end of the body. */
  const advance = async (): Promise<boolean> => {
    try {
      const { value, done } = await reader.read()
      if (done) return false
      received += value.length
      parser.write(value)
      return true
    } catch (cause) {
      throw cause instanceof ApiError ? cause : malformed('it cannot be read', cause)
    }
  }
  let received = 0
  try {
    while (await advance()) {
      if (received > maxBytes) throw tooLarge()
      if (fault) throw fault
      for (const bytes of pending) await handlers.onFileBytes(bytes)
      pending = []
    }
    if (!isDone) throw malformed(WHY.EndNotReached)
  } catch (error) {
    await drain(reader)
    throw error
  }
}

/** Bytes read and dropped after a refusal, so that a client still sending gets to see the answer. */
const MOST_DRAINED = 64 * 1024 * 1024

const drain = async (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> => {
  try {
    for (let drained = 0; drained < MOST_DRAINED; ) {
      const { value, done } = await reader.read()
      if (done) return
      drained += value.length
    }
    await reader.cancel()
  } catch {
    // The client has gone: there is no one left to answer.
  }
}
