/**
 * Batches and sweeps: many jobs, so many at once, ranked when they are over.
 *
 * A batch's jobs have ids that follow from the batch's: starting one twice starts it once.
 * @module
 */
import { type Caller, type Context, newId, nowSeconds } from '../context.ts'
import {
  ApiError,
  type BatchRequest,
  badRequest,
  budgetLimitOf,
  CREDENTIAL_FIELDS,
  type Grid,
  type JobRequest,
  type Method,
  MOST_IN_BATCH,
  notFound,
} from '../openai/index.ts'
import { collection, dueEntry, listDue, type Page, type PageQuery } from '../platform/index.ts'
import { sum, toMicros, toUsd } from '../spending/index.ts'
import { type Best, bestOf, byBest } from './compare.ts'
import { commandJob, findJob } from './jobs.ts'
import { jobMetrics } from './metrics.ts'
import { retryAfter } from './pace.ts'
import { methodOf, planJob } from './plan.ts'
import { isTerminal, JOBS, type JobRecord, toJobObject } from './records.ts'
import { submitJob } from './submit.ts'

type Values = Record<string, string | number>

interface Entry {
  request: JobRequest
  /** What of the grid it tries. */
  values: Values
  /** Its job was started, or could not be. */
  state: 'waiting' | 'started' | 'refused'
  error: { code: string; message: string; param: string | null } | null
}

export interface BatchRecord {
  id: string
  owner: string
  name: string | null
  /** Unix seconds. */
  created_at: number
  finished_at: number | null
  status: 'running' | 'cancelling' | 'completed' | 'cancelled'
  max_parallel: number
  /** The gateway key that asked for it. */
  key: string | null
  /** Dollars that all its jobs together may cost. */
  budget_limit: number | null
  entries: Entry[]
  /** Whose allow-lists hold for its jobs, which are planned anew when they are started; absent in older batches. */
  caller?: Caller | undefined
  due_at: number | null
  trouble: number
}

const BATCHES = collection<BatchRecord, 'owner' | 'due'>('batch', ({ id }) => id, {
  owner: { slot: 'a', entry: ({ owner, id }) => ({ partition: owner, sort: id }) },
  due: { slot: 'b', entry: ({ due_at, id }) => dueEntry(due_at, id) },
})

/** Seconds between looks at a batch. */
const LOOK = 30
const LEASE = 300

const jobIdOf = ({ id }: Pick<BatchRecord, 'id'>, index: number): string =>
  `ftjob-${id.replace(/^ftbatch-/, '')}${String(index).padStart(3, '0')}`

/** Every combination of the grid's values, the last list turning fastest. */
export const combinations = (grid: Grid): Values[] =>
  Object.entries(grid).reduce<Values[]>(
    (all, [name, values = []]) => all.flatMap(each => values.map(value => ({ ...each, [name]: value }))),
    [{}],
  )

/** A method with other hyperparameters. @throws {ApiError} for those it does not have */
const withValues = (method: Method, values: Values): Method => {
  if (method.type === 'dpo')
    return { type: 'dpo', dpo: { hyperparameters: { ...method.dpo?.hyperparameters, ...values } } }
  if ('beta' in values) throw badRequest('grid.beta', "'beta' is a hyperparameter of the method 'dpo' only.")
  if (method.type === 'supervised')
    return {
      type: 'supervised',
      supervised: { hyperparameters: { ...method.supervised?.hyperparameters, ...values } },
    }
  const { reinforcement } = method
  return {
    type: 'reinforcement',
    reinforcement: { ...reinforcement, hyperparameters: { ...reinforcement.hyperparameters, ...values } },
  }
}

const entriesOf = ({ jobs, request, grid }: BatchRequest): Entry[] => {
  const waiting = { state: 'waiting' as const, error: null }
  if (jobs) return jobs.map(each => ({ request: each, values: {}, ...waiting }))
  if (!request || !grid) return []
  const all = combinations(grid)
  if (all.length > MOST_IN_BATCH)
    throw badRequest('grid', `The grid has ${all.length} combinations; a batch takes up to ${MOST_IN_BATCH}.`)
  const { hyperparameters: _, ...rest } = request
  return all.map(values => ({
    request: { ...rest, method: withValues(methodOf(request), values) },
    values,
    ...waiting,
  }))
}

