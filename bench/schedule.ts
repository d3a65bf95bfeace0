/**
 * What the schedule reads to find what is due, with a thousand and with a hundred thousand jobs stored: rows, as D1's engine
 * counts them.
 *
 * @module
 */
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { D1Database } from '@cloudflare/workers-types'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { unstable_splitSqlQuery } from 'wrangler'
import { measureTick } from '../test/support/tick-reads.ts'
import { ROOT } from './bundle.ts'
import { spread } from './load.ts'
import type { Row } from './report.ts'

const DUE = 50
const FEW = 1000
const FULL_MANY = 100_000
const QUICK_MANY = 10_000

/** A database of its own, made anew by the migrations. */
async function withDatabase<T>(scratch: string, work: (database: D1Database) => Promise<T>): Promise<T> {
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      workers: [
        {
          name: 'database',
          modules: true,
          script: 'export default { fetch: () => new Response(null, { status: 404 }) }',
          compatibilityDate: '2026-10-01',
          d1Databases: ['DB'],
        },
      ],
      log: new Log(LogLevel.NONE),
    }),
    resourcePersistencePath: await mkdtemp(join(scratch, 'schedule-')),
  })
  try {
    const database = await miniflare.getD1Database('DB', 'database')
    const folder = join(ROOT, 'migrations')
    for (const name of (await readdir(folder)).sort())
      for (const statement of unstable_splitSqlQuery(await readFile(join(folder, name), 'utf8')))
        await database.prepare(statement).run()
    return await work(database as unknown as D1Database)
  } finally {
    await miniflare.dispose()
  }
}

/** Measures one tick with few jobs stored and one with many, as many of them due. */
export async function schedule(scratch: string, quick: boolean): Promise<Row[]> {
  const stored = quick ? QUICK_MANY : FULL_MANY
  const tick = async (jobs: number) => {
    const { rows, asked } = await withDatabase(scratch, database =>
      measureTick(database, { stored: jobs, due: DUE }),
    )
    if (asked !== DUE) throw new Error(`the tick asked about ${asked} jobs of ${DUE}`)
    return spread([rows])
  }
  const [few, many] = [await tick(FEW), await tick(stored)]
  return [
    {
      section: 'schedule',
      beside: `${FEW.toLocaleString('en-US')} jobs stored`,
      name: `a tick with ${DUE} jobs due, ${stored.toLocaleString('en-US')} stored`,
      unit: 'rows read',
      gateway: many,
      bare: few,
      by: 'ratio',
      compared: spread([many.median / few.median]),
      goal: { most: 1 },
    },
  ]
}
