/**
 * Which tuned models there are, whose, and where they answer.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { type ApiError, type ModelObject, notFound } from '../openai/index.ts'
import {
  assertMayUse,
  connect,
  mayUseConnection,
  namesOfTune,
  ProviderFault,
  reconnect,
  useObjection,
} from '../providers/index.ts'
import { hostedBy } from './hosting.ts'
import { MODELS, type ModelRecord, toModelObject } from './records.ts'

/** A name without a record is looked up again soon: it may be tuned in a moment. */
const CACHE = { size: 1000, ttlMs: 5000 }
export interface Lookup {
  record: ModelRecord | undefined
}
const cacheOf = ({ caches }: Context) => caches<Lookup>('models', CACHE)

export const noSuchModel = (name: string): ApiError =>
  notFound('model_not_found', 'model', `The model '${name}' does not exist or is not yours.`)

/** What was found of a name a moment ago. */
export const knownLookup = (context: Context, name: string): Lookup | undefined => cacheOf(context).get(name)

/** What the registry knows of a name, deleted ones included. */
export const lookUpModel = (
  context: Context,
  name: string,
): ModelRecord | undefined | Promise<ModelRecord | undefined> => {
  const cached = knownLookup(context, name)
  return cached ? cached.record : readModel(context, name)
}

const readModel = async (context: Context, name: string): Promise<ModelRecord | undefined> => {
  const record = (await MODELS.get(context.platform.store, name))?.value
  cacheOf(context).set(name, { record })
  return record
}

/** Makes the next look-up ask the store. */
export const forgetModel = (context: Context, name: string): void => cacheOf(context).delete(name)

/** Enters a model that a job has made. Doing it again changes nothing. */
export const registerModel = async (context: Context, model: ModelRecord): Promise<void> => {
  // A checkpoint's end is its job's model's.
  const due_at = model.kind === 'model' ? nowSeconds(context) : null
  await MODELS.create(context.platform.store, { ...model, due_at })
  forgetModel(context, model.name)
  await registerAlias(context, model, model.native)
}

/**
 * Enters a provider's own name for a model. Shared credentials would answer anyone who knows it: this makes it its owner's.
 */
export const registerAlias = async (context: Context, model: ModelRecord, name: string): Promise<void> => {
  if (name === model.name) return
  const own = { name, kind: 'alias', alias_of: model.name, due_at: null } as const
  await MODELS.create(context.platform.store, { ...model, ...own, hosting: [] })
  forgetModel(context, name)
}

/** How a tune is known, for the caller's allow-lists. */
const useOf = (context: Context, { connection, base_model }: ModelRecord, names: readonly string[]) => ({
  connection,
  models: namesOfTune(context, connection, names, base_model),
})

/** A tuned model of this owner. @throws {ApiError} 404 for anyone else's, 403 for one that the caller may not use */
export const findTunedModel = async (
  context: Context,
  owner: string,
  name: string,
  aliases: readonly string[] = [],
): Promise<ModelRecord | undefined> => {
  const record = await lookUpModel(context, name)
  if (!record) return undefined
  if (record.owner !== owner || record.deleted_at !== null) throw noSuchModel(name)
  const names = [name, ...aliases]
  if (record.alias_of !== undefined) return findTunedModel(context, owner, record.alias_of, names)
  assertMayUse(context, useOf(context, record, names))
  return record
}

/** Most tuned models named in one list. */
const MOST_LISTED = 10_000

/** The base models of the default connection that the caller may use. */
const listOffered = async (context: Context): Promise<ModelObject[]> => {
  const connection = context.config.defaultConnection
  if (!mayUseConnection(context, connection)) return []
  const { provider, channel } = await connect(context, connection)
  const offered = await provider.models.list(channel)
  return offered.filter(
    ({ id }) => !provider.models.isTuned(id) && !useObjection(context, { connection, models: [id] }),
  )
}

/**
 * What the caller may use: base models of the default connection, then the owner's tuned ones. Others' tunes in the same account are
 * not shown.
 */
export const listModels = async (context: Context, owner: string): Promise<ModelObject[]> => {
  const [offered, own] = await Promise.all([
    listOffered(context),
    MODELS.list(context.platform.store, 'owner', owner, { limit: MOST_LISTED }),
  ])
  const usable = own.items.filter(model => !useObjection(context, useOf(context, model, [model.name])))
  return [...offered, ...usable.map(model => toModelObject(context, model))]
}

/** One model: the owner's tune, or a base model of the default connection. */
export const getModel = async (context: Context, owner: string, name: string): Promise<ModelObject> => {
  const tuned = await findTunedModel(context, owner, name)
  if (tuned) return toModelObject(context, tuned)
  const base = (await listModels(context, owner)).find(({ id }) => id === name)
  if (!base) throw noSuchModel(name)
  return base
}

/** What is not there any more needs no deletion. */
export const untilGone = async (deletion: Promise<void> | undefined): Promise<void> => {
  try {
    await deletion
  } catch (error) {
    if (!(error instanceof ProviderFault && error.status === 404)) throw error
  }
}

/** Deletes a tuned model at its provider; the name stays a tombstone. */
export const deleteModel = async (context: Context, owner: string, name: string): Promise<void> => {
  const model = await findTunedModel(context, owner, name)
  if (!model) throw noSuchModel(name)
  const { provider, channel } = await reconnect(context, model.connection, model.account)
  // A deployment outlives its model, and is billed: it goes first.
  if (model.deployment) await untilGone(provider.deployments?.delete(channel, model.deployment.id))
  await untilGone(provider.models.delete(channel, model.native))
  const now = nowSeconds(context)
  await MODELS.update(context.platform.store, name, value => ({
    ...value,
    deleted_at: now,
    hosting: hostedBy(value, null, now),
    due_at: now,
  }))
  cacheOf(context).delete(name)
}