/** An entry that says itself where it goes: it is started when the batch's request, and its headers, are gone. */
const withProvider =
  ({ provider }: Context) =>
  (entry: Entry): Entry => {
    const { request } = entry
    const isNamed = (request.provider ?? request.custom_llm_provider) !== undefined
    return provider === undefined || isNamed ? entry : { ...entry, request: { ...request, provider } }
  }

/** Where in the batch's request a job stands. */
const placeOf = ({ jobs }: BatchRequest, index: number) => (jobs ? `jobs[${index}]` : 'request')

/** Refuses a batch whose jobs would be refused: all of it or nothing. */
const checkEntries = async (
  context: Context,
  owner: string,
  request: BatchRequest,
  entries: readonly Entry[],
): Promise<void> => {
  const refuseOwn = (param: string): never => {
    throw badRequest(param, 'A batch goes on when its request is over, and its credentials with it.')
  }
  const brought = CREDENTIAL_FIELDS.find(field => context.credentials?.[field] !== undefined)
  if (brought !== undefined) refuseOwn(brought)
  for (const [index, entry] of entries.entries()) {
    const own = CREDENTIAL_FIELDS.find(field => entry.request[field] !== undefined)
    const at = placeOf(request, index)
    if (own !== undefined) refuseOwn(`${at}.${own}`)
    await planJob(context, owner, entry.request).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error
      const { status, code, message, param } = error
      throw new ApiError({ status, code, message, param: param === null ? at : `${at}.${param}` })
    })
  }
}

/** Creates a batch (`POST /v1/fine_tuning/batches`); its jobs are started one after the other as there is room. */
export const createBatch = async (
  context: Context,
  owner: string,
  request: BatchRequest,
): Promise<BatchObject> => {
  const { store, queue } = context.platform
  const entries = entriesOf(request).map(withProvider(context))
  await checkEntries(context, owner, request, entries)
  const now = nowSeconds(context)
  const batch: BatchRecord = {
    id: newId(context, 'ftbatch-'),
    owner,
    name: request.name ?? null,
    created_at: now,
    finished_at: null,
    status: 'running',
    max_parallel: request.max_parallel,
    key: context.caller?.key ?? null,
    budget_limit: budgetLimitOf(request),
    entries,
    caller: context.caller,
    due_at: now,
    trouble: 0,
  }
  // Made before by the same request: it is under way.
  if (!(await BATCHES.create(store, batch))) return getBatch(context, owner, batch.id)
  await queue.enqueue({ type: 'batch', id: batch.id })
  return toObject(context, batch)
}

const findBatch = async (context: Context, owner: string, id: string): Promise<BatchRecord> => {
  const batch = (await BATCHES.get(context.platform.store, id))?.value
  if (batch?.owner === owner) return batch
  throw notFound('batch_not_found', 'batch_id', `No such batch: '${id}'.`)
}

/** The jobs of a batch that have been started, by their index. */
const jobsOf = async (context: Context, batch: BatchRecord): Promise<Map<number, JobRecord>> => {
  const jobs = new Map<number, JobRecord>()
  for (const [index, { state }] of batch.entries.entries()) {
    if (state !== 'started') continue
    const job = (await JOBS.get(context.platform.store, jobIdOf(batch, index)))?.value
    if (job) jobs.set(index, job)
  }
  return jobs
}

