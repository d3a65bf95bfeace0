/**
 * Brings a job's record up to what the provider says. Asking is the truth: everything else only makes it happen.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { adoptFile } from '../datasets/index.ts'
import {
  type Connection,
  isOutOfReach,
  type NativeCheckpoint,
  type NativeJob,
  ProviderFault,
  reconnect,
} from '../providers/index.ts'
import { registerModel } from '../serving/index.ts'
import { isTerminal, JOBS, type JobRecord } from './records.ts'

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

/** Makes checkpoints their owner's models: no one else may call them, and they are listed with their job only. */
export const registerCheckpoints = async (
  context: Context,
  job: JobRecord,
  { name, account }: Connection,
  checkpoints: NativeCheckpoint[],
): Promise<void> => {
  await Promise.all(
    checkpoints.map(({ model, createdAt }) =>
      registerModel(context, {
        name: model,
        owner: job.owner,
        connection: name,
        account,
        native: model,
        base_model: job.native_model,
        job: job.id,
        kind: 'checkpoint',
        created_at: createdAt,
        deleted_at: null,
      }),
    ),
  )
}

/** More checkpoints than any provider keeps of one job. */
const ALL_CHECKPOINTS = 100

/** What follows from a job's success is done before the success is told: each step may be repeated. */
const settle = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
): Promise<string[]> => {
  if (native.status === 'succeeded' && native.fineTunedModel !== null) {
    await registerModel(context, {
      name: native.fineTunedModel,
      owner: job.owner,
      connection: connection.name,
      account: connection.account,
      native: native.fineTunedModel,
      base_model: native.model,
      job: job.id,
      kind: 'model',
      created_at: native.finishedAt ?? nowSeconds(context),
      deleted_at: null,
    })
  }
  if (!isTerminal(native.status)) return []
  const { provider, channel } = connection
  const { items } = await provider.jobs.checkpoints(channel, native.id, { limit: ALL_CHECKPOINTS })
  await registerCheckpoints(context, job, connection, items)
  return adoptResults(context, job, connection, native)
}

/** Stores the provider's word about a job, and all that follows from it. */
export const recordNative = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
): Promise<JobRecord> => {
  const results = await settle(context, job, connection, native)
  const updated = await JOBS.update(context.platform.store, job.id, value =>
    // A slower answer must not take a job back from its end.
    isTerminal(value.status) ? value : { ...withNative(context, value, native), result_files: results },
  )
  return updated ?? job
}

/** A submission whose outcome was left open: the provider is asked for the label. */
const resolveSubmission = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
): Promise<JobRecord> => {
  const found = await connection.provider.jobs.find(connection.channel, job.id)
  if (found) return recordNative(context, job, connection, found)
  if (nowSeconds(context) - job.created_at < SUBMISSION_GRACE) return job
  const failed = await JOBS.update(context.platform.store, job.id, value =>
    value.native_id !== null || isTerminal(value.status)
      ? value
      : {
          ...value,
          status: 'failed',
          finished_at: nowSeconds(context),
          polled_at: nowSeconds(context),
          error: {
            code: 'submission_failed',
            message: 'The provider never confirmed this job and does not know it.',
            param: null,
          },
        },
  )
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
