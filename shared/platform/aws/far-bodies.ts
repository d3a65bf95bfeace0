/**
 * Bodies of records that an item cannot hold, in the bucket. Each is noted before it is put and until it has gone, so that one whose
 * writer died is found: it is nobody's when its record, or the lack of it, does not name it.
 * @module
 */
import { collection } from '../collection.ts'
import { dueEntry, listDue } from '../due.ts'
import type { Bucket, Clock, Store, StoreRecord } from '../ports.ts'

interface FarBodyRecord {
  /** Its key in the bucket, of one write alone. */
  id: string
  /** The record it was written for. */
  record: { kind: string; id: string }
  /** Unix seconds: when to look whether it still is that record's. */
  due_at: number
}

/** In index `a`, where a store that removes by itself what has expired does not look: the body has to go with its note. */
const FAR_BODIES = collection<FarBodyRecord, 'due'>('far_body', body => body.id, {
  due: { slot: 'a', entry: ({ due_at, id }) => dueEntry(due_at, id, 'expired') },
})

/** Seconds between looks. Longer than any invocation lives: no one is still about to write a record that names the body. */
const LOOK_EVERY = 24 * 3600

export interface FarBodyOptions {
  /** Where the notes are. */
  store: Store
  bucket: Bucket
  clock: Clock
  /** The key that a record names, read consistently. */
  keyOf(kind: string, id: string): Promise<string | undefined>
}

export interface FarBodies {
  /** Puts a record's body. @returns its key, which the record is to name then */
  put(record: Pick<StoreRecord, 'kind' | 'id'>, bytes: Uint8Array): Promise<string>
  /** Removes a body that nothing names any more. What fails here is left to {@link sweep}. */
  remove(key: string): Promise<void>
  /** Removes bodies that no record names. One that cannot be removed keeps none of the others from it, and stays due. */
  sweep(limit: number): Promise<void>
}

export const createFarBodies = ({ store, bucket, clock, keyOf }: FarBodyOptions): FarBodies => {
  const nowSeconds = () => Math.floor(clock.now() / 1000)
  const discard = async (key: string): Promise<void> => {
    await bucket.delete(key)
    await FAR_BODIES.delete(store, key)
  }
  const look = async ({ id: key, record }: FarBodyRecord): Promise<void> => {
    if ((await keyOf(record.kind, record.id)) !== key) return discard(key)
    await FAR_BODIES.update(store, key, body => ({ ...body, due_at: nowSeconds() + LOOK_EVERY }))
  }

  return {
    async put({ kind, id }, bytes) {
      const key = `records/${kind}/${crypto.randomUUID()}`
      await FAR_BODIES.create(store, { id: key, record: { kind, id }, due_at: nowSeconds() + LOOK_EVERY })
      await bucket.put(key, bytes)
      return key
    },
    remove: key => discard(key).catch(() => undefined),
    async sweep(limit) {
      const due = await listDue(store, FAR_BODIES, nowSeconds(), limit, 'expired')
      const failures: unknown[] = []
      for (const body of due) await look(body).catch((error: unknown) => failures.push(error))
      if (failures.length > 0) throw failures[0]
    },
  }
}
