/**
 * What the gateway keeps of a job and its events. See `docs/storage.md`.
 * @module
 */
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
import { collection, dueEntry } from '../platform/index.ts'
import type { NativeJob } from '../providers/index.ts'

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
  /** Unix seconds since when its end is to be told to webhooks; null (or absent, in old records): nothing is to be told. */
  announce_at?: number | null
  /** How much of the provider's event feed is in our store: its newest event there, and how many. */
  feed: { last_native_id: string | null; count: number; is_complete: boolean }
}

export const JOBS = collection<JobRecord, 'owner' | 'due'>('job', job => job.id, {
  owner: { slot: 'a', entry: job => ({ partition: job.owner, sort: job.id }) },
  due: { slot: 'b', entry: job => dueEntry(job.announce_at ?? null, job.id) },
})

export const isTerminal = (status: JobStatus): boolean => TERMINAL_STATUSES.includes(status)

export interface EventRecord {
  job: string
  event: Omit<JobEvent, 'object'>
}

export const EVENTS = collection<EventRecord, 'job'>('event', ({ job, event }) => `${job}/${event.id}`, {
  job: { slot: 'a', entry: ({ job, event }) => ({ partition: job, sort: event.id }) },
})

/** Which job of ours a provider's job is: for what providers tell of their own accord. */
export interface NativeRecord {
  provider: string
  native_id: string
  job: string
}

/**
 * The part of a native id that no other job of the provider's has. Ahead of it providers name the same project by its name or
 * by its number.
 */
const tailOf = (nativeId: string) => nativeId.split('/').at(-1)

export const nativeKey = (provider: string, nativeId: string) => `${provider}/${tailOf(nativeId)}`

export const NATIVES = collection<NativeRecord, 'native'>(
  'native',
  ({ provider, native_id, job }) => `${nativeKey(provider, native_id)}/${job}`,
  {
    native: {
      slot: 'a',
      entry: ({ provider, native_id, job }) => ({ partition: nativeKey(provider, native_id), sort: job }),
    },
  },
)

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
      webhook_url: request.webhook_url ?? null,
    },
  }
}

/** The deprecated top-level object knows only the three common ones. */
const pickCommon = (hyperparameters: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(hyperparameters).filter(([name]) => name in ALL_AUTO))
