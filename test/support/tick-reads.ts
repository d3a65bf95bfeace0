/** What a tick of the schedule reads of the real store, by what is stored and what is due. */
import type { D1Database, D1PreparedStatement, D1Result } from '@cloudflare/workers-types'
import { tick } from '../../functions/schedule.ts'
import { createD1Store } from '../../shared/platform/cloudflare/store.ts'
import { JOBS, type JobRecord } from '../../shared/training/records.ts'
import { jobRecord } from '../pure/support/job-record.ts'
import { createWorld } from '../pure/support/world.ts'

/** The database with a count of the rows that its engine says it read. */
const counting = (db: D1Database): { db: D1Database; rows: () => number } => {
  let rows = 0
  const note = <T>(result: D1Result<T>) => {
    rows += result.meta.rows_read
    return result
  }
  const wrap = (statement: D1PreparedStatement): Partial<D1PreparedStatement> => ({
    bind: (...values) => wrap(statement.bind(...values)) as D1PreparedStatement,
    all: async <T>() => note(await statement.all<T>()),
    run: async <T>() => note(await statement.run<T>()),
    first: async <T>() => note(await statement.all<T>()).results[0] ?? null,
  })
  return {
    db: { prepare: (sql: string) => wrap(db.prepare(sql)) } as unknown as D1Database,
    rows: () => rows,
  }
}

const SECOND = 1000

/** So many more of a job, under other ids: written by the engine itself, since a hundred thousand take minutes one by one. */
const MULTIPLY = `INSERT INTO records (kind, id, version, body, a_partition, a_sort, b_partition, b_sort)
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
SELECT kind, id || n, version, body, a_partition, a_sort || n, b_partition, b_sort || n FROM records, numbers WHERE id = ?1`

/** A job that runs on and on at the world's one account. */
const runningJob = (id: string, parts: Partial<JobRecord>): JobRecord => {
  const target = {
    provider: 'openai',
    connection: 'main',
    account: 'main',
    native_model: 'gpt-4.1-mini-2025-04-14',
    estimate: { missing: 'in a test' },
  }
  return jobRecord({ ...target, targets: [target], id, native_id: `native-${id}`, ...parts })
}

/**
 * Fills an empty database with jobs, of which some are due, half of the others are over and half are asked after later; then
 * fires the schedule once.
 * @returns rows read by the tick, and how many jobs it asked the provider about
 */
export const measureTick = async (
  empty: D1Database,
  { stored, due }: { stored: number; due: number },
): Promise<{ rows: number; asked: number }> => {
  const world = createWorld(['main'])
  const account = world.accounts.main
  if (!account) throw new Error('the world has no account')
  account.fate = () => undefined
  const now = Math.floor(world.platform.clock.now() / SECOND)
  const store = createD1Store(empty)
  const jobs = Array.from({ length: due }, (_, index) => {
    const id = `ftjob-due${String(index).padStart(6, '0')}`
    account.jobs.push({
      ...{ id: `native-${id}`, status: 'running', label: id },
      ...{ model: 'gpt-4.1-mini-2025-04-14', error: null },
    })
    return runningJob(id, { due_at: now - due + index })
  })
  const over = runningJob('ftjob-over', { stage: 'over', status: 'succeeded' })
  const later = runningJob('ftjob-later', { due_at: now + 60 })
  await JOBS.putAll(store, [...jobs, over, later])
  for (const { id } of [over, later])
    await empty
      .prepare(MULTIPLY)
      .bind(id, Math.floor((stored - due) / 2) - 1)
      .run()
  let asked = 0
  account.mood = (method, path) => {
    if (method === 'GET' && /\/jobs\/[^/]+$/.test(path)) asked++
    return 'well'
  }
  const counted = counting(empty)
  const { context } = world.process()
  await tick({ ...context, platform: { ...context.platform, store: createD1Store(counted.db) } })
  return { rows: counted.rows(), asked }
}
