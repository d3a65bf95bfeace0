/**
 * The Store on D1. Bound parameters only; the table is `migrations/0001_records.sql`.
 * @module
 */
import type { D1Database } from '@cloudflare/workers-types'
import type { ListQuery, Store, StoredRecord, StoreRecord } from '../ports.ts'

const INSERT = `INSERT INTO records (kind, id, version, body, a_partition, a_sort, b_partition, b_sort)
VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7)`
const CREATE = `${INSERT} ON CONFLICT DO NOTHING RETURNING version`
const UPSERT = `${INSERT} ON CONFLICT DO UPDATE SET version = version + 1, body = ?3,
a_partition = ?4, a_sort = ?5, b_partition = ?6, b_sort = ?7`
const UPDATE = `UPDATE records SET version = version + 1, body = ?3, a_partition = ?4, a_sort = ?5, b_partition = ?6, b_sort = ?7
WHERE kind = ?1 AND id = ?2 AND version = ?8 RETURNING version`

/**
 * One statement for each slot and order, so that no identifier is ever built from data. Both bounds are always there: SQLite
 * reads only the index between them, where a bound that may be null would make it read from the partition's start.
 */
const listSql = (slot: 'a' | 'b', order: 'asc' | 'desc') => `SELECT id, version, body FROM records
WHERE kind = ?1 AND ${slot}_partition = ?2 AND ${slot}_sort > ?3 AND ${slot}_sort < ?4
ORDER BY ${slot}_sort ${order} LIMIT ?5`
const LIST = {
  a: { asc: listSql('a', 'asc'), desc: listSql('a', 'desc') },
  b: { asc: listSql('b', 'asc'), desc: listSql('b', 'desc') },
}

/** Below and above every sort key, by the order of their UTF-8 bytes. */
const [LOWEST, HIGHEST] = ['', '\u{10ffff}']

const lower = (a = HIGHEST, b = HIGHEST) => (a < b ? a : b)

/** Statements in one D1 batch. */
const BATCH = 100

const values = ({ kind, id, body, indexes: { a, b } }: StoreRecord) => [
  kind,
  id,
  body,
  a?.partition ?? null,
  a?.sort ?? null,
  b?.partition ?? null,
  b?.sort ?? null,
]

export const createD1Store = (db: D1Database): Store => ({
  async get(kind, id) {
    const row = await db
      .prepare('SELECT id, version, body FROM records WHERE kind = ?1 AND id = ?2')
      .bind(kind, id)
      .first<StoredRecord>()
    return row ?? undefined
  },
  async put(record, expect) {
    const statement =
      expect === 'absent'
        ? db.prepare(CREATE).bind(...values(record))
        : db.prepare(UPDATE).bind(...values(record), expect)
    const row = await statement.first<{ version: number }>()
    return row?.version
  },
  async putAll(records) {
    for (let start = 0; start < records.length; start += BATCH) {
      const statement = db.prepare(UPSERT)
      await db.batch(records.slice(start, start + BATCH).map(record => statement.bind(...values(record))))
    }
  },
  async delete(kind, id) {
    await db.prepare('DELETE FROM records WHERE kind = ?1 AND id = ?2').bind(kind, id).run()
  },
  async list({ kind, slot, partition, order, limit, after, below }: ListQuery) {
    const [from, to] = order === 'asc' ? [after ?? LOWEST, below ?? HIGHEST] : [LOWEST, lower(after, below)]
    const { results } = await db
      .prepare(LIST[slot][order])
      .bind(kind, partition, from, to, limit)
      .all<StoredRecord>()
    return results
  },
})
