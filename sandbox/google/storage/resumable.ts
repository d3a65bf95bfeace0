/** Resumable uploads: sessions that take an object chunk by chunk. */
import { newId } from '../../ids.ts'
import type { Intent } from './attributes.ts'
import type { Bucket, Checksums, StoredObject } from './bucket.ts'
import { invalid, StorageError } from './errors.ts'

/** Every chunk but the last has a multiple of this many bytes. */
export const CHUNK_UNIT = 256 * 1024

interface Session {
  intent: Intent
  chunks: Buffer[]
  received: number
  state: 'open' | 'cancelled' | { done: StoredObject }
}

/** `Content-Range`, parsed. */
export interface ContentRange {
  /** Undefined in a question about the state (an asterisk for the range). */
  start: number | undefined
  /** Undefined where the writer does not know yet (`*`). */
  end: number | undefined
  total: number | undefined
}

export type Progress = { object: StoredObject } | { received: number }

export class Resumables {
  readonly #sessions = new Map<string, Session>()

  /** Sessions that wait for more bytes. */
  get open(): number {
    return [...this.#sessions.values()].filter(({ state }) => state === 'open').length
  }

  start(intent: Intent): string {
    const id = newId('', 48)
    this.#sessions.set(id, { intent, chunks: [], received: 0, state: 'open' })
    return id
  }

  /**
   * Takes a chunk, or answers how far the upload is.
   *
   * @throws {StorageError} 410 for a session that is gone, 400 for a chunk that does not fit, 412
   */
  write(bucket: Bucket, id: string, bytes: Buffer, range: ContentRange, announced: Checksums): Progress {
    const session = this.#find(id)
    if (typeof session.state === 'object') return { object: session.state.done }
    if (range.start === undefined) {
      return range.total === session.received
        ? { object: this.#finish(bucket, session, announced) }
        : { received: session.received }
    }
    const isLast = range.total !== undefined && range.start + bytes.byteLength === range.total
    const endless = range.end === undefined && range.total === undefined
    checkChunk(session, bytes, range, isLast || endless)
    // A writer may send again what has arrived already.
    const fresh = bytes.subarray(session.received - range.start)
    session.chunks.push(fresh)
    session.received += fresh.byteLength
    if (isLast || endless) return { object: this.#finish(bucket, session, announced) }
    return { received: session.received }
  }

  /** @throws {StorageError} 410 */
  cancel(id: string): void {
    const session = this.#find(id)
    session.state = 'cancelled'
    session.chunks = []
  }

  clear(): void {
    this.#sessions.clear()
  }

  #find(id: string): Session {
    const session = this.#sessions.get(id)
    if (!session || session.state === 'cancelled') {
      throw new StorageError(410, 'gone', 'The upload session is no longer available.')
    }
    return session
  }

  #finish(bucket: Bucket, session: Session, announced: Checksums): StoredObject {
    const { intent, chunks } = session
    bucket.demand(intent.name, intent.preconditions)
    const done = bucket.put(intent.name, Buffer.concat(chunks), intent, { ...intent.announced, ...announced })
    session.state = { done }
    session.chunks = []
    return done
  }
}

function checkChunk(
  { received }: Session,
  { byteLength }: Buffer,
  { start = 0, end, total }: ContentRange,
  isLast: boolean,
): void {
  if (end !== undefined && end - start + 1 !== byteLength) {
    throw invalid('Content-Range does not match the length of the body.')
  }
  if (total !== undefined && start + byteLength > total) throw invalid('More bytes than announced.')
  if (start > received) throw invalid(`The chunk starts at ${start}, but only ${received} bytes are here.`)
  if (start + byteLength < received) throw invalid('The chunk lies before what has arrived.')
  if (!isLast && byteLength % CHUNK_UNIT !== 0) {
    throw invalid(`A chunk that is not the last must be a multiple of ${CHUNK_UNIT} bytes.`)
  }
}

/**
 * @throws {StorageError} 400
 */
export function parseContentRange(header: string | undefined, length: number): ContentRange {
  if (header === undefined) return { start: 0, end: undefined, total: length }
  const match = /^bytes (?:\*|(\d+)-(\d+|\*))\/(\d+|\*)$/.exec(header)
  if (!match) throw invalid(`Failed to parse Content-Range header: ${header}`)
  const number = (text: string | undefined): number | undefined =>
    text === undefined || text === '*' ? undefined : Number(text)
  return { start: number(match[1]), end: number(match[2]), total: number(match[3]) }
}
