/**
 * What the gateway keeps of a job and its events. See `docs/storage.md`.
 * @module
 */
import type { Context } from '../context.ts'
import {
  budgetLimitOf,
  type JobEstimate,
  type JobEvent,
  type JobObject,
  type JobRequest,
  type JobStatus,
  type Method,
  ROUTING_FIELDS,
  type Routing,
  TERMINAL_STATUSES,
} from '../openai/index.ts'
import { collection, dueEntry, toBase62 } from '../platform/index.ts'
import { type Connection, type NativeJob, nativeKey } from '../providers/index.ts'
import { type AccountRef, toUsd } from '../spending/index.ts'
import { chargeOfCurrent, chargeOfPast, costOfJob } from './charges.ts'

/** The request without what chose the provider: its keys are never stored. */
export type StoredRequest = Omit<JobRequest, keyof Routing>

/** Where a job may be trained. */
export interface Target {
  provider: string
  connection: string
  account: string
  /** The model as the provider names it. */
  native_model: string
  /** Made when the job was, or why it could not be. */
  estimate: JobEstimate | { missing: string }
}

/** Why an attempt at one provider came to its end. Only `data` is the caller's own to mend. */
export type Verdict = 'capacity' | 'quota' | 'outage' | 'policy' | 'budget' | 'data' | 'cancelled'

/** What an attempt has set aside, and in which accounts. */
export interface Reservation {
  /** Millionths: the high figure of its estimate; 0 where there is none and that is allowed. */
  micros: number
  accounts: AccountRef[]
}

/** What an attempt means for accounts and ledger. */
interface Spending {
  /** Null until it has been set aside. */
  reservation: Reservation | null
  /** Whether its end has been entered everywhere. */
  is_accounted: boolean
}

/** An attempt that is over. The one under way is the job's record itself. */
export interface PastAttempt extends Omit<Target, 'estimate'>, Spending {
  native_id: string | null
  /** Unix seconds. */
  started_at: number
  ended_at: number
  verdict: Verdict
  error: JobObject['error']
  /** Whether the provider may still turn out to have created the job; what turns up is cancelled. */
  is_unsettled: boolean
  /** As what it turned up after all. */
  found: Pick<NativeJob, 'status' | 'trainedTokens'> | null
}

/**
 * What is to be done for a job: find it a provider, ask after it, tell of its end, nothing any more.
 */
export type Stage = 'placing' | 'watching' | 'closing' | 'over'

export interface JobRecord extends Target, Spending {
  id: string
  owner: string
  /** The gateway key that asked for it; null where none did. */
  key: string | null
  /** The limit of the batch it is of, if that has one. */
  batch_limit: { batch: string; micros: number } | null
  /** Whether it has cost more than its `budget_limit`. */
  is_over_limit: boolean
  /** Unix seconds. */
  created_at: number
  request: StoredRequest
  /** Whether the request lets go of what a provider has no place for. */
  drop_params: boolean
  method: Method
  seed: number | null
  stage: Stage
  /** Unix seconds at which the next step is due; null: none, or none that could be done without the request's own credentials. */
  due_at: number | null
  /** Steps that have failed since one succeeded. */
  trouble: number
  /** Every place the job may be trained at, in order; `target` is the current one's index. */
  targets: Target[]
  target: number
  /** Unix seconds: when the current attempt began, and when the provider was first sent it. */
  started_at: number
  sent_at: number | null
  past: PastAttempt[]
  /** The caller wants an end of it. */
  is_cancelled: boolean
  /** Unix seconds: flagged when it is not over by then. */
  deadline_at: number | null
  is_overdue: boolean
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

export const JOBS = collection<JobRecord, 'owner' | 'due'>('job', job => job.id, {
  owner: { slot: 'a', entry: job => ({ partition: job.owner, sort: job.id }) },
  due: { slot: 'b', entry: job => dueEntry(job.due_at, job.id) },
})

/** A job at its beginning, at the first of its targets. */
export const newJob = (
  begun: Pick<
    JobRecord,
    'id' | 'owner' | 'created_at' | 'request' | 'drop_params' | 'method' | 'seed' | 'due_at' | 'deadline_at'
  > &
    Partial<Pick<JobRecord, 'key' | 'batch_limit' | 'reservation'>> & {
      targets: readonly [Target, ...Target[]]
    },
): JobRecord => ({
  key: null,
  batch_limit: null,
  reservation: null,
  is_accounted: false,
  is_over_limit: false,
  ...begun,
  ...begun.targets[0],
  targets: [...begun.targets],
  target: 0,
  stage: 'placing',
  trouble: 0,
  started_at: begun.created_at,
  sent_at: null,
  past: [],
  is_cancelled: false,
  is_overdue: false,
  native_id: null,
  status: 'queued',
  native: null,
  fine_tuned_model: null,
  result_files: [],
  error: null,
  finished_at: null,
  polled_at: null,
  feed: { last_native_id: null, count: 0, is_complete: false },
})

/**
 * What a provider finds an attempt by. Each has its own: an account may be tried twice.
 * @param attempt from 0; the current one unless told
 */
export const labelOf = ({ id, past }: Pick<JobRecord, 'id' | 'past'>, attempt = past.length): string =>
  attempt === 0 ? id : `${id}-${attempt + 1}`

/** The job that a label is of. */
export const jobOfLabel = (label: string): string => label.replace(/-\d+$/, '')

/** Whether the job runs on credentials that came with its request: nothing can be done for it without them. */
export const isOnOwnCredentials = ({ account, connection }: Target): boolean => account !== connection

/** Who has a provider's job, and which of ours it is: no two owners ever have the same. */
export interface ClaimRecord {
  /** {@link nativeKey} */
  id: string
  owner: string
  job: string
  provider: string
  native_id: string
}

/**
 * What a provider calls a job when it tells of it of its own accord: the last part of its id, ahead of which it names the same
 * project by its name or by its number.
 */
export const hintKey = (provider: string, nativeId: string) => `${provider}/${nativeId.split('/').at(-1)}`

export const CLAIMS = collection<ClaimRecord, 'hint'>('claim', claim => claim.id, {
  hint: {
    slot: 'a',
    entry: ({ id, provider, native_id }) => ({ partition: hintKey(provider, native_id), sort: id }),
  },
})

/** Enters whose a provider's job is. @returns false when it is someone's already */
export const claimJob = (
  { platform: { store } }: Context,
  connection: Connection,
  { owner, id }: Pick<JobRecord, 'owner' | 'id'>,
  nativeId: string,
): Promise<boolean> =>
  CLAIMS.create(store, {
    ...{ id: nativeKey(connection, nativeId), owner, job: id },
    ...{ provider: connection.provider.id, native_id: nativeId },
  })

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
  /** Unix milliseconds: when it came into the store, which may be long after it happened. */
  written_at: number
}

