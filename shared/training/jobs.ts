/**
 * Jobs an owner has: found, listed, steered, looked into.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import {
  ApiError,
  badRequest,
  type CheckpointObject,
  type EndedList,
  endedList,
  type JobEvent,
  type List,
  list,
  notFound,
} from '../openai/index.ts'
import type { Page, PageQuery } from '../platform/index.ts'
import { closedHint, nativeConnection } from '../providers/index.ts'
import { adoptJob } from './adopt.ts'
import { listEvents, tell } from './events.ts'
import { syncEvents } from './feed.ts'
import { hasMetadata, isTerminal, JOBS, type JobRecord, type MetadataFilter } from './records.ts'
import { connectionOf, recordNative, refreshJob } from './refresh.ts'
import { ended } from './transitions.ts'
import { checkpointPage } from './tunes.ts'

const JOB_PARAM = 'fine_tuning_job_id'

/**
 * A job of this owner. Someone else's is as unknown as one that never was. Where the request names a provider, an id of
 * that provider's own is taken in.
 */
export const findJob = async (context: Context, owner: string, id: string): Promise<JobRecord> => {
  const own = (await JOBS.get(context.platform.store, id))?.value
  const job = own ?? (await adoptJob(context, owner, id))
  if (!job || job.owner !== owner) {
    const hint = own ? '' : closedHint(context, await nativeConnection(context))
    throw notFound('job_not_found', JOB_PARAM, `No such fine-tuning job: '${id}'.${hint}`)
  }
  return job
}

/** A job as it stands at the provider now. */
export const getJob = async (context: Context, owner: string, id: string): Promise<JobRecord> =>
  refreshJob(context, await findJob(context, owner, id))

/** Jobs refreshed at once while a page is made. */
const REFRESHED_AT_ONCE = 6

/** A page of jobs, newest first, each as it stands at its provider now. */
export const listJobs = async (
  context: Context,
  owner: string,
  query: PageQuery,
  filter: MetadataFilter,
): Promise<Page<JobRecord>> => {
  const { items, hasMore } = await JOBS.list(context.platform.store, 'owner', owner, query, ({ request }) =>
    hasMetadata(filter)(request.metadata ?? {}),
  )
  const fresh: JobRecord[] = []
  for (let start = 0; start < items.length; start += REFRESHED_AT_ONCE) {
    const some = items.slice(start, start + REFRESHED_AT_ONCE)
    fresh.push(...(await Promise.all(some.map(job => refreshJob(context, job)))))
  }
  return { items: fresh, hasMore }
}

export type Command = 'cancel' | 'pause' | 'resume'

/** Tells the provider to cancel, pause or resume a job; the answer is what the provider made of it. */
export const commandJob = async (
  context: Context,
  owner: string,
  id: string,
  command: Command,
): Promise<JobRecord> => {
  const job = await getJob(context, owner, id)
  if (isTerminal(job.status)) {
    throw new ApiError({
      status: 400,
      code: 'invalid_state',
      param: JOB_PARAM,
      message: `The job '${id}' is ${job.status}: there is nothing to ${command}.`,
    })
  }
  if (job.native_id === null)
    return command === 'cancel' ? cancelUnplaced(context, job) : refuseUnplaced(job, command)
  const connection = await connectionOf(context, job)
  const carryOut = connection.provider.jobs[command]
  if (!carryOut) {
    throw badRequest(JOB_PARAM, `'${connection.provider.id}' cannot ${command} a job.`, 'feature_unsupported')
  }
  const native = await carryOut(connection.channel, job.native_id)
  const updated = await recordNative(context, job, connection, native)
  await tell(context, updated, [
    { level: 'info', message: `Asked ${connection.provider.id} to ${command} the job.` },
  ])
  return updated
}

const refuseUnplaced = ({ id }: JobRecord, command: Command): never => {
  throw new ApiError({
    status: 409,
    code: 'invalid_state',
    param: JOB_PARAM,
    message: `No provider is known to have the job '${id}' yet: ask for it, then ${command} it.`,
  })
}

/**
 * Cancels a job that no provider has confirmed: at once where none was sent it; else as soon as it is known to have it.
 */
const cancelUnplaced = async (context: Context, job: JobRecord): Promise<JobRecord> => {
  const now = nowSeconds(context)
  const updated = await JOBS.update(context.platform.store, job.id, value => {
    if (isTerminal(value.status)) return value
    const wanted = { ...value, is_cancelled: true }
    return value.sent_at === null && value.native_id === null
      ? ended(wanted, null, now)
      : { ...wanted, due_at: now }
  })
  const cancelled = updated ?? job
  await tell(context, cancelled, [
    {
      level: 'info',
      message:
        cancelled.status === 'cancelled'
          ? 'Cancelled before any provider had it.'
          : `To be cancelled as soon as ${cancelled.connection} tells whether it has the job.`,
    },
  ])
  return cancelled
}

/** A page of a job's events, newest first. The provider's feed is read up to now; without the provider, as far as known. */
export const jobEvents = async (
  context: Context,
  owner: string,
  id: string,
  query: PageQuery,
): Promise<List<JobEvent>> => {
  const job = await getJob(context, owner, id)
  await syncEvents(context, job)
  const { items, hasMore } = await listEvents(context, job, query)
  return list(
    items.map(event => ({ object: 'fine_tuning.job.event', ...event })),
    hasMore,
  )
}

/** A page of a job's checkpoints. Each is a model of the owner's from now on. */
export const jobCheckpoints = async (
  context: Context,
  owner: string,
  id: string,
  query: PageQuery,
): Promise<EndedList<CheckpointObject>> => {
  const job = await getJob(context, owner, id)
  if (job.native === null) return endedList([], false)
  const page = await checkpointPage(context, job, await connectionOf(context, job), job.native, query)
  const data = page.items.map(
    (checkpoint): CheckpointObject => ({
      id: checkpoint.id,
      object: 'fine_tuning.job.checkpoint',
      created_at: checkpoint.createdAt,
      fine_tuned_model_checkpoint: checkpoint.model,
      fine_tuning_job_id: job.id,
      step_number: checkpoint.step,
      metrics: checkpoint.metrics,
    }),
  )
  return endedList(data, page.hasMore)
}
