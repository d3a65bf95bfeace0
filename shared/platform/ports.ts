/**
 * The narrow waist between the domain and the platform it runs on. `docs/storage.md` lists what is kept where.
 * @module
 */

/** Each record has up to two index entries. A slot is a pair of columns in D1, a secondary index in DynamoDB. */
export type IndexSlot = 'a' | 'b'

/** Where a record stands in an index: all of one partition, in the order of `sort` (unique within it). */
export interface IndexEntry {
  partition: string
  sort: string
}

export interface StoreRecord {
  kind: string
  id: string
  /** JSON. */
  body: string
  indexes: Partial<Record<IndexSlot, IndexEntry>>
}

export interface StoredRecord {
  id: string
  body: string
  /** Grows by one with each write. */
  version: number
}

export interface ListQuery {
  kind: string
  slot: IndexSlot
  partition: string
  order: 'asc' | 'desc'
  /** At most this many records. */
  limit: number
  /** Only what follows this sort key, in the given order. The key itself need not exist any more. */
  after?: string
  /** Only sort keys below this one, whatever the order. */
  below?: string
}

/** Records with optimistic concurrency. Single-record conditional writes only: what D1 and DynamoDB share. */
export interface Store {
  get(kind: string, id: string): Promise<StoredRecord | undefined>
  /**
   * Writes one record if it is still as expected.
   * @returns the new version, or undefined when the expectation failed and nothing was written.
   */
  put(record: StoreRecord, expect: 'absent' | number): Promise<number | undefined>
  /** Writes records whose content follows from their id, so that writing one twice changes nothing. */
  putAll(records: StoreRecord[]): Promise<void>
  delete(kind: string, id: string): Promise<void>
  list(query: ListQuery): Promise<StoredRecord[]>
  /**
   * Removes what writes that did not come to their end have left behind, at most so much of it. A store whose writes leave nothing
   * has no such method.
   */
  sweep?(limit: number): Promise<void>
}

export interface BucketObject {
  body: ReadableStream<Uint8Array>
  /** Bytes of the whole object, whatever range of it the body is. */
  size: number
}

/** Parts are equal in size but for the last, at least 5 MiB (R2, S3). */
export interface MultipartUpload {
  /** @param number from 1 */
  part(number: number, bytes: Uint8Array): Promise<void>
  complete(): Promise<void>
  abort(): Promise<void>
}

export interface BucketListing {
  /** In the order of their keys' bytes. */
  objects: { key: string; bytes: number }[]
  hasMore: boolean
}

/** Writes one object by itself, whoever sends it. */
export interface PresignedPut {
  url: string
  /** Headers that have to be sent with it. */
  headers: Record<string, string>
}

export interface Bucket {
  put(key: string, bytes: Uint8Array): Promise<void>
  startMultipart(key: string): Promise<MultipartUpload>
  /** @param from the byte to begin at, up to the object's size */
  get(key: string, from?: number): Promise<BucketObject | undefined>
  /** Bytes of an object, or undefined where there is none. */
  size(key: string): Promise<number | undefined>
  /** Objects that are not there do no harm. */
  delete(...keys: string[]): Promise<void>
  /** @param after a key, which need not exist: only later ones are listed */
  list(prefix: string, after?: string): Promise<BucketListing>
  /**
   * A URL that takes one object of exactly this size, and only while there is none of its key: what has been written cannot be
   * replaced. Where a deployment has no such URLs there is no method, or no answer.
   */
  presignPut?(key: string, terms: { bytes: number; seconds: number }): Promise<PresignedPut | undefined>
}

/**
 * One step of work, told by the record it is about; all else is in the store. Doing a step twice does no harm, and one that is
 * lost is found again by the schedule.
 */
export interface Task {
  /** A name in `functions/tasks.ts`. */
  type: string
  id: string
}

/** Work to be done soon, at least once, in no order. */
export interface Queue {
  /** @param delaySeconds before it may begin */
  enqueue(task: Task, delaySeconds?: number): Promise<void>
}

/** The last link of the credential chain. */
export interface Secrets {
  get(name: string): Promise<string | undefined>
}

/** The deployment's environment variables. */
export interface Environment {
  get(name: string): string | undefined
}

export interface Clock {
  /** Unix milliseconds. */
  now(): number
  sleep(ms: number): Promise<void>
}

export interface Ids {
  /** A new id with this prefix. Ids of one prefix sort by the time they were made, to the millisecond. */
  next(prefix: string): string
}

/** Reads a body piece by piece. */
export interface ChunkReader {
  /**
   * @param spent an earlier chunk that nothing refers to any more: its memory is used again where the platform can, so that a
   *   long body leaves no garbage. It must not be touched afterwards.
   * @returns undefined at the end
   */
  next(spent?: Uint8Array): Promise<Uint8Array | undefined>
  cancel(): Promise<void>
}

export type BodyPiece = Uint8Array | ReadableStream<Uint8Array> | (() => Promise<ReadableStream<Uint8Array>>)

/** Everything the domain needs of the platform it runs on. */
export interface Platform {
  store: Store
  bucket: Bucket
  queue: Queue
  secrets: Secrets
  environment: Environment
  clock: Clock
  ids: Ids
  fetch(request: Request | string, init?: RequestInit): Promise<Response>
  /**
   * Passes a body that `fetch` gave on as it is, by the platform's own means, and appends what `atEnd` makes of its last bytes
   * and of the error that broke it, if one did. Cancelling the result cancels the body.
   */
  relay(
    body: ReadableStream<Uint8Array>,
    atEnd: (tail: Uint8Array, broken: { cause: unknown } | undefined) => Uint8Array | undefined,
  ): ReadableStream<Uint8Array>
  /** Reads a request's body in chunks that are worth their handling. */
  chunks(body: ReadableStream<Uint8Array>): ChunkReader
  /** Whether calls still under way are ended with the request that made them. */
  endsCallsWithRequest: boolean
  /** Whether a request's signal tells that its client has left. Where not, what nobody reads any more goes on. */
  hearsClientsLeave: boolean
  /** A body of known length out of pieces, streamed one after the other; those that are functions are opened when their turn comes. */
  sizedBody(pieces: BodyPiece[], size: number): ReadableStream<Uint8Array>
  /** Lets work go on after the answer is sent. */
  defer(work: Promise<unknown>): void
}
