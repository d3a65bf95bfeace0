/**
 * What the gateway keeps of a job and its events. See `docs/storage.md`.
 * @module
 */
import type { Context } from '../context.ts'
import {
  type JobEvent,
  type JobObject,
  type JobRequest,
  type JobStatus,
  type Method,
  ROUTING_FIELDS,
  type Routing,
  TERMINAL_STATUSES,
} from '../openai/index.ts'
import { collection } from '../platform/index.ts'
import { type Connection, type NativeJob, nativeKey } from '../providers/index.ts'

/** The request without what chose the provider: its keys are never stored. */
export type StoredRequest = Omit<JobRequest, keyof Routing>

export interface JobRecord {
  id: string
  owner: string
  /** Unix seconds. */
  created_at: number
  request: StoredRequest
  method: Method
  seed: number | null
  provider: string
  connection: string
  account: string
  /** The model as the provider names it. */
  native_model: string
  /** Null until the provider has accepted the job, or while it is not known whether it has. */
  native_id: string | null
  status: JobStatus
  /** What the provider last said of the job. */
  native: NativeJob | null
  /** What callers say to use the tune: the provider's own name where it is callable, else one of ours. */
  fine_tuned_model: string | null
  /** Our ids of the provider's result files. */
  result_files: string[]
  error: JobObject['error']
  finished_at: number | null
  /** Unix seconds of the last answer of the provider about this job. */
  polled_at: number | null
  /** How much of the provider's event feed is in our store: its newest event there, and how many. */
  feed: { last_native_id: string | null; count: number; is_complete: boolean }
}

export const JOBS = collection<JobRecord, 'owner'>('job', job => job.id, {
  owner: { slot: 'a', entry: job => ({ partition: job.owner, sort: job.id }) },
})

/** Who has a provider's job: no two owners ever have the same. */
export interface ClaimRecord {
  /** {@link nativeKey} */
  id: string
  owner: string
  job: string
}

export const CLAIMS = collection<ClaimRecord>('claim', claim => claim.id, {})

/** Enters whose a provider's job is. @returns false when it is someone's already */
export const claimJob = (
  { platform: { store } }: Context,
  connection: Connection,
  { owner, id }: Pick<JobRecord, 'owner' | 'id'>,
  nativeId: string,
): Promise<boolean> => CLAIMS.create(store, { id: nativeKey(connection, nativeId), owner, job: id })

/** Which jobs a list is to hold: those with all of these pairs, those without any (`null`), or all. */
export type MetadataFilter = Record<string, string> | null | undefined

export const hasMetadata =
  (filter: MetadataFilter) =>
  (metadata: Record<string, string>): boolean => {
    if (filter === undefined) return true
    if (filter === null) return Object.keys(metadata).length === 0
    return Object.entries(filter).every(([key, value]) => metadata[key] === value)
  }

export const isTerminal = (status: JobStatus): boolean => TERMINAL_STATUSES.includes(status)

export interface EventRecord {
  job: string
  event: Omit<JobEvent, 'object'>
}

export const EVENTS = collection<EventRecord, 'job'>('event', ({ job, event }) => `${job}/${event.id}`, {
  job: { slot: 'a', entry: ({ job, event }) => ({ partition: job, sort: event.id }) },
})

/** Drops what chose the provider, before anything is stored. */
export const withoutRouting = (request: JobRequest): StoredRequest => {
  const rest: Partial<JobRequest> = { ...request }
  for (const field of ROUTING_FIELDS) delete rest[field]
  return rest as StoredRequest
}

const hyperparametersOf = (method: Method) =>
  (method.type === 'supervised'
    ? method.supervised
    : method.type === 'dpo'
      ? method.dpo
      : method.reinforcement
  )?.hyperparameters ?? {}

const ALL_AUTO = { n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' } as const

export const toJobObject = (job: JobRecord): JobObject<Method> => {
  const { request, native } = job
  return {
    id: job.id,
    object: 'fine_tuning.job',
    created_at: job.created_at,
    error: job.error,
    fine_tuned_model: job.fine_tuned_model,
    finished_at: job.finished_at,
    estimated_finish: native?.estimatedFinish ?? null,
    hyperparameters: {
      ...ALL_AUTO,
      ...pickCommon(hyperparametersOf(job.method)),
      ...native?.hyperparameters,
    },
    integrations: request.integrations ?? null,
    metadata: request.metadata ?? null,
    method: native?.method ?? job.method,
    model: native?.model ?? request.model,
    organization_id: job.owner,
    result_files: job.result_files,
    // OpenAI's object wants a number: 0 where neither the caller nor the provider has named one.
    seed: native?.seed ?? job.seed ?? 0,
    status: job.status,
    trained_tokens: native?.trainedTokens ?? null,
    training_file: request.training_file,
    validation_file: request.validation_file ?? null,
    tunegate: {
      provider: job.provider,
      connection: job.connection,
      native_id: job.native_id,
      native_status: native?.nativeStatus ?? null,
      polled_at: job.polled_at,
    },
  }
}

/** The deprecated top-level object knows only the three common ones. */
const pickCommon = (hyperparameters: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(hyperparameters).filter(([name]) => name in ALL_AUTO))
