/**
 * Takes in jobs that the gateway has not made, named by their provider's own ids.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import type { JobObject, Method } from '../openai/index.ts'
import type { Page, PageQuery } from '../platform/index.ts'
import {
  type Connection,
  itemsAfter,
  listedConnection,
  mayAdopt,
  type NativeJob,
  nativeConnection,
  nativeKey,
  pageOf,
  unlessMissing,
} from '../providers/index.ts'
import { tell } from './events.ts'
import {
  CLAIMS,
  claimJob,
  hasMetadata,
  JOBS,
  type JobRecord,
  jobOfLabel,
  type MetadataFilter,
  newJob,
  toJobObject,
} from './records.ts'
import { recordNative } from './refresh.ts'

/** A job's record out of nothing but what its provider tells. */
const toRecord = (
  context: Context,
  owner: string,
  { name, account, provider }: Connection,
  native: NativeJob,
  id: string,
): JobRecord => {
  const { origin } = native
  const now = nowSeconds(context)
  const job = newJob({
    id,
    owner,
    created_at: origin?.createdAt ?? now,
    request: {
      model: native.model,
      training_file: origin?.trainingFile ?? '',
      validation_file: origin?.validationFile ?? null,
      suffix: origin?.suffix ?? null,
      metadata: origin && Object.keys(origin.metadata).length > 0 ? origin.metadata : null,
    },
    drop_params: false,
    method: native.method ?? { type: 'supervised' },
    seed: native.seed,
    targets: [
      {
        provider: provider.id,
        connection: name,
        account,
        native_model: native.model,
        estimate: { missing: 'The gateway has not made this job.' },
      },
    ],
    due_at: account === name ? now : null,
    deadline_at: null,
  })
  return { ...job, stage: 'watching', native_id: native.id }
}

/** Whose a provider's job is: who took it first, else whoever the label on it names. A free one has no one. */
const holderOf = async (
  { platform: { store } }: Context,
  connection: Connection,
  native: NativeJob,
): Promise<{ owner: string; job: string } | undefined> => {
  const claim = (await CLAIMS.get(store, nativeKey(connection, native.id)))?.value
  if (claim) return claim
  const label = native.origin?.label
  const job = label === undefined ? undefined : (await JOBS.get(store, jobOfLabel(label)))?.value
  return job && { owner: job.owner, job: job.id }
}

/**
 * The job that a provider has under an id of its own, as the owner's from now on.
 * @returns undefined when there is none, or it is not theirs to have
 */
export const adoptJob = async (
  context: Context,
  owner: string,
  id: string,
): Promise<JobRecord | undefined> => {
  const connection = await nativeConnection(context)
  if (!connection || !mayAdopt(context, connection)) return undefined
  const { store, ids } = context.platform
  const native = await unlessMissing(connection.provider.jobs.get(connection.channel, id))
  if (!native) return undefined
  const holder = await holderOf(context, connection, native)
  if (holder && holder.owner !== owner) return undefined
  const own = holder && (await JOBS.get(store, holder.job))?.value
  if (own) return own
  // A claim without a job is of someone who was interrupted here.
  const job = toRecord(context, owner, connection, native, holder?.job ?? ids.next('ftjob-'))
  if (!holder && !(await claimJob(context, connection, job, native.id))) return adoptJob(context, owner, id)
  await JOBS.create(store, job)
  await tell(context, job, [
    { level: 'info', message: `Taken in from ${connection.provider.id}, which calls it ${native.id}.` },
  ])
  return recordNative(context, job, connection, native)
}

/** As the list shows a job: by its provider's ids throughout. */
const toListed = (
  context: Context,
  owner: string,
  connection: Connection,
  native: NativeJob,
): JobObject<Method> =>
  toJobObject({
    ...toRecord(context, owner, connection, native, native.id),
    native,
    status: native.status,
    error: native.error,
    finished_at: native.finishedAt,
    fine_tuned_model: native.fineTunedModel,
    result_files: native.resultFiles,
    polled_at: nowSeconds(context),
  })

/** A page of the jobs that a provider itself has, by its own ids; those of other owners are left out. Nothing is taken in. */
export const listNativeJobs = async (
  context: Context,
  owner: string,
  { provider, after, limit }: PageQuery & { provider: string },
  filter: MetadataFilter,
): Promise<Page<JobObject<Method>>> => {
  const connection = await listedConnection(context, provider)
  const { jobs } = connection.provider
  const listed = {
    paging: jobs.paging,
    list: (page: Parameters<typeof jobs.list>[1]) => jobs.list(connection.channel, page),
  }
  const { items, hasMore } = await pageOf(itemsAfter(listed, after), limit, async native => {
    if (!hasMetadata(filter)(native.origin?.metadata ?? {})) return false
    const holder = await holderOf(context, connection, native)
    return holder === undefined || holder.owner === owner
  })
  return { items: items.map(native => toListed(context, owner, connection, native)), hasMore }
}
