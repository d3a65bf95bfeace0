/**
 * Cloud Storage's resumable upload: a session, then chunk after chunk, of which only one is held in memory. A broken chunk is
 * taken up where the service says it got to.
 * Source: https://docs.cloud.google.com/storage/docs/performing-resumable-uploads
 * @module
 */
import type { Answer } from '../../transport.ts'
import { type Channel, ProviderFault, type ProviderRequest } from '../provider.ts'
import { garbled } from './faults.ts'
import type { ObjectName } from './gcs-uri.ts'
import { storageUrl } from './hosts.ts'

/** Bytes of which every chunk but the last must be a multiple. */
export const CHUNK_UNIT = 256 * 1024
export const CHUNK_BYTES = 32 * CHUNK_UNIT
/** "Go on" in this protocol; no redirect follows. */
const RESUME_INCOMPLETE = 308
const MOST_FAILURES = 5
const FIRST_DELAY_MS = 500

/** Opens the session. Nothing is overwritten: an object of that name makes it a 412. */
export const toSession = (
  { settings }: Pick<Channel, 'settings'>,
  { bucket, object }: ObjectName,
  size: number,
): ProviderRequest => ({
  method: 'POST',
  url: storageUrl(settings, 'upload', bucket, undefined, {
    uploadType: 'resumable',
    name: object,
    ifGenerationMatch: 0,
  }),
  headers: {
    'content-type': 'application/json',
    'x-upload-content-type': 'application/jsonl',
    'x-upload-content-length': String(size),
  },
  body: JSON.stringify({ contentType: 'application/jsonl' }),
  // A session that nobody uses leaves nothing.
  repeat: 'always',
})

/** A chunk of the session. @param start of the chunk in the whole */
export const toChunk = (
  session: URL,
  chunk: Uint8Array<ArrayBuffer>,
  start: number,
  size: number,
): ProviderRequest => ({
  method: 'PUT',
  url: session,
  headers: {
    'content-range':
      chunk.length === 0 ? `bytes */${size}` : `bytes ${start}-${start + chunk.length - 1}/${size}`,
  },
  body: chunk,
  repeat: 'never',
  accept: [RESUME_INCOMPLETE],
})

/** Asks how far the session is. */
export const toQuestion = (session: URL, size: number): ProviderRequest => ({
  method: 'PUT',
  url: session,
  headers: { 'content-range': `bytes */${size}` },
  body: new Uint8Array(),
  repeat: 'always',
  accept: [RESUME_INCOMPLETE],
})

/** How many bytes have arrived, or `size` when the object is complete. */
export const progressOf = ({ status, headers }: Pick<Answer, 'status' | 'headers'>, size: number): number => {
  if (status !== RESUME_INCOMPLETE) return size
  const last = /^bytes=0-(\d+)$/.exec(headers.get('range') ?? '')?.[1]
  return last === undefined ? 0 : Number(last) + 1
}

const isPassing = ({ status }: ProviderFault): boolean =>
  typeof status === 'number' ? status === 408 || status === 429 || status >= 500 : status !== 'client_gone'

/** Chunks of a fixed size out of pieces of any size; the last may be shorter. */
export async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  length: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let chunk = new Uint8Array(length)
  let filled = 0
  for await (const piece of stream) {
    for (let taken = 0; taken < piece.length; ) {
      const part = piece.subarray(taken, taken + length - filled)
      chunk.set(part, filled)
      filled += part.length
      taken += part.length
      if (filled < length) continue
      yield chunk
      // What was yielded may still be on its way.
      chunk = new Uint8Array(length)
      filled = 0
    }
  }
  if (filled > 0) yield chunk.slice(0, filled)
}

/** Sends one chunk however often it takes. @returns how far the upload is then */
export const sendChunk = async (
  channel: Channel,
  session: URL,
  chunk: Uint8Array<ArrayBuffer>,
  start: number,
  size: number,
): Promise<number> => {
  const end = start + chunk.length
  /** What the service has; what it took only in part is sent from there. */
  let at = start
  let failures = 0
  const attempt = async (): Promise<number> => {
    try {
      return progressOf(await channel.call(toChunk(session, chunk.subarray(at - start), at, size)), size)
    } catch (error) {
      if (!(error instanceof ProviderFault) || !isPassing(error) || failures >= MOST_FAILURES) throw error
      await channel.sleep(FIRST_DELAY_MS * 2 ** failures * Math.random())
      return progressOf(await channel.call(toQuestion(session, size)), size)
    }
  }
  while (at < end) {
    const progress = await attempt()
    if (progress <= at) failures++
    // Earlier chunks are no longer in memory.
    if (progress < start || failures > MOST_FAILURES) throw garbled()
    at = progress
  }
  return at
}

/** Opens a session and tells its address, which must be where the connection's objects are: a token is sent to it. */
export const openSession = async (channel: Channel, name: ObjectName, size: number): Promise<URL> => {
  const request = toSession(channel, name, size)
  const { headers } = await channel.call(request)
  const location = headers.get('location')
  const session = location !== null && URL.canParse(location) ? new URL(location) : undefined
  if (session?.origin !== request.url.origin) throw garbled()
  return session
}

/** Uploads a stream of `size` bytes. @throws {ProviderFault} 412 when an object of this name exists */
export const uploadResumably = async (
  channel: Channel,
  name: ObjectName,
  { size, open }: { size: number; open(): Promise<ReadableStream<Uint8Array>> },
): Promise<void> => {
  const session = await openSession(channel, name, size)
  let at = 0
  for await (const chunk of chunksOf(await open(), CHUNK_BYTES))
    at = await sendChunk(channel, session, chunk, at, size)
  if (size === 0) await channel.call(toChunk(session, new Uint8Array(), 0, 0))
  else if (at !== size) throw new Error(`The file was to have ${size} bytes and had ${at}.`)
}
