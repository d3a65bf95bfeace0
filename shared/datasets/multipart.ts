/**
 * A `multipart/form-data` body, read as it arrives.
 * @module
 */
import { decodeField, type MultipartError, make, type PartInfo } from 'multipasta'
import { ApiError } from '../openai/index.ts'
import { type ChunkReader, plainChunks } from '../platform/index.ts'

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

/** What a form brings, for its errors. */
export interface FormSubject {
  /** The file's part of the form. */
  param: string
  tooLarge: (maxBytes: number) => ApiError
}

const A_FILE: FormSubject = {
  param: 'file',
  tooLarge: maxBytes =>
    new ApiError({
      status: 413,
      code: 'body_too_large',
      param: 'file',
      message:
        `The file is too large: this gateway takes files of up to ${maxBytes} bytes (limits.file). What is too large for one ` +
        'request goes in parts of up to 64 MiB by POST /v1/uploads, or with "direct": true straight to the bucket.',
    }),
}

const WHY: Record<MultipartError['_tag'], string> = {
  InvalidBoundary: 'the content type names no boundary',
  BadHeaders: 'the headers of a part cannot be read',
  InvalidDisposition: 'a part has no name',
  ReachedLimit: 'it has too many parts, or a field is too long',
  EndNotReached: 'it ends in the middle',
}