/** Starts the next jobs as far as there is room. */
const startNext = async (context: Context, batch: BatchRecord): Promise<BatchRecord> => {
  const jobs = await jobsOf(context, batch)
  let room = batch.max_parallel - [...jobs.values()].filter(({ status }) => !isTerminal(status)).length
  let current = batch
  for (const [index, { state, request }] of batch.entries.entries()) {
    if (state !== 'waiting' || room <= 0) continue
    room--
    const entry = await start(context, batch, index, request)
    // What runs may yet cost less than was set aside for it.
    if (entry.error?.code === 'budget_exceeded' && isAnyUnderWay(current, jobs)) break
    current =
      (await BATCHES.update(context.platform.store, batch.id, value => ({
        ...value,
        entries: value.entries.map((each, at) => (at === index ? { ...each, ...entry } : each)),
      }))) ?? current
  }
  return current
}

/** Whether a job of the batch is not over, or was started just now. */
const isAnyUnderWay = ({ entries }: BatchRecord, jobs: ReadonlyMap<number, JobRecord>) =>
  entries.some(({ state }, index) => {
    const job = jobs.get(index)
    return state === 'started' && (!job || !isTerminal(job.status) || !job.is_accounted)
  })

const start = async (
  context: Context,
  batch: BatchRecord,
  index: number,
  request: JobRequest,
): Promise<Pick<Entry, 'state' | 'error'>> => {
  try {
    await submitJob({ ...context, caller: batch.caller }, batch.owner, request, {
      isAsync: true,
      id: jobIdOf(batch, index),
      key: batch.key,
      batchLimit:
        batch.budget_limit === null ? null : { batch: batch.id, micros: toMicros(batch.budget_limit) },
    })
    return { state: 'started', error: null }
  } catch (error) {
    if (!(error instanceof ApiError) || error.status >= 500) throw error
    const { code, message, param } = error
    return { state: 'refused', error: { code, message, param } }
  }
}

const cancelJobs = async (context: Context, batch: BatchRecord): Promise<void> => {
  for (const job of (await jobsOf(context, batch)).values()) {
    if (isTerminal(job.status)) continue
    await commandJob(context, batch.owner, job.id, 'cancel').catch((error: unknown) => {
      // Over by itself in the meantime.
      if (!(error instanceof ApiError && error.code === 'invalid_state')) throw error
    })
  }
}

const step = async (context: Context, batch: BatchRecord): Promise<void> => {
  const { store } = context.platform
  const isEnding = batch.status === 'cancelling'
  if (isEnding) await cancelJobs(context, batch)
  const current = isEnding ? batch : await startNext(context, batch)
  const jobs = await jobsOf(context, current)
  const isOver =
    [...jobs.values()].every(({ status }) => isTerminal(status)) &&
    (isEnding || current.entries.every(({ state }) => state !== 'waiting'))
  const now = nowSeconds(context)
  await BATCHES.update(store, batch.id, value => {
    if (!isOver || value.status !== batch.status) return { ...value, trouble: 0, due_at: now + LOOK }
    const status = isEnding ? 'cancelled' : 'completed'
    return { ...value, status, finished_at: now, due_at: null, trouble: 0 }
  })
}

/** Does the next step of a batch if it is due. */
export const advanceBatch = async (context: Context, id: string): Promise<void> => {
  const { store } = context.platform
  const now = nowSeconds(context)
  let isMine = false
  const batch = await BATCHES.update(store, id, value => {
    isMine = value.due_at !== null && value.due_at <= now
    return isMine ? { ...value, due_at: now + LEASE } : value
  })
  if (!batch || !isMine) return
  try {
    await step(context, batch)
  } catch (error) {
    await BATCHES.update(store, id, value => ({
      ...value,
      trouble: value.trouble + 1,
      due_at: nowSeconds(context) + retryAfter(value.trouble + 1),
    }))
    throw error
  }
}

export const advanceDueBatches = async (context: Context, limit: number): Promise<void> => {
  for (const { id } of await listDue(context.platform.store, BATCHES, nowSeconds(context), limit))
    await advanceBatch(context, id)
}

export const listBatches = async (
  context: Context,
  owner: string,
  query: PageQuery,
): Promise<Page<BatchObject>> => {
  const { items, hasMore } = await BATCHES.list(context.platform.store, 'owner', owner, query)
  return { items: await Promise.all(items.map(batch => toObject(context, batch))), hasMore }
}

