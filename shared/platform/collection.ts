/**
 * One kind of record above the Store: JSON in and out, its indexes declared beside it.
 * @module
 */
import { ApiError } from '../openai/index.ts'
import type { IndexEntry, IndexSlot, Store } from './ports.ts'

/** A record's value together with the version it was read at. */
export interface Versioned<T> {
  value: T
  version: number
}

export interface Page<T> {
  items: T[]
  hasMore: boolean
}

export interface PageQuery {
  limit: number
  after?: string | undefined
  /** Only sort keys below this one. */
  below?: string | undefined
  order?: 'asc' | 'desc'
}

export interface Collection<T, Index extends string> {
  readonly kind: string
  get(store: Store, id: string): Promise<Versioned<T> | undefined>
  /** @returns false when a record of that id is already there. */
  create(store: Store, value: T): Promise<boolean>
  /**
   * Reads, changes and writes until no one else wrote in between. `change` may run more than once; returning the same
   * object means nothing is to be written.
   * @returns the record as it now is, or undefined when there is none.
   */
  update(store: Store, id: string, change: (value: T) => T): Promise<T | undefined>
  /** For records whose content follows from their id. */
  putAll(store: Store, values: T[]): Promise<void>
  delete(store: Store, id: string): Promise<void>
  /** @param keep leaves records out; the page is still filled up to its limit. */
  list(
    store: Store,
    index: Index,
    partition: string,
    query: PageQuery,
    keep?: (value: T) => boolean,
  ): Promise<Page<T>>
}

/** How often an update is tried against others' writes before it gives up. */
const UPDATE_TRIES = 8
/** Records read at a time while filling a page. */
const LIST_CHUNK = 500

/**
 * Declares a kind of record.
 * @param indexes for each index its slot and where a record stands in it; the sort key is what `after` means in lists.
 */
export const collection = <T, Index extends string = never>(
  kind: string,
  idOf: (value: T) => string,
  indexes: Record<Index, { slot: IndexSlot; entry: (value: T) => IndexEntry | undefined }>,
): Collection<T, Index> => {
  const toRecord = (value: T) => {
    const entries: Partial<Record<IndexSlot, IndexEntry>> = {}
    for (const index of Object.values<{ slot: IndexSlot; entry: (value: T) => IndexEntry | undefined }>(
      indexes,
    )) {
      const entry = index.entry(value)
      if (entry) entries[index.slot] = entry
    }
    return { kind, id: idOf(value), body: JSON.stringify(value), indexes: entries }
  }
  const parse = (body: string): T => JSON.parse(body)

  const self: Collection<T, Index> = {
    kind,
    async get(store, id) {
      const record = await store.get(kind, id)
      return record && { value: parse(record.body), version: record.version }
    },
    async create(store, value) {
      return (await store.put(toRecord(value), 'absent')) !== undefined
    },
    async update(store, id, change) {
      for (let tries = 0; tries < UPDATE_TRIES; tries++) {
        const current = await self.get(store, id)
        if (!current) return undefined
        const next = change(current.value)
        if (next === current.value) return next
        if ((await store.put(toRecord(next), current.version)) !== undefined) return next
      }
      throw new ApiError({
        status: 409,
        code: 'conflict',
        message: `The ${kind} is being changed by others; try again.`,
      })
    },
    putAll: (store, values) => store.putAll(values.map(toRecord)),
    delete: (store, id) => store.delete(kind, id),
    async list(store, index, partition, query, keep = () => true) {
      const { slot, entry } = indexes[index]
      const items: T[] = []
      const order = query.order ?? 'desc'
      // One more than asked for tells whether there is more.
      const wanted = query.limit + 1
      for (let after = query.after; items.length < wanted; ) {
        const limit = Math.min(wanted - items.length, LIST_CHUNK)
        const records = await store.list({
          kind,
          slot,
          partition,
          order,
          limit,
          ...(after !== undefined && { after }),
          ...(query.below !== undefined && { below: query.below }),
        })
        const values = records.map(record => parse(record.body))
        items.push(...values.filter(keep))
        const last = values.at(-1)
        if (last === undefined || records.length < limit) break
        after = entry(last)?.sort
      }
      return { items: items.slice(0, query.limit), hasMore: items.length > query.limit }
    },
  }
  return self
}
