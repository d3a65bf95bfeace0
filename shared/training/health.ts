/**
 * How connections have fared of late: whom `provider: "auto"` had better not ask first.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { collection } from '../platform/index.ts'

/** Seconds after which a failure is forgotten. */
const MEMORY = 900
const MOST_KEPT = 20

interface HealthRecord {
  connection: string
  /** Unix seconds, oldest first. */
  failed_at: number[]
}

const HEALTH = collection<HealthRecord>('health', ({ connection }) => connection, {})

export interface Health {
  /** Attempts that failed within the last quarter of an hour. */
  failures: number
}

export const healthOf = async (context: Context, connection: string): Promise<Health> => {
  const record = (await HEALTH.get(context.platform.store, connection))?.value
  const since = nowSeconds(context) - MEMORY
  return { failures: record?.failed_at.filter(at => at > since).length ?? 0 }
}

/** Remembers that a connection has failed a job. */
export const noteFailure = async (context: Context, connection: string): Promise<void> => {
  const { store } = context.platform
  const now = nowSeconds(context)
  const isNew = await HEALTH.create(store, { connection, failed_at: [now] })
  if (isNew) return
  await HEALTH.update(store, connection, record => ({
    ...record,
    failed_at: [...record.failed_at.filter(at => at > now - MEMORY), now].slice(-MOST_KEPT),
  }))
}
