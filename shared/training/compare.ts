/**
 * Jobs side by side: aligned series, where each was best, where it stopped learning.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest } from '../openai/index.ts'
import { jobMetrics, METRICS, type Metric, type MetricPoint } from './metrics.ts'
import { type JobRecord, toJobObject } from './records.ts'

/** Jobs compared at once. */
export const MOST_COMPARED = 16

/** Validation loss by step: the whole file's where it was measured, else a batch's. */
const validation = (points: readonly MetricPoint[]): { step: number; loss: number; metric: Metric }[] => {
  const metric: Metric = points.some(({ full_valid_loss }) => full_valid_loss !== undefined)
    ? 'full_valid_loss'
    : 'valid_loss'
  return points.flatMap(({ step, [metric]: loss }) => (loss === undefined ? [] : [{ step, loss, metric }]))
}

export interface Best {
  step: number
  metric: Metric
  value: number
}

/** Where a job was best: the least validation loss, or without one the least training loss; the earliest of equals. */
export const bestOf = (points: readonly MetricPoint[]): Best | null => {
  const measured = validation(points)
  const candidates =
    measured.length > 0
      ? measured
      : points.flatMap(({ step, train_loss: loss }) =>
          loss === undefined ? [] : [{ step, loss, metric: 'train_loss' as const }],
        )
  const [first, ...rest] = candidates
  if (!first) return null
  const best = rest.reduce((least, each) => (each.loss < least.loss ? each : least), first)
  return { step: best.step, metric: best.metric, value: best.loss }
}

/** By how much a loss must be less than the best so far to be an improvement, as a share of it. */
const WORTH = 0.001

/**
 * The step after which validation loss no longer improves, though more was measured after it.
 * @returns null where it was still improving at the end, or was measured less than three times
 */
export const plateauOf = (points: readonly MetricPoint[]): number | null => {
  const measured = validation(points)
  if (measured.length < 3) return null
  let best = measured[0]
  for (const each of measured) if (best && each.loss < best.loss * (1 - WORTH)) best = each
  return best && best.step !== measured.at(-1)?.step ? best.step : null
}

export interface Comparison {
  object: 'fine_tuning.comparison'
  /** In the order of their best validation loss; those without one last. */
  jobs: {
    id: string
    model: string
    provider: string
    status: string
    fine_tuned_model: string | null
    hyperparameters: unknown
    best: Best | null
    /** The step after which validation loss no longer improves. */
    no_better_after_step: number | null
    last: MetricPoint | null
    trained_tokens: number | null
    estimated_cost_usd: number | null
    cost_usd: number | null
  }[]
  /** For each metric that any job has: each job's values at the steps, null where it has none. */
  series: Partial<Record<Metric, { steps: number[]; values: Record<string, (number | null)[]> }>>
}

const seriesOf = (metric: Metric, all: readonly { id: string; points: MetricPoint[] }[]) => {
  const measured = all.map(({ id, points }) => ({
    id,
    values: new Map(
      points.flatMap(point => (point[metric] === undefined ? [] : [[point.step, point[metric]]])),
    ),
  }))
  const steps = [...new Set(measured.flatMap(({ values }) => [...values.keys()]))].sort((a, b) => a - b)
  return {
    steps,
    values: Object.fromEntries(
      measured.map(({ id, values }) => [id, steps.map(step => values.get(step) ?? null)]),
    ),
  }
}

const rowOf = (job: JobRecord, points: MetricPoint[]): Comparison['jobs'][number] => {
  const { id, model, status, fine_tuned_model, hyperparameters, trained_tokens, tunegate } = toJobObject(job)
  return {
    ...{ id, model, provider: tunegate.provider, status, fine_tuned_model, hyperparameters },
    best: bestOf(points),
    no_better_after_step: plateauOf(points),
    last: points.at(-1) ?? null,
    trained_tokens,
    estimated_cost_usd: tunegate.estimated_cost_usd,
    cost_usd: tunegate.cost_usd,
  }
}

/** The better before the worse. A training loss says nothing about what was not seen: it comes after any validation loss. */
export const byBest = (a: { best: Best | null }, b: { best: Best | null }): number => {
  const rank = ({ best }: { best: Best | null }) => (best === null ? 2 : best.metric === 'train_loss' ? 1 : 0)
  return rank(a) - rank(b) || (a.best?.value ?? 0) - (b.best?.value ?? 0)
}

/**
 * Compares jobs of one owner (`GET /v1/fine_tuning/compare?jobs=a,b`).
 * @throws {ApiError} 404 for one that is not theirs
 */
export const compareJobs = async (
  context: Context,
  owner: string,
  ids: readonly string[],
): Promise<Comparison> => {
  if (ids.length === 0 || ids.length > MOST_COMPARED)
    throw badRequest('jobs', `From 1 to ${MOST_COMPARED} jobs are compared: ?jobs=ftjob-…,ftjob-….`)
  const all: { id: string; job: JobRecord; points: MetricPoint[] }[] = []
  for (const id of new Set(ids)) all.push({ id, ...(await jobMetrics(context, owner, id)) })
  const measured = METRICS.filter(metric =>
    all.some(({ points }) => points.some(point => point[metric] !== undefined)),
  )
  return {
    object: 'fine_tuning.comparison',
    jobs: all.map(({ job, points }) => rowOf(job, points)).sort(byBest),
    series: Object.fromEntries(measured.map(metric => [metric, seriesOf(metric, all)])),
  }
}
