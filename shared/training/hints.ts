/**
 * What providers tell of their own accord only makes us ask.
 * @module
 */
import type { Context } from '../context.ts'
import { CLAIMS, hintKey, JOBS } from './records.ts'
import { refreshJob } from './refresh.ts'

/** Jobs of ours that one of a provider's may be: several accounts, or owners, may have it under the same id. */
const MOST_JOBS = 10

/**
 * Asks the provider at once about the jobs that it says have changed: what it says of them is not believed.
 * @returns how many jobs of this connection there were
 */
export const refreshNative = async (
  context: Context,
  connection: { name: string; provider: { id: string } },
  nativeId: string,
): Promise<number> => {
  const { store } = context.platform
  const partition = hintKey(connection.provider.id, nativeId)
  const { items } = await CLAIMS.list(store, 'hint', partition, { limit: MOST_JOBS })
  const jobs = await Promise.all(items.map(({ job }) => JOBS.get(store, job)))
  const known = jobs.flatMap(job => (job?.value.connection === connection.name ? [job.value] : []))
  for (const job of known) await refreshJob(context, job)
  return known.length
}