export const getBatch = async (context: Context, owner: string, id: string): Promise<BatchObject> =>
  toObject(context, await findBatch(context, owner, id))

/** Ends a batch: what waits is not started, what runs is cancelled. */
export const cancelBatch = async (context: Context, owner: string, id: string): Promise<BatchObject> => {
  await findBatch(context, owner, id)
  const now = nowSeconds(context)
  const batch = await BATCHES.update(context.platform.store, id, value =>
    value.status === 'running' ? { ...value, status: 'cancelling', due_at: now } : value,
  )
  if (batch?.status !== 'cancelling') {
    throw new ApiError({
      status: 400,
      code: 'invalid_state',
      param: 'batch_id',
      message: `The batch '${id}' is ${batch?.status}: there is nothing to cancel.`,
    })
  }
  await context.platform.queue.enqueue({ type: 'batch', id })
  return toObject(context, batch)
}

export interface BatchObject {
  id: string
  object: 'fine_tuning.batch'
  name: string | null
  created_at: number
  finished_at: number | null
  status: BatchRecord['status']
  max_parallel: number
  budget_limit_usd: number | null
  /** What its jobs have cost; those that are not over, or whose cost is not known, are only counted. */
  cost_usd: number
  cost_unknown: number
  counts: {
    total: number
    waiting: number
    running: number
    succeeded: number
    failed: number
    cancelled: number
  }
  /** In the order in which they were asked for. */
  jobs: {
    /** Null until it is started. */
    id: string | null
    status: string
    /** What of the grid it tries. */
    values: Values
    error: Entry['error']
  }[]
}

const toObject = async (context: Context, batch: BatchRecord): Promise<BatchObject> => {
  const jobs = await jobsOf(context, batch)
  const rows = batch.entries.map(({ state, values, error }, index) => {
    const job = jobs.get(index)
    const status = job?.status ?? (state === 'refused' ? 'failed' : 'waiting')
    return { id: job?.id ?? null, status, values, error: error ?? job?.error ?? null }
  })
  const count = (...statuses: string[]) => rows.filter(({ status }) => statuses.includes(status)).length
  const { id, name, created_at, finished_at, status, max_parallel } = batch
  const known = [...jobs.values()].flatMap(job => toJobObject(job).tunegate.cost_usd ?? [])
  return {
    ...{ id, object: 'fine_tuning.batch' as const, name, created_at, finished_at, status, max_parallel },
    budget_limit_usd: batch.budget_limit,
    cost_usd: toUsd(sum(known.map(toMicros))),
    cost_unknown: jobs.size - known.length,
    counts: {
      total: rows.length,
      waiting: count('waiting'),
      running: count('validating_files', 'queued', 'running'),
      succeeded: count('succeeded'),
      failed: count('failed'),
      cancelled: count('cancelled'),
    },
    jobs: rows,
  }
}

export interface BatchSummary {
  object: 'fine_tuning.batch.summary'
  id: string
  /** The best first: by validation loss, then by training loss; those without either last. */
  ranking: {
    rank: number
    job: string
    status: string
    values: Values
    best: Best | null
    fine_tuned_model: string | null
  }[]
}

/** A batch's jobs by how well they have learnt (`GET …/batches/{id}/summary`). */
export const summariseBatch = async (context: Context, owner: string, id: string): Promise<BatchSummary> => {
  const batch = await findBatch(context, owner, id)
  const rows: Omit<BatchSummary['ranking'][number], 'rank'>[] = []
  for (const [index, found] of await jobsOf(context, batch)) {
    const job = await findJob(context, owner, found.id)
    const { points } = await jobMetrics(context, owner, job.id)
    rows.push({
      job: job.id,
      status: job.status,
      values: batch.entries[index]?.values ?? {},
      best: job.status === 'succeeded' ? bestOf(points) : null,
      fine_tuned_model: job.fine_tuned_model,
    })
  }
  return {
    object: 'fine_tuning.batch.summary',
    id,
    ranking: rows.sort(byBest).map((row, index) => ({ rank: index + 1, ...row })),
  }
}
