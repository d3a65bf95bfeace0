/**
 * What the gateway has really kept: the files behind the local D1 and R2, read beside the running gateway.
 * @module
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Kept, Stored } from '../../../sandbox/stack.ts'

const filesBelow = (directory: string): string[] =>
  existsSync(directory)
    ? readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(entry => join(entry.parentPath, entry.name))
    : []

/** Rows of every database below a directory that has the table. */
const rowsOf = (directory: string, table: string, sql: string): Record<string, unknown>[] =>
  filesBelow(directory)
    .filter(path => path.endsWith('.sqlite'))
    .flatMap(path => {
      const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
      try {
        const has = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table)
        return has ? db.prepare(sql).all() : []
      } finally {
        db.close()
      }
    })

const storedIn = (persistTo: string): Stored => {
  const records = rowsOf(
    join(persistTo, 'v3/d1'),
    'records',
    'SELECT kind, count(*) AS n FROM records GROUP BY kind ORDER BY kind',
  )
  const r2 = join(persistTo, 'v3/r2')
  return {
    records: Object.fromEntries(records.map(({ kind, n }) => [String(kind), Number(n)])),
    objects: rowsOf(r2, '_mf_objects', 'SELECT key FROM _mf_objects').length,
    // States: 0 in progress, 1 completed, 2 aborted.
    openUploads: rowsOf(r2, '_mf_multipart_uploads', 'SELECT 1 FROM _mf_multipart_uploads WHERE state = 0')
      .length,
  }
}

/** @param persistTo where wrangler keeps its local state */
export const keptIn = (persistTo: string): Kept => ({
  stored: () => storedIn(persistTo),
  records: async kind =>
    rowsOf(join(persistTo, 'v3/d1'), 'records', 'SELECT kind, body FROM records')
      .filter(row => kind === undefined || row.kind === kind)
      .map(({ body }) => JSON.parse(String(body))),
  // The database's own journals included.
  holding: async text =>
    ['v3/d1', 'v3/r2']
      .flatMap(part => filesBelow(join(persistTo, part)))
      .filter(path => readFileSync(path).includes(text)),
})
