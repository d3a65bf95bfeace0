/**
 * Hyperparameters that have gone well: from the owner's own past jobs on datasets of a similar size.
 * @module
 */
import type { Context } from '../context.ts'
import { findFile } from '../datasets/index.ts'
import { type Best, bestOf, byBest } from './compare.ts'
import { jobMetrics } from './metrics.ts'
import { JOBS, type JobRecord, toJobObject } from './records.ts'
import { namesOf } from './route.ts'

/** Datasets within this factor of each other in their number of examples are of a similar size. */
const SIMILAR = 3
/** Past jobs looked at, newest first. */
const MOST_LOOKED_AT = 200
/** Jobs a suggestion rests on. */
const MOST_USED = 5

export interface Suggestion {
  object: 'fine_tuning.suggestion'
  model: string
  examples: number | null
  /** Null where no job of the owner's is alike. */
  hyperparameters: unknown
  /** The jobs it rests on, the best first; the suggestion is the first one's. */
  jobs: { id: string; examples: number; hyperparameters: unknown; best: Best | null }[]
}

const isSimilar = (a: number, b: number) => Math.max(a, b) <= SIMILAR * Math.min(a, b)

/** What to begin with (`GET /v1/fine_tuning/suggestions`). */
export const suggest = async (
  context: Context,
  owner: string,
  { model, training_file }: { model: string; training_file: string },
): Promise<Suggestion> => {
  const { examples } = await findFile(context, owner, training_file, 'training_file')
  const names = namesOf(model.split('/').at(-1) ?? model)
  const isAlike = ({ status, native_model }: JobRecord) => status === 'succeeded' && names.has(native_model)
  const { items } = await JOBS.list(
    context.platform.store,
    'owner',
    owner,
    { limit: MOST_LOOKED_AT },
    isAlike,
  )
  const rows: Suggestion['jobs'] = []
  for (const job of items) {
    if (examples === null || rows.length >= MOST_LOOKED_AT) break
    const file = await findFile(context, owner, job.request.training_file).catch(() => undefined)
    if (!file?.examples || !isSimilar(file.examples, examples)) continue
    const { points } = await jobMetrics(context, owner, job.id)
    rows.push({
      id: job.id,
      examples: file.examples,
      hyperparameters: toJobObject(job).hyperparameters,
      best: bestOf(points),
    })
  }
  const jobs = rows.sort(byBest).slice(0, MOST_USED)
  return {
    object: 'fine_tuning.suggestion',
    model,
    examples,
    hyperparameters: jobs[0]?.hyperparameters ?? null,
    jobs,
  }
}
