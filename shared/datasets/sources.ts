/**
 * Data that is pointed at rather than uploaded: read where it is, and taken in as a file of the owner.
 * @module
 */
import type { ConnectionConfig } from '../config.ts'
import type { Context } from '../context.ts'
import { ApiError, badRequest } from '../openai/index.ts'
import { bytesToBase62 } from '../platform/index.ts'
import { type Connection, connect, mayUseConnection, ProviderFault } from '../providers/index.ts'
import { type OpenAnswer, TransportError } from '../transport.ts'
import { openIntake } from './intake.ts'
import { FILES, type FileRecord } from './records.ts'

/** The provider whose store a scheme names. */
const STORES: Readonly<Record<string, ConnectionConfig['provider']>> = { s3: 'bedrock', gs: 'vertex_ai' }

const SOURCE = /^(s3|gs|https?):\/\//

/** Whether a reference says where data is, rather than being a file's id. */
export const isSource = (reference: string): boolean => SOURCE.test(reference)

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308]
const MOST_REDIRECTS = 3

/** A source that has been opened. */
export interface OpenSource {
  body: ReadableStream<Uint8Array>
  /** Bytes, if they were announced. */
  size: number | undefined
  /** Tells this content from others of the same place; null where the place has nothing of the kind. */
  etag: string | null
}

