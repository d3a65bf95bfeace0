/**
 * A job's metrics, whatever its provider tells them by: one point for each step, under OpenAI's names.
 * @module
 */
import { parse } from 'csv-parse/sync'
import type { Context } from '../context.ts'
import { findFile, readFile } from '../datasets/index.ts'
import { ApiError } from '../openai/index.ts'
import { isOutOfReach, ProviderFault, reconnect } from '../providers/index.ts'
import { syncEvents } from './feed.ts'
import { getJob, jobCheckpoints } from './jobs.ts'
import { EVENTS, type JobRecord } from './records.ts'

/** OpenAI's names of what is measured (fine-tuning events and checkpoints). */
export const METRICS = [
  'train_loss',
  'train_mean_token_accuracy',
  'valid_loss',
  'valid_mean_token_accuracy',
  'full_valid_loss',
  'full_valid_mean_token_accuracy',
  'train_reward_mean',
  'valid_reward_mean',
] as const
export type Metric = (typeof METRICS)[number]

/** What was measured at one step; what was not is left out. */
export type MetricPoint = { step: number } & Partial<Record<Metric, number>>

/** Other names for the same, by provider's files: OpenAI and Azure (`results.csv`), Bedrock (`*_metrics.csv`). */
const ALIASES: Readonly<Record<string, Metric | 'step'>> = {
  ...Object.fromEntries(METRICS.map(name => [name, name])),
  step: 'step',
  step_number: 'step',
  train_accuracy: 'train_mean_token_accuracy',
  valid_accuracy: 'valid_mean_token_accuracy',
  training_loss: 'train_loss',
  validation_loss: 'valid_loss',
  full_valid_accuracy: 'full_valid_mean_token_accuracy',
}

/** Names, which count steps from 0 where OpenAI counts from 1. */
const FROM_ZERO = new Set(['step_number'])

/** A number, or nothing: an empty cell and a null are not a zero. */
const numberOf = (value: unknown): number | undefined => {
  if (value === null || value === undefined || value === '') return undefined
  const number = typeof value === 'number' ? value : Number(value)
  return Number.isFinite(number) ? number : undefined
}

/** One row of names and values as a point; undefined where it names no step. */
export const toPoint = (row: Readonly<Record<string, unknown>>): MetricPoint | undefined => {
  let step: number | undefined
  const measured: Partial<Record<Metric, number>> = {}
  for (const [name, value] of Object.entries(row)) {
    const metric = Object.hasOwn(ALIASES, name.trim()) ? ALIASES[name.trim()] : undefined
    const number = numberOf(value)
    if (metric === undefined || number === undefined) continue
    if (metric === 'step') step = FROM_ZERO.has(name.trim()) ? number + 1 : number
    else measured[metric] = number
  }
  return step === undefined || Object.keys(measured).length === 0 ? undefined : { step, ...measured }
}

/** Points of the same step become one; what is told first stands. */
export const joinPoints = (points: readonly MetricPoint[]): MetricPoint[] => {
  const bySteps = new Map<number, MetricPoint>()
  for (const point of points) bySteps.set(point.step, { ...point, ...bySteps.get(point.step) })
  return [...bySteps.values()].sort((a, b) => a.step - b.step)
}

const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/

/** A result file's rows. Some answers of OpenAI's are base64 of the file rather than the file. */
export const readCsv = (text: string): MetricPoint[] => {
  const isPacked = !text.includes(',') && BASE64.test(text)
  const csv = isPacked
    ? new TextDecoder().decode(Uint8Array.from(atob(text), char => char.charCodeAt(0)))
    : text
  const rows: Record<string, unknown>[] = parse(csv, {
    ...{ columns: true, bom: true, trim: true },
    ...{ skip_empty_lines: true, relax_column_count: true, skip_records_with_error: true },
  })
  return rows.flatMap(row => toPoint(row) ?? [])
}

/** Events read of one job. */
const MOST_EVENTS = 10_000
/** Bytes of a result file: far more than the steps of any job take. */
const MOST_BYTES = 32 * 1024 * 1024

const fromEvents = async (context: Context, job: JobRecord): Promise<MetricPoint[]> => {
  await syncEvents(context, job)
  const { items } = await EVENTS.list(context.platform.store, 'job', job.id, { limit: MOST_EVENTS })
  return items.flatMap(({ event }) => (event.type === 'metrics' ? (toPoint(event.data) ?? []) : []))
}

const fromFile = async (context: Context, job: JobRecord, id: string): Promise<MetricPoint[]> => {
  try {
    const file = await findFile(context, job.owner, id)
    if (file.bytes > MOST_BYTES) return []
    const { body } = await readFile(context, file)
    return readCsv(await new Response(body).text())
  } catch (error) {
    // Deleted since, or at a provider that cannot be asked now: the other sources stand.
    if (isOutOfReach(error) || (error instanceof ApiError && error.status === 404)) return []
    throw error
  }
}

const fromCheckpoints = async (context: Context, job: JobRecord): Promise<MetricPoint[]> => {
  try {
    const { data } = await jobCheckpoints(context, job.owner, job.id, { limit: 100 })
    return data.flatMap(({ step_number, metrics }) => toPoint({ ...metrics, step: step_number }) ?? [])
  } catch (error) {
    if (isOutOfReach(error)) return []
    throw error
  }
}

/** Where the provider keeps them apart. What it does not let be read is not known: the other sources stand. */
const fromProvider = async (context: Context, job: JobRecord): Promise<MetricPoint[]> => {
  if (job.native_id === null) return []
  try {
    const { provider, channel } = await reconnect(context, job.connection, job.account)
    const rows = (await provider.jobs.metrics?.(channel, job.native_id)) ?? []
    return rows.flatMap(row => toPoint(row) ?? [])
  } catch (error) {
    if (error instanceof ProviderFault || isOutOfReach(error)) return []
    throw error
  }
}

export interface JobMetrics {
  job: JobRecord
  points: MetricPoint[]
  /** What the points were taken from: `events`, `checkpoints`, `experiment`, and ids of files. */
  sources: string[]
}

/** Everything that is known of how a job learns (`GET …/metrics`), from every place its provider tells it in. */
export const jobMetrics = async (context: Context, owner: string, id: string): Promise<JobMetrics> => {
  const job = await getJob(context, owner, id)
  const found: [string, MetricPoint[]][] = [['events', await fromEvents(context, job)]]
  for (const file of job.result_files) found.push([file, await fromFile(context, job, file)])
  found.push(['checkpoints', await fromCheckpoints(context, job)])
  found.push(['experiment', await fromProvider(context, job)])
  const told = found.filter(([, points]) => points.length > 0)
  return {
    job,
    points: joinPoints(told.flatMap(([, points]) => points)),
    sources: told.map(([source]) => source),
  }
}
