/**
 * Brings a job's record up to what the provider says. Asking is the truth: everything else only makes it happen.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { adoptFile } from '../datasets/index.ts'
import { budgetLimitOf } from '../openai/index.ts'
import {
  type Connection,
  isOutOfReach,
  type NativeJob,
  ProviderFault,
  reconnect,
} from '../providers/index.ts'
import { announceEnd } from './announce.ts'
import { costOfJob } from './charges.ts'
import { type Saying, tell } from './events.ts'
import { settleSpending } from './funds.ts'
import { noteFailure } from './health.ts'
import { claimJob, isTerminal, JOBS, type JobRecord, labelOf } from './records.ts'
import { type Turn, taken, turned, withLimit, withNative } from './transitions.ts'
import { checkpointPage, registerTune, tuneName } from './tunes.ts'
import { faultOf } from './verdicts.ts'

/** Result files the provider no longer has are left out; any other failure is tried again with the next refresh. */
const adoptResults = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
): Promise<string[]> => {
  const adopted = await Promise.all(
    native.resultFiles.map(id =>
      adoptFile(context, job.owner, connection, id, 'fine-tune-results').catch((error: unknown) => {
        if (error instanceof ProviderFault && error.status === 404) return undefined
        throw error
      }),
    ),
  )
  return adopted.filter(id => id !== undefined)
}

/** More checkpoints than any provider keeps of one job. */
const ALL_CHECKPOINTS = 100

/** What follows from a job's end is done before the end is told: each step may be repeated. */
const settle = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
): Promise<string[]> => {
  if (!isTerminal(native.status)) return []
  await registerTune(context, job, connection, native)
  await checkpointPage(context, job, connection, native, { limit: ALL_CHECKPOINTS })
  return adoptResults(context, job, connection, native)
}

/** Where the next provider's turn is, because this one has failed a job through no fault of the data. */
const nextTurn = (job: JobRecord, native: NativeJob, now: number): Turn | undefined => {
  const verdict = faultOf(native)
  if (verdict === undefined || job.is_cancelled || job.target + 1 >= job.targets.length) return undefined
  return { verdict, error: native.error, next: job.target + 1, dueAt: now, isUnsettled: false }
}

/** Stores the provider's word about a job, and all that follows from it. */
export const recordNative = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
): Promise<JobRecord> => {
  const now = nowSeconds(context)
  const next = nextTurn(job, native, now)
  const result_files = next ? [] : await settle(context, job, connection, native)
  const fine_tuned_model = native.status === 'succeeded' ? tuneName(job, connection, native) : null
  let before = job
  const updated = await JOBS.update(context.platform.store, job.id, value => {
    before = value
    // A slower answer must not take a job back from its end, nor speak for an attempt that is over.
    if (isTerminal(value.status) || value.past.length !== job.past.length) return value
    const told = withLimit(withNative(value, native, now))
    return next ? turned(told, next, now) : { ...told, result_files, fine_tuned_model }
  })
  if (!updated || updated === before) return updated ?? job
  if (updated.past.length > before.past.length && next) await tellTurn(context, before, updated, next)
  else if (!connection.provider.jobs.events) await tellChange(context, before, updated)
  if (updated.is_over_limit && !before.is_over_limit) await tellOverLimit(context, updated)
  await announceEnd(context, updated)
  if (!isTerminal(updated.status)) return updated
  // What fails here is done when the job is closed.
  return settleSpending(context, updated).catch(() => updated)
}

/** Says when a job has cost more than it may. Providers bill what is trained: it is not ended for that. */
const tellOverLimit = (context: Context, job: JobRecord): Promise<void> =>
  tell(context, job, [
    {
      level: 'warn',
      message: `The job has cost $${costOfJob(job).usd}: more than its budget_limit of $${budgetLimitOf(job.request)}.`,
      data: { alert: 'budget_limit' },
    },
  ])