/** `; name=value` or `; name="value"` of a Content-Disposition. */
const PARAMETER = /;\s*([\w*]+)\s*=\s*(?:"((?:\\"|[^"])*)"|([^\s;"]*))/g
/** What a name may not hold, as clients write it: WHATWG form encoding, and a quote as older curls do. */
const ESCAPED = /%22|%0D|%0A|\\"/gi
const unescaped = (found: string) => (found === '\\"' ? '"' : decodeURIComponent(found))

/** `UTF-8'language'percent-encoded` (RFC 8187). */
const decodeExtended = (value: string | undefined): string | undefined => {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value ?? '')?.[1]
  return encoded === undefined ? undefined : decodeURIComponent(encoded)
}

/** A part's name and file name. The parser's own reading of them stops at characters beyond U+00FF. */
const dispositionOf = ({ headers }: Pick<PartInfo, 'headers'>) => {
  const header = String(headers['content-disposition'] ?? '')
  if (!/^\s*form-data\s*;/i.test(header)) return { name: undefined, filename: undefined }
  const parameters = new Map<string, string>()
  for (const [, key = '', quoted, token = ''] of header.matchAll(PARAMETER)) {
    parameters.set(key.toLowerCase(), quoted?.replace(ESCAPED, unescaped) ?? token)
  }
  return {
    name: parameters.get('name'),
    filename: decodeExtended(parameters.get('filename*')) ?? parameters.get('filename'),
  }
}

const DASH = 0x2d
/** A boundary has up to 70 characters, and two dashes on either side (RFC 2046, 5.1.1). */
const MOST_DASHES = 74

/** Where the dashes at the end begin, if they may belong to a boundary. */
const dashesFrom = (bytes: Uint8Array): number => {
  let start = bytes.length
  while (start > 0 && bytes[start - 1] === DASH) start--
  return bytes.length - start > MOST_DASHES ? bytes.length : start
}

/** Bytes of a boundary with all that belongs to it: line end, dashes on either side. */
const LONGEST_BOUNDARY = 2 + MOST_DASHES + 4

/**
 * Reads a form whose parts may come in any order.
 * @param maxBytes of the whole body; beyond it the answer is a 413.
 * @param chunks how the platform reads a body best
 * @param subject what its errors are about
 * @throws {ApiError} When the body is no form with exactly one file.
 */
export const readForm = async (
  request: Request,
  maxBytes: number,
  handlers: FormHandlers,
  chunks: (body: ReadableStream<Uint8Array>) => ChunkReader = plainChunks,
  { param, tooLarge }: FormSubject = A_FILE,
): Promise<void> => {
  const malformed = (why: string, cause?: unknown) =>
    new ApiError({
      status: 400,
      code: 'invalid_multipart',
      param,
      message: `The form is not valid: ${why}.`,
      cause,
    })
  const contentType = request.headers.get('content-type') ?? ''
  if (!/^multipart\/form-data\s*;/i.test(contentType))
    throw malformed('the content type must be multipart/form-data')
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
  if (!request.body) throw malformed('it is empty')

  let fault: { error: unknown } | undefined
  let isDone = false
  let files = 0
  let received = 0
  /** File bytes of the current chunk; the parser speaks by callbacks, while storing waits. */
  let pending: Uint8Array[] = []
  /** Dashes at the end of what has come: the parser knows the end of the form only when its two are not cut apart. */
  let held: Uint8Array = new Uint8Array()

  /**
   * The first fault counts; nothing is handed on after it, nor after the form's end. What a handler throws comes out as
   * it is.
   */
  const handOn = (handle: () => void) => {
    if (fault || isDone) return
    try {
      handle()
    } catch (error) {
      fault = { error }
    }
  }
  const refuse = (why: string) =>
    handOn(() => {
      throw malformed(why)
    })
  const parser = make({
    headers: { 'content-type': contentType },
    maxFieldSize: LONGEST_FIELD,
    maxParts: MOST_PARTS,
    isFile: info => dispositionOf(info).filename !== undefined,
    onField(info, value) {
      const { name } = dispositionOf(info)
      if (name === undefined) refuse(WHY.InvalidDisposition)
      else handOn(() => handlers.onField(name, decodeField(info, value)))
    },
    onFile(info) {
      const { name, filename = '' } = dispositionOf(info)
      if (name === undefined) refuse(WHY.InvalidDisposition)
      else if (++files > 1) refuse('it has more than one file')
      else handOn(() => handlers.onFile(name, filename))
      isInFile = true
      return bytes => {
        if (bytes === null) isInFile = false
        if (bytes !== null && bytes.length > 0 && !isDone) pending.push(bytes)
      }
    },
    onError(error) {
      refuse(WHY[error._tag])
    },
    onDone() {
      isDone = true
    },
  })
  const parse = (chunk: Uint8Array) => {
    let bytes = chunk
    if (held.length > 0) {
      bytes = new Uint8Array(held.length + chunk.length)
      bytes.set(held)
      bytes.set(chunk, held.length)
    }
    const end = dashesFrom(bytes)
    held = bytes.subarray(end)
    if (!isDone) parser.write(bytes.subarray(0, end))
  }

  const source = chunks(request.body)
  /** Whether the parser is in the middle of the file, where it keeps nothing but what may be a boundary. */
  let isInFile = false
  /** A chunk that is parsed and handed on, and that the parser has kept nothing of. */
  let spent: Uint8Array | undefined
  /** Reads and parses one chunk. @returns false at the end of the body. */
  const advance = async (): Promise<boolean> => {
    try {
      const chunk = await source.next(spent)
      if (chunk === undefined) {
        if (!isDone) parser.write(held)
        parser.end()
        return false
      }
      received += chunk.length
      // What the parser may keep at the end of a chunk, the beginning of a boundary, lies in memory of its own.
      const end = Math.max(0, chunk.length - LONGEST_BOUNDARY)
      parse(chunk.subarray(0, end))
      parse(chunk.slice(end))
      spent = isInFile ? chunk : undefined
      return true
    } catch (cause) {
      throw malformed('it cannot be read', cause)
    }
  }
  try {
    while (await advance()) {
      if (received > maxBytes) throw tooLarge(maxBytes)
      if (fault) throw fault.error
      for (const bytes of pending) await handlers.onFileBytes(bytes)
      pending = []
    }
    if (fault) throw fault.error
    if (!isDone) throw malformed(WHY.EndNotReached)
  } catch (error) {
    await drain(source)
    throw error
  }
}

/** Bytes read and dropped after a refusal, so that a client still sending gets to see the answer. */
const MOST_DRAINED = 64 * 1024 * 1024

const drain = async (source: ChunkReader): Promise<void> => {
  try {
    for (let drained = 0; drained < MOST_DRAINED; ) {
      const chunk = await source.next()
      if (chunk === undefined) return
      drained += chunk.length
    }
    await source.cancel()
  } catch {
    // The client has gone: there is no one left to answer.
  }
}