/** Where an event stands among a job's events as they came. */
export const arrivalOf = ({ written_at, event }: Pick<EventRecord, 'written_at' | 'event'>): string =>
  `${arrivalAt(written_at)}${event.id}`
/** Below every event that came at this time or later. @param milliseconds Unix time */
export const arrivalAt = (milliseconds: number): string => toBase62(milliseconds, 8)

export const EVENTS = collection<EventRecord, 'job' | 'arrival'>(
  'event',
  ({ job, event }) => `${job}/${event.id}`,
  {
    job: { slot: 'a', entry: ({ job, event }) => ({ partition: job, sort: event.id }) },
    arrival: { slot: 'b', entry: record => ({ partition: record.job, sort: arrivalOf(record) }) },
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
      attempts: attemptsOf(job),
      is_overdue: job.is_overdue,
      key_id: job.key,
      ...spendingOf(job),
      webhook_url: request.webhook_url ?? null,
    },
  }
}

/** Every attempt so far, the one under way last. */
const attemptsOf = (job: JobRecord): JobObject['tunegate']['attempts'] => [
  ...job.past.map(past => ({
    provider: past.provider,
    connection: past.connection,
    model: past.native_model,
    native_id: past.native_id,
    started_at: past.started_at,
    ended_at: past.ended_at,
    outcome: past.verdict,
    error: past.error,
    cost_usd: chargeOfPast(job, past).usd,
  })),
  {
    provider: job.provider,
    connection: job.connection,
    model: job.native_model,
    native_id: job.native_id,
    started_at: job.started_at,
    ended_at: job.finished_at,
    outcome: isTerminal(job.status) ? job.status : 'open',
    error: job.error,
    cost_usd: isTerminal(job.status) ? chargeOfCurrent(job).usd : null,
  },
]

/** What the job was estimated to cost, and what it did. */
const spendingOf = (job: JobRecord) => {
  const made = job.estimate
  const estimate = 'missing' in made ? null : made
  return {
    estimated_cost_usd: estimate?.usd?.expected ?? null,
    estimate,
    estimate_missing: 'missing' in made ? made.missing : null,
    cost_usd: isTerminal(job.status) ? costOfJob(job).usd : null,
    reserved_usd: job.is_accounted || !job.reservation?.accounts.length ? 0 : toUsd(job.reservation.micros),
    budget_limit_usd: budgetLimitOf(job.request),
  }
}

/** The deprecated top-level object knows only the three common ones. */
const pickCommon = (hyperparameters: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(hyperparameters).filter(([name]) => name in ALL_AUTO))
