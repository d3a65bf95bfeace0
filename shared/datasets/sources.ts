/**
 * Data that is pointed at rather than uploaded: read where it is.
 * @module
 */
import type { ConnectionConfig } from '../config.ts'
import type { Context } from '../context.ts'
import { ApiError, badRequest } from '../openai/index.ts'
import {
  type Connection,
  connect,
  mayUseConnection,
  ProviderFault,
  rangeFrom,
  rangeOf,
} from '../providers/index.ts'
import { type OpenAnswer, TransportError } from '../transport.ts'
import { PARTIAL_CONTENT, skipping } from './origins.ts'

/** The provider whose store a scheme names. */
const STORES: Readonly<Record<string, ConnectionConfig['provider']>> = { s3: 'bedrock', gs: 'vertex_ai' }

const SOURCE = /^(s3|gs|https?):\/\//

/** Whether a reference says where data is, rather than being a file's id. */
export const isSource = (reference: string): boolean => SOURCE.test(reference)

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308]
const MOST_REDIRECTS = 3

/** A source that has been opened. */
export interface OpenSource {
  /** From the byte on that was asked for. */
  body: ReadableStream<Uint8Array>
  /** Bytes of the whole, if they were announced. */
  size: number | undefined
  /** Tells this content from others of the same place; null where the place has nothing of the kind. */
  etag: string | null
  /** Whether it can be read from its middle on. */
  isRanged: boolean
  /** What it was opened with; null: none. */
  connection: Pick<Connection, 'name' | 'account'> | null
}

/** It has become shorter than what has been read of it. */
export class BeyondTheEnd extends Error {
  constructor() {
    super('The source ends before that byte.')
    this.name = 'BeyondTheEnd'
  }
}

const BEYOND_THE_END = 416

export const withoutQuery = (uri: string): string => uri.replace(/[?#].*$/s, '')

export const unreadable = (
  param: string,
  uri: string,
  why: string,
  status = 400,
  cause?: unknown,
): ApiError =>
  new ApiError({
    status,
    code: 'source_unreadable',
    param,
    message: `'${withoutQuery(uri)}' cannot be read: ${why}.`,
    cause,
  })

const opened = async (
  { status, headers, body }: OpenAnswer,
  { uri, param, from }: { uri: string; param: string; from: number },
  connection: OpenSource['connection'],
): Promise<OpenSource> => {
  const isPart = status === PARTIAL_CONTENT
  const range = isPart ? rangeOf(headers) : undefined
  if (isPart && range?.start !== from) {
    await body.cancel().catch(() => undefined)
    throw unreadable(param, uri, 'it sends another range than was asked for', 502)
  }
  const length = range?.length ?? headers.get('content-length')
  const etag = headers.get('etag') ?? headers.get('last-modified')
  // What the platform unpacks is counted otherwise there than here.
  const isPacked = (headers.get('content-encoding') ?? 'identity') !== 'identity'
  const isRanged = connection !== null || headers.get('accept-ranges') === 'bytes'
  return {
    body: isPart || from === 0 ? body : body.pipeThrough(skipping(from)),
    size: length === null ? undefined : Number(length),
    etag: etag && `${etag} ${length ?? ''}`,
    isRanged: isRanged && !isPacked,
    connection,
  }
}

/** A public address. Redirects are followed by hand: each is judged like the first, and none is shown a credential. */
const openWeb = async (context: Context, uri: string, param: string, from: number): Promise<OpenSource> => {
  let url = URL.parse(uri)
  for (let redirects = 0; url && redirects <= MOST_REDIRECTS; redirects++) {
    const answer = await context.transport
      .open({
        method: 'GET',
        url,
        // What is packed for the way could not be gone on with in its middle.
        headers: { 'accept-encoding': 'identity', ...rangeFrom(from).headers },
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
    if (answer.status === 200 || (from > 0 && answer.status === PARTIAL_CONTENT))
      return opened(answer, { uri, param, from }, null)
    await answer.body.cancel().catch(() => undefined)
    if (from > 0 && answer.status === BEYOND_THE_END) throw new BeyondTheEnd()
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
  from: number,
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
  const answer = await provider.files.content(channel, uri, from).catch((error: unknown) => {
    const isAnswer = error instanceof ProviderFault || error instanceof ApiError
    if (isAnswer && error.status === 404) throw unreadable(param, uri, 'it is not there')
    if (isAnswer && from > 0 && error.status === BEYOND_THE_END) throw new BeyondTheEnd()
    throw error
  })
  return opened(answer, { uri, param, from }, { name, account })
}

/**
 * Opens what a reference points at.
 * @param job the connection of the job that is to have it
 * @param from the byte to begin at
 */
export const openSource = async (
  context: Context,
  uri: string,
  param: string,
  job: Connection | undefined,
  from = 0,
): Promise<OpenSource> => {
  const store = STORES[SOURCE.exec(uri)?.[1] ?? '']
  return store === undefined
    ? openWeb(context, uri, param, from)
    : openStored(context, uri, param, await storeConnection(context, store, job, param), from)
}
