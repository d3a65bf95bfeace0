/**
 * The models a job makes: their names, their entries in the registry.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import {
  type Connection,
  type NativeCheckpoint,
  type NativeJob,
  type NativePage,
  type PageRequest,
  type Provider,
  ProviderFault,
} from '../providers/index.ts'
import { registerModel } from '../serving/index.ts'
import type { JobRecord } from './records.ts'

/**
 * What callers say to use a job's tune: the provider's own name where it is one, else a name of the gateway's in the
 * same manner, `ft:<base>:<provider>:<suffix>:<end of the job's id>`.
 */
export const tuneName = (
  job: JobRecord,
  { provider }: Pick<Connection, 'provider'>,
  native: NativeJob,
): string | null => {
  if (native.fineTunedModel === null || provider.tuneNames === 'native') return native.fineTunedModel
  return ownName(job, provider, native)
}

const ownName = (job: JobRecord, provider: Provider, native: NativeJob): string => {
  const base = native.model.split('/').at(-1) ?? native.model
  return ['ft', base, provider.id, job.request.suffix ?? '', job.id.slice(-8)].join(':')
}

const checkpointName = (
  job: JobRecord,
  { provider }: Connection,
  native: NativeJob,
  { model, step }: NativeCheckpoint,
): string => (provider.tuneNames === 'native' ? model : `${ownName(job, provider, native)}:ckpt-step-${step}`)

/** Enters what a job has made. Doing it again changes nothing. */
export const registerTune = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
): Promise<void> => {
  const name = tuneName(job, connection, native)
  if (native.status !== 'succeeded' || name === null || native.fineTunedModel === null) return
  await registerModel(context, {
    name,
    owner: job.owner,
    connection: connection.name,
    account: connection.account,
    native: native.fineTunedModel,
    ...(connection.provider.deployments && { deployment: null }),
    base_model: native.model,
    job: job.id,
    kind: 'model',
    created_at: native.finishedAt ?? nowSeconds(context),
    deleted_at: null,
  })
}

/** A page of a job's checkpoints as the provider has it, or cut out of what the job itself tells. */
const nativeCheckpoints = async (
  { provider, channel }: Connection,
  native: NativeJob,
  page: PageRequest,
): Promise<NativePage<NativeCheckpoint>> => {
  if (provider.jobs.checkpoints) return provider.jobs.checkpoints(channel, native.id, page)
  const all = native.checkpoints ?? []
  const start = page.after === undefined ? 0 : all.findIndex(({ id }) => id === page.after) + 1
  return { items: all.slice(start, start + page.limit), hasMore: all.length > start + page.limit }
}

/**
 * A page of a job's checkpoints, under the names callers use. Each is its owner's model from now on: no one else may call
 * it, and it is listed with its job only.
 */
export const checkpointPage = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  native: NativeJob,
  page: PageRequest,
): Promise<NativePage<NativeCheckpoint>> => {
  const { items, hasMore } = await nativeCheckpoints(connection, native, page).catch((error: unknown) => {
    // A job that never got so far has none.
    if (error instanceof ProviderFault && error.status === 404) return { items: [], hasMore: false }
    throw error
  })
  const named = items.map(checkpoint => ({
    ...checkpoint,
    model: checkpointName(job, connection, native, checkpoint),
  }))
  await Promise.all(
    named.map(({ model, createdAt }, index) =>
      registerModel(context, {
        name: model,
        owner: job.owner,
        connection: connection.name,
        account: connection.account,
        native: items[index]?.model ?? model,
        ...(connection.provider.deployments && { deployment: null }),
        base_model: job.native_model,
        job: job.id,
        kind: 'checkpoint',
        created_at: createdAt,
        deleted_at: null,
      }),
    ),
  )
  return { items: named, hasMore }
}