const withoutQuery = (uri: string): string => uri.replace(/[?#].*$/s, '')

const unreadable = (param: string, uri: string, why: string, status = 400, cause?: unknown): ApiError =>
  new ApiError({
    status,
    code: 'source_unreadable',
    param,
    message: `'${withoutQuery(uri)}' cannot be read: ${why}.`,
    cause,
  })

const opened = ({ headers, body }: OpenAnswer): OpenSource => {
  const length = headers.get('content-length')
  const etag = headers.get('etag') ?? headers.get('last-modified')
  return { body, size: length === null ? undefined : Number(length), etag: etag && `${etag} ${length ?? ''}` }
}

/** A public address. Redirects are followed by hand: each is judged like the first, and none is shown a credential. */
const openWeb = async (context: Context, uri: string, param: string): Promise<OpenSource> => {
  let url = URL.parse(uri)
  for (let redirects = 0; url && redirects <= MOST_REDIRECTS; redirects++) {
    const answer = await context.transport
      .open({
        method: 'GET',
        url,
        headers: {},
        repeat: 'always',
        accept: REDIRECTS,
        timeoutMs: context.config.timeoutSeconds * 1000,
        signal: context.signal,
      })
      .catch((error: unknown) => {
        if (error instanceof ApiError) throw new ApiError({ ...error, message: error.message, param })
        if (error instanceof TransportError)
          throw unreadable(param, uri, `no answer (${error.reason})`, 502, error)
        throw error
      })
    if (answer.status === 200) return opened(answer)
    await answer.body.cancel().catch(() => undefined)
    if (!REDIRECTS.includes(answer.status))
      throw unreadable(param, uri, `it answers with status ${answer.status}`)
    url = URL.parse(answer.headers.get('location') ?? '', url.href)
  }
  throw unreadable(param, uri, url ? `it redirects more than ${MOST_REDIRECTS} times` : 'that is no address')
}

/** Whether a connection's configuration lets jobs of any key read this. */
const isAllowed = (config: ConnectionConfig | undefined, uri: string): boolean =>
  config !== undefined &&
  'sources' in config &&
  (config.sources ?? []).some(prefix => uri === prefix || uri.startsWith(prefix.replace(/\/*$/, '/')))

/** The connection to a store: the job's own where it fits, else the first of that provider. */
const storeConnection = async (
  context: Context,
  provider: ConnectionConfig['provider'],
  job: Connection | undefined,
  param: string,
): Promise<Connection> => {
  if (job?.provider.id === provider) return job
  const { connections } = context.config
  const name = Object.keys(connections).find(
    key => connections[key]?.provider === provider && mayUseConnection(context, key),
  )
  if (name !== undefined) return connect(context, name)
  throw badRequest(
    param,
    `No connection of this deployment reads such data: it takes one with '${provider}'.`,
  )
}

const openStored = async (
  context: Context,
  uri: string,
  param: string,
  { name, account, provider, channel }: Connection,
): Promise<OpenSource> => {
  // The deployment's own credentials read more than any of its callers may.
  const isOwn = account !== name
  if (!isOwn && !isAllowed(context.config.connections[name], uri)) {
    throw new ApiError({
      status: 403,
      code: 'source_forbidden',
      param,
      message: `The connection '${name}' does not let jobs read '${uri}': its configuration names what they may ('sources').`,
    })
  }
  return provider.files.content(channel, uri).then(opened, (error: unknown) => {
    const isAnswer = error instanceof ProviderFault || error instanceof ApiError
    if (isAnswer && error.status === 404) throw unreadable(param, uri, 'it is not there')
    throw error
  })
}

/** Opens what a reference points at. @param job the connection of the job that is to have it */
export const openSource = async (
  context: Context,
  uri: string,
  param: string,
  job: Connection | undefined,
): Promise<OpenSource> => {
  const store = STORES[SOURCE.exec(uri)?.[1] ?? '']
  return store === undefined
    ? openWeb(context, uri, param)
    : openStored(context, uri, param, await storeConnection(context, store, job, param))
}

/** The same content of the same place is the same file of an owner, however often it is pointed at. */
const sourceFileId = async (owner: string, uri: string, etag: string): Promise<string> => {
  const name = new TextEncoder().encode([owner, uri, etag].join('\n'))
  return `file-${bytesToBase62(new Uint8Array(await crypto.subtle.digest('SHA-256', name), 0, 24))}`
}

const nameOf = (uri: string): string => {
  const last = withoutQuery(uri).split('/').at(-1) || 'data.jsonl'
  try {
    return decodeURIComponent(last)
  } catch {
    return last
  }
}

const tooLarge = (param: string, uri: string, limit: number): ApiError =>
  new ApiError({
    status: 413,
    code: 'body_too_large',
    param,
    message: `'${withoutQuery(uri)}' is larger than the ${limit} bytes that this gateway takes.`,
  })

/**
 * Takes in what a reference points at, like an upload: checked as it streams, and kept only if it is a dataset. What has been
 * taken in and has not changed since is not read again.
 * @throws {ApiError} 400 naming the line or why it cannot be read, 403 where reading it is not allowed, 413
 */
export const takeIn = async (
  context: Context,
  owner: string,
  uri: string,
  param: string,
  job: Connection | undefined,
): Promise<FileRecord> => {
  const { store, chunks } = context.platform
  const limit = context.config.limits.file
  const { body, size, etag } = await openSource(context, uri, param, job)
  const wanted = etag === null ? undefined : await sourceFileId(owner, uri, etag)
  const known = wanted === undefined ? undefined : (await FILES.get(store, wanted))?.value
  if (known?.deleted_at === null || (size ?? 0) > limit) {
    await body.cancel().catch(() => undefined)
    if (known?.deleted_at === null) return known
    throw tooLarge(param, uri, limit)
  }
  // A deleted file's id is never given to another.
  const intake = openIntake(context, owner, known ? undefined : wanted)
  const reader = chunks(body)
  try {
    let taken = 0
    for (let bytes = await reader.next(); bytes; bytes = await reader.next(bytes)) {
      taken += bytes.length
      if (taken > limit) throw tooLarge(param, uri, limit)
      await intake.write(bytes, true)
    }
    const source = { uri: withoutQuery(uri), etag }
    return await intake.finish({ filename: nameOf(uri), purpose: 'fine-tune', source })
  } catch (error) {
    await reader.cancel().catch(() => undefined)
    await intake.abort()
    if (error instanceof ApiError) throw asOf(error, param)
    throw unreadable(param, uri, 'it broke off', 502, error)
  }
}

/** The refusal of an upload as one of the field that pointed at the data. */
const asOf = ({ status, code, message }: ApiError, param: string): ApiError =>
  new ApiError({ status, code, message, param })
