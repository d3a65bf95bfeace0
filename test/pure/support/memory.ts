/** The ports in memory, as their contracts say, with knobs to make them fail. */
import { relay } from '../../../shared/platform/aws/streams.ts'
import type {
  Bucket,
  Clock,
  ListQuery,
  Platform,
  Store,
  StoredRecord,
  StoreRecord,
  Task,
} from '../../../shared/platform/index.ts'
import { createIds, plainChunks } from '../../../shared/platform/index.ts'
import { joined, readAll, streamOf } from './bytes.ts'

interface Row extends StoreRecord {
  version: number
}

export interface MemoryStore extends Store {
  /** Called before each conditional write of an existing record: another writer's chance. */
  beforeUpdate: (id: string) => Promise<void> | void
  /** Every query that was asked. */
  queries: ListQuery[]
}

export const memoryStore = (): MemoryStore => {
  const rows = new Map<string, Row>()
  const keyOf = ({ kind, id }: Pick<StoreRecord, 'kind' | 'id'>) => `${kind}\n${id}`
  const write = (record: StoreRecord): number => {
    const version = (rows.get(keyOf(record))?.version ?? 0) + 1
    rows.set(keyOf(record), { ...record, version })
    return version
  }
  const stored = ({ id, body, version }: Row): StoredRecord => ({ id, body, version })
  const store: MemoryStore = {
    queries: [],
    beforeUpdate: () => undefined,
    async get(kind, id) {
      const row = rows.get(keyOf({ kind, id }))
      return row && stored(row)
    },
    async put(record, expect) {
      if (expect !== 'absent') await store.beforeUpdate(record.id)
      const version = rows.get(keyOf(record))?.version
      return version === (expect === 'absent' ? undefined : expect) ? write(record) : undefined
    },
    async putAll(records) {
      for (const record of records) write(record)
    },
    async delete(kind, id) {
      rows.delete(keyOf({ kind, id }))
    },
    async list(query) {
      store.queries.push(query)
      const { kind, slot, partition, order, limit, after, below } = query
      const direction = order === 'asc' ? 1 : -1
      return [...rows.values()]
        .flatMap(row => {
          const entry = row.indexes[slot]
          return row.kind === kind && entry?.partition === partition ? [{ row, sort: entry.sort }] : []
        })
        .filter(({ sort }) => after === undefined || (order === 'asc' ? sort > after : sort < after))
        .filter(({ sort }) => below === undefined || sort < below)
        .sort((a, b) => (a.sort < b.sort ? -direction : direction))
        .slice(0, limit)
        .map(({ row }) => stored(row))
    },
  }
  return store
}

export interface MemoryBucket extends Bucket {
  objects: Map<string, Uint8Array>
  /** The parts of each multipart upload, in the order they came. */
  uploads: { parts: Uint8Array[]; state: 'open' | 'completed' | 'aborted' }[]
  /** Thrown by the next calls of this name. */
  failing: Partial<Record<'put' | 'part' | 'complete', Error>>
  /** When the parts that are sent have arrived. */
  arriving: Promise<void>
}

export const memoryBucket = (): MemoryBucket => {
  const fail = (name: keyof MemoryBucket['failing']) => {
    const error = bucket.failing[name]
    if (error) throw error
  }
  const bucket: MemoryBucket = {
    objects: new Map(),
    uploads: [],
    failing: {},
    arriving: Promise.resolve(),
    async put(key, bytes) {
      fail('put')
      bucket.objects.set(key, bytes.slice())
    },
    async startMultipart(key) {
      const upload: MemoryBucket['uploads'][number] = { parts: [], state: 'open' }
      bucket.uploads.push(upload)
      const mustBeOpen = () => {
        if (upload.state !== 'open') throw new Error(`the upload is ${upload.state}`)
      }
      return {
        async part(number, bytes) {
          fail('part')
          // Whoever goes on meanwhile must not touch the bytes.
          await bucket.arriving
          mustBeOpen()
          if (number !== upload.parts.length + 1) throw new Error(`part ${number} out of turn`)
          upload.parts.push(bytes.slice())
        },
        async complete() {
          fail('complete')
          mustBeOpen()
          upload.state = 'completed'
          bucket.objects.set(key, joined(upload.parts))
        },
        async abort() {
          mustBeOpen()
          upload.state = 'aborted'
        },
      }
    },
    async get(key, from = 0) {
      const bytes = bucket.objects.get(key)
      return bytes && { body: streamOf([bytes.subarray(from)]), size: bytes.length }
    },
    size: async key => bucket.objects.get(key)?.length,
    async delete(...keys) {
      for (const key of keys) bucket.objects.delete(key)
    },
    async list(prefix, after = '') {
      const objects = [...bucket.objects]
        .filter(([key]) => key.startsWith(prefix) && key > after)
        .map(([key, bytes]) => ({ key, bytes: bytes.length }))
        .sort((a, b) => (a.key < b.key ? -1 : 1))
      return { objects, hasMore: false }
    },
  }
  return bucket
}

export interface FakeClock extends Clock {
  time: number
  /** Milliseconds of every sleep. */
  slept: number[]
}

/** A clock that stands still but for its sleepers. */
export const fakeClock = (time = Date.UTC(2026, 10, 20)): FakeClock => {
  const clock: FakeClock = {
    time,
    slept: [],
    now: () => clock.time,
    async sleep(ms) {
      clock.slept.push(ms)
      clock.time += ms
    },
  }
  return clock
}

export interface MemoryPlatform extends Platform {
  store: MemoryStore
  bucket: MemoryBucket
  clock: FakeClock
  variables: Record<string, string | undefined>
  vault: Record<string, string | undefined>
  /** What was enqueued, in order. */
  tasks: (Task & { delaySeconds: number })[]
}

/** @param answer the network */
export const memoryPlatform = (answer: (request: Request) => Promise<Response>): MemoryPlatform => {
  const clock = fakeClock()
  const platform: MemoryPlatform = {
    store: memoryStore(),
    bucket: memoryBucket(),
    clock,
    tasks: [],
    queue: {
      async enqueue(task, delaySeconds = 0) {
        platform.tasks.push({ ...task, delaySeconds })
      },
    },
    ids: createIds(clock),
    variables: {},
    vault: {},
    environment: { get: name => platform.variables[name] },
    secrets: { get: async name => platform.vault[name] },
    fetch: (request, init) => answer(new Request(request, init)),
    sizedBody: (pieces, size) =>
      new ReadableStream<Uint8Array>({
        async start(controller) {
          const bytes = await Promise.all(
            pieces.map(async each => {
              const piece = typeof each === 'function' ? await each() : each
              return piece instanceof ReadableStream ? readAll(piece) : piece
            }),
          )
          const all = joined(bytes)
          if (all.length !== size) controller.error(new Error(`${all.length} bytes, announced as ${size}`))
          else {
            controller.enqueue(all)
            controller.close()
          }
        },
      }),
    relay,
    chunks: plainChunks,
    endsCallsWithRequest: false,
    hearsClientsLeave: true,
    defer: () => undefined,
  }
  return platform
}
