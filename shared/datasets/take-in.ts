/**
 * Data that is pointed at, taken in as a file of the owner: in one go, or part by part where it is more than one step of work.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError } from '../openai/index.ts'
import { bytesToBase62 } from '../platform/index.ts'
import type { Connection } from '../providers/index.ts'
import { openIntake } from './intake.ts'
import type { IntakeRecord } from './intake-records.ts'
import { fileNameOf, ofField, partBytesFor, progress, SourceReplaced } from './intake-steps.ts'
import { takeInParts } from './intake-work.ts'
import { FILES, type FileRecord } from './records.ts'
import { type OpenSource, openSource, unreadable, withoutQuery } from './sources.ts'

/** Times that a source which changes while it is read is begun anew. */
const MOST_VERSIONS = 3

/** The same content of the same place is the same file of an owner, however often it is pointed at. */
const sourceFileId = async (...parts: string[]): Promise<string> => {
  const name = new TextEncoder().encode(parts.join('\n'))
  return `file-${bytesToBase62(new Uint8Array(await crypto.subtle.digest('SHA-256', name), 0, 24))}`
}

/** The file of a content. A deleted one's id is never given to another: its successor has one of its own. */
const successor = async (
  { platform: { store } }: Context,
  owner: string,
  uri: string,
  etag: string,
): Promise<{ id: string; known: FileRecord | undefined }> => {
  for (let id = await sourceFileId(owner, uri, etag); ; id = await sourceFileId(owner, uri, etag, id)) {
    const known = (await FILES.get(store, id))?.value
    if (known === undefined || known.deleted_at === null) return { id, known }
  }
}

const tooLarge = (param: string, uri: string, limit: number): ApiError =>
  new ApiError({
    status: 413,
    code: 'body_too_large',
    param,
    message: `'${withoutQuery(uri)}' is larger than the ${limit} bytes that this gateway takes.`,
  })

/** What is to be taken in. */
interface Wish {
  owner: string
  uri: string
  param: string
}

/** Checked as it streams, and kept only if it is a dataset. */
const takeInWhole = async (
  context: Context,
  { owner, uri, param }: Wish,
  { body, etag }: OpenSource,
  id: string | undefined,
): Promise<FileRecord> => {
  const limit = context.config.limits.file
  const intake = openIntake(context, owner, id)
  const reader = context.platform.chunks(body)
  try {
    let taken = 0
    for (let bytes = await reader.next(); bytes; bytes = await reader.next(bytes)) {
      taken += bytes.length
      if (taken > limit) throw tooLarge(param, uri, limit)
      await intake.write(bytes, true)
    }
    const source = { uri: withoutQuery(uri), etag }
    return await intake.finish({ filename: fileNameOf(source.uri), purpose: 'fine-tune', source })
  } catch (error) {
    await reader.cancel().catch(() => undefined)
    await intake.abort()
    if (error instanceof ApiError) throw ofField(error, param)
    throw unreadable(param, uri, 'it broke off', 502, error)
  }
}

const newIntake = (
  context: Context,
  { owner, uri, param }: Wish,
  { connection }: OpenSource,
  { id, etag, bytes }: Pick<IntakeRecord, 'id' | 'etag' | 'bytes'>,
): IntakeRecord => ({
  id,
  owner,
  uri: withoutQuery(uri),
  has_query: uri !== withoutQuery(uri),
  connection: connection && { name: connection.name, account: connection.account },
  etag,
  bytes,
  part_bytes: partBytesFor(context, bytes),
  parts: 0,
  param,
  state: 'taking',
  error: null,
  lease: null,
  due_at: nowSeconds(context) + context.config.copying.leaseSeconds,
  ...progress(context),
})

/** What is there now. @throws {SourceReplaced} when it changes on the way */
const takeInOnce = async (context: Context, wish: Wish, job: Connection | undefined): Promise<FileRecord> => {
  const { owner, uri, param } = wish
  const source = await openSource(context, uri, param, job)
  const { body, size = 0, etag } = source
  const { id, known } =
    etag === null ? { id: undefined, known: undefined } : await successor(context, owner, uri, etag)
  const leave = () => body.cancel().catch(() => undefined)
  if (known) {
    await leave()
    return known
  }
  if (size > context.config.limits.file) {
    await leave()
    throw tooLarge(param, uri, context.config.limits.file)
  }
  // What tells no version could be another in its middle than at its beginning.
  if (etag === null || id === undefined || !source.isRanged || size <= context.config.copying.stepBytes)
    return takeInWhole(context, wish, source, id)
  await leave()
  return takeInParts(context, newIntake(context, wish, source, { id, etag, bytes: size }), from =>
    openSource(context, uri, param, job, from),
  )
}

/**
 * Takes in what a reference points at, like an upload. What has been taken in and has not changed since is not read again.
 * @throws {ApiError} 400 naming the line or why it cannot be read, 403 where reading it is not allowed, 413; 503 while a large one
 *   is on its way, which the same request finds further
 */
export const takeIn = async (
  context: Context,
  owner: string,
  uri: string,
  param: string,
  job: Connection | undefined,
): Promise<FileRecord> => {
  for (let version = 1; ; version++) {
    try {
      return await takeInOnce(context, { owner, uri, param }, job)
    } catch (error) {
      if (!(error instanceof SourceReplaced)) throw error
      if (version === MOST_VERSIONS) throw unreadable(param, uri, 'it changes while it is read')
    }
  }
}