/** Tells that an attempt is over and where the job goes on. */
export const tellTurn = async (
  context: Context,
  before: JobRecord,
  after: JobRecord,
  { verdict, error }: Pick<Turn, 'verdict' | 'error'>,
): Promise<void> => {
  // A place that was not asked has not failed.
  if (verdict !== 'budget') await noteFailure(context, before.connection)
  const seconds = Math.max(0, (after.due_at ?? 0) - nowSeconds(context))
  await tell(context, after, [
    {
      level: 'warn',
      message: `${before.native_id === null ? 'Not accepted' : 'Failed'} by ${before.connection} (${verdict}): ${error?.message ?? 'no reason given'}`,
      data: { attempt: before.past.length + 1, verdict, connection: before.connection },
    },
    after.target > before.target
      ? { level: 'info', message: `Falling back to ${after.connection} (${after.native_model}).` }
      : { level: 'info', message: `No provider has room for the job: trying again in ${seconds} s.` },
  ])
}

/** Where a provider has no events of its own, its changes of state are told in their place. */
const tellChange = async (context: Context, before: JobRecord, after: JobRecord): Promise<void> => {
  // One native word may stand for several of ours: Bedrock's `InProgress` is queued, validating or running.
  if (before.native?.nativeStatus === after.native?.nativeStatus && before.status === after.status) return
  const { nativeStatus, facts } = after.native ?? {}
  await tell(context, after, [
    {
      level: after.status === 'failed' ? 'error' : 'info',
      message: after.error
        ? `The job failed: ${after.error.message}`
        : `The job is ${after.status} (${nativeStatus}).`,
      data: { status: after.status, native_status: nativeStatus, ...facts },
    },
  ])
}

/** The provider has the job: from now on it is watched. */
export const accept = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
  notes: readonly Saying[],
): Promise<JobRecord> => {
  let isNews = false
  await claimJob(context, connection, job, native.id)
  const accepted = await JOBS.update(context.platform.store, job.id, value => {
    isNews = value.stage === 'placing' && value.past.length === job.past.length
    return isNews ? taken(value, native, nowSeconds(context)) : value
  })
  if (!accepted || !isNews) return accepted ?? job
  await tell(context, accepted, [
    { level: 'info', message: `Accepted by ${connection.name} as ${native.id}.` },
    ...notes,
  ])
  // The end may have come at once, or the wish for it while the job was on its way.
  if (isTerminal(native.status)) return recordNative(context, accepted, connection, native)
  return accepted.is_cancelled ? cancelNative(context, accepted, connection) : accepted
}

/** Tells the provider to end a job; while it cannot be told, the schedule does. */
export const cancelNative = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
): Promise<JobRecord> => {
  if (job.native_id === null) return job
  try {
    const native = await connection.provider.jobs.cancel(connection.channel, job.native_id)
    return await recordNative(context, job, connection, native)
  } catch (error) {
    if (isOutOfReach(error)) return job
    throw error
  }
}

/** Takes up a job that its provider turns out to have, though it never said so. */
export const lookUp = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
): Promise<JobRecord | undefined> => {
  if (job.sent_at === null) return undefined
  const found = await connection.provider.jobs.find(connection.channel, labelOf(job))
  return found && accept(context, job, connection, found, [])
}

/** The connection a job runs on. */
export const connectionOf = (context: Context, job: JobRecord): Promise<Connection> =>
  reconnect(context, job.connection, job.account)

/** Asks the provider about a job. @throws when it cannot be asked */
export const askProvider = async (context: Context, job: JobRecord): Promise<JobRecord> => {
  const connection = await connectionOf(context, job)
  if (job.native_id === null) return (await lookUp(context, job, connection)) ?? job
  const { provider, channel } = connection
  return recordNative(context, job, connection, await provider.jobs.get(channel, job.native_id))
}

/**
 * A job as its provider tells it now. While the provider cannot be asked, the record stands as it is: `polled_at` says of
 * when it is.
 */
export const refreshJob = async (context: Context, job: JobRecord): Promise<JobRecord> => {
  if (isTerminal(job.status)) return job
  try {
    return await askProvider(context, job)
  } catch (error) {
    if (isOutOfReach(error)) return job
    throw error
  }
}
