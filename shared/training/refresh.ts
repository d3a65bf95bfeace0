/**
 * Brings a job's record up to what the provider says. Asking is the truth: everything else only makes it happen.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { adoptFile } from '../datasets/index.ts'
import {
  type Connection,
  isOutOfReach,
  type NativeJob,
  ProviderFault,
  reconnect,
} from '../providers/index.ts'
import { announceEnd } from './announce.ts'
import { tell } from './events.ts'
import { indexNative } from './natives.ts'
import { isTerminal, JOBS, type JobRecord } from './records.ts'
import { checkpointPage, registerTune, tuneName } from './tunes.ts'

/** Seconds after which a job that the provider does not know by its label is taken as never created. */
const SUBMISSION_GRACE = 120

/** A record with the provider's latest word. */
export const withNative = (context: Context, job: JobRecord, native: NativeJob): JobRecord => ({
  ...job,
  native_id: native.id,
  native,
  status: native.status,
  error: native.error,
  finished_at: isTerminal(native.status) ? (native.finishedAt ?? nowSeconds(context)) : null,
  polled_at: nowSeconds(context),
  announce_at: isTerminal(native.status) ? nowSeconds(context) : null,
})

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

/** Stores the provider's word about a job, and all that follows from it. */
export const recordNative = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
): Promise<JobRecord> => {
  const result_files = await settle(context, job, connection, native)
  const fine_tuned_model = native.status === 'succeeded' ? tuneName(job, connection, native) : null
  let before = job
  const updated = await JOBS.update(context.platform.store, job.id, value => {
    before = value
    // A slower answer must not take a job back from its end.
    return isTerminal(value.status)
      ? value
      : { ...withNative(context, value, native), result_files, fine_tuned_model }
  })
  if (updated && updated !== before) {
    if (!connection.provider.jobs.events) await tellChange(context, before, updated)
    await announceEnd(context, updated)
  }
  return updated ?? job
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

/** A submission whose outcome was left open: the provider is asked for the label. */
const resolveSubmission = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
): Promise<JobRecord> => {
  const found = await connection.provider.jobs.find(connection.channel, job.id)
  if (found) {
    await indexNative(context, job, found.id)
    return recordNative(context, job, connection, found)
  }
  if (nowSeconds(context) - job.created_at < SUBMISSION_GRACE) return job
  const failed = await JOBS.update(context.platform.store, job.id, value =>
    value.native_id !== null || isTerminal(value.status)
      ? value
      : {
          ...value,
          status: 'failed',
          finished_at: nowSeconds(context),
          polled_at: nowSeconds(context),
          announce_at: nowSeconds(context),
          error: {
            code: 'submission_failed',
            message: 'The provider never confirmed this job and does not know it.',
            param: null,
          },
        },
  )
  if (failed) await announceEnd(context, failed)
  return failed ?? job
}

/** The connection a job runs on. */
export const connectionOf = (context: Context, job: JobRecord): Promise<Connection> =>
  reconnect(context, job.connection, job.account)

/**
 * Asks the provider about a job that is not over. While the provider cannot be asked, the record stands as it is:
 * `polled_at` says of when it is.
 */
export const refreshJob = async (context: Context, job: JobRecord): Promise<JobRecord> => {
  if (isTerminal(job.status)) return job
  try {
    const connection = await connectionOf(context, job)
    if (job.native_id === null) return await resolveSubmission(context, job, connection)
    return await recordNative(
      context,
      job,
      connection,
      await connection.provider.jobs.get(connection.channel, job.native_id),
    )
  } catch (error) {
    if (isOutOfReach(error)) return job
    throw error
  }
}
