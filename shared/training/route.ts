/**
 * Where a job may be trained: the place its request names, the ones it may fall back to, or every one that has an equivalent.
 * @module
 */
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import { ApiError, badRequest, CREDENTIAL_FIELDS, type JobRequest, type Method } from '../openai/index.ts'
import {
  assertMayUse,
  type Connection,
  connect,
  connectionName,
  PROVIDERS,
  type Provider,
  useObjection,
} from '../providers/index.ts'
import { findTunedModel, resolveModel, splitModelName } from '../serving/index.ts'
import { type Health, healthOf } from './health.ts'

export const AUTO = 'auto'

/** A place a job can be sent to. */
export interface Place {
  connection: Connection
  /** The model as its provider names it. */
  model: string
  /** Whether it is the very model that was asked for. */
  isExact: boolean
  /** What the model was made of, if it is a tune of the owner's. */
  tunedFrom: string | null
}

/** A connection that is not tried, and why. */
export interface Rejected {
  connection: string
  reason: string
}

/** What was chosen, in the order of trying, and what was not. */
export interface Route {
  places: Place[]
  rejected: Rejected[]
  /** Whether the gateway chose. */
  isFree: boolean
}

/** What a place is judged by, beside being exact. */
export interface Merits {
  /** Expected cost in US dollars; null: not known, which counts as dearest. */
  usd: number | null
  health: Health
}

const rowOf = ({ capabilities }: Provider, model: string) =>
  capabilities.models.find(({ names }) => names.includes(model))

/** Every name of a model at any provider, so that an alias finds its row of equivalents. */
export const namesOf = (model: string): Set<string> =>
  new Set([model, ...Object.values(PROVIDERS).flatMap(provider => rowOf(provider, model)?.names ?? [])])

/** The model a provider trains in place of another: itself where the provider has it, else its equivalent. */
export const modelAt = (
  { equivalents }: Pick<Config, 'equivalents'>,
  provider: Provider,
  model: string,
): { model: string; isExact: boolean } | undefined => {
  if (rowOf(provider, model)) return { model, isExact: true }
  const names = namesOf(model)
  const row = equivalents.find(each => Object.values(each).some(name => names.has(name)))
  const found = (row as Record<string, string> | undefined)?.[provider.id]
  return found === undefined ? undefined : { model: found, isExact: names.has(found) }
}

/** Why a provider cannot train this model so, or undefined. */
const methodObjection = (provider: Provider, model: string, method: Method['type']) => {
  const row = rowOf(provider, model)
  return row && !row.methods.includes(method)
    ? `does not train '${model}' with the method '${method}'`
    : undefined
}

/** Why a provider is better not asked, though it may be when it is named: dates in a table can be wrong. */
const dateObjection = (provider: Provider, model: string, today: string) => {
  const until = rowOf(provider, model)?.trainableUntil ?? null
  return until !== null && today >= until ? `takes no jobs for '${model}' since ${until}` : undefined
}

/** Whether a place has failed so often of late that it is only tried when no other is left. */
const isUnwell = ({ health }: Merits) => health.failures >= 3

/** The best first: sound before unwell, exact before equivalent, cheap before dear, then by failures, then as configured. */
export const inOrder = <T extends Place>(
  places: readonly { place: T; merits: Merits }[],
  preference: readonly string[],
): T[] => {
  const liking = ({ connection }: Place) => {
    const at = preference.indexOf(connection.name)
    return at === -1 ? preference.length : at
  }
  const keys = ({ place, merits }: { place: T; merits: Merits }) => [
    Number(isUnwell(merits)),
    Number(!place.isExact),
    merits.usd ?? Number.POSITIVE_INFINITY,
    merits.health.failures,
    liking(place),
  ]
  return places
    .map(each => ({ each, by: keys(each) }))
    .sort((a, b) => {
      const first = a.by.findIndex((value, index) => value !== b.by[index])
      return first === -1 ? 0 : (a.by[first] ?? 0) - (b.by[first] ?? 0)
    })
    .map(({ each }) => each.place)
}

const today = (context: Context) => new Date(context.platform.clock.now()).toISOString().slice(0, 10)

/** What a job would cost at a place, in US dollars, or null. @throws {ApiError} 400 for what cannot be trained there so */
export type Judge = (place: Place) => Promise<number | null>

/** Every configured connection that can train the model or its equivalent, best first. */
const routeFreely = async (
  context: Context,
  model: string,
  method: Method['type'],
  judgeAt: Judge,
): Promise<Route> => {
  const { config } = context
  const rejected: Rejected[] = []
  const found: { place: Place; merits: Merits }[] = []
  const judge = async (name: string): Promise<string | undefined> => {
    const provider = PROVIDERS[config.connections[name]?.provider ?? '']
    const equivalent = provider && modelAt(config, provider, model)
    if (!provider || !equivalent) return `has neither '${model}' nor an equivalent in the configuration`
    const objection =
      useObjection(context, { connection: name, models: [equivalent.model] })?.reason ??
      methodObjection(provider, equivalent.model, method) ??
      dateObjection(provider, equivalent.model, today(context))
    if (objection !== undefined) return objection
    const connection = await connect(context, name)
    const place = { connection, ...equivalent, tunedFrom: null }
    found.push({ place, merits: { usd: await judgeAt(place), health: await healthOf(context, name) } })
    return undefined
  }
  for (const name of Object.keys(config.connections)) {
    const reason = await judge(name).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.code === 'internal_error') throw error
      return error.code === 'connection_unconfigured'
        ? `is not configured: ${error.message}`
        : `refuses it: ${error.message}`
    })
    if (reason !== undefined) rejected.push({ connection: name, reason })
  }
  if (found.length > 0) return { places: inOrder(found, config.preference), rejected, isFree: true }
  throw badRequest(
    'provider',
    `No connection can train '${model}': ${rejected.map(({ connection, reason }) => `${connection} ${reason}`).join('; ')}.`,
    'feature_unsupported',
  )
}

/** One entry of `fallback_providers`: `azure`, `azure-sweden`, `vertex_ai/gemini-3.5-flash`. */
const fallbackPlace = async (
  context: Context,
  entry: string,
  index: number,
  model: string,
  method: Method['type'],
): Promise<Place> => {
  const param = `fallback_providers[${index}]`
  const { prefix, name } = splitModelName(context.config, entry)
  const { config, caller } = context
  const open = async () => connect(context, connectionName({ config, caller }, { provider: prefix ?? entry }))
  const connection = await open().catch((error: unknown) => {
    throw error instanceof ApiError && error.param === 'provider'
      ? new ApiError({ ...error, message: error.message, param })
      : error
  })
  const { provider } = connection
  const equivalent =
    prefix === undefined
      ? modelAt(context.config, provider, model)
      : { model: name, isExact: namesOf(model).has(name) }
  if (!equivalent) {
    throw badRequest(
      param,
      `'${provider.id}' has neither '${model}' nor an equivalent in the configuration: name one as '${entry}/<model>'.`,
    )
  }
  const objection = methodObjection(provider, equivalent.model, method)
  if (objection !== undefined) throw badRequest(param, `'${entry}' ${objection}.`)
  assertMayUse(context, { connection: connection.name, models: [equivalent.model] }, param)
  return { connection, ...equivalent, tunedFrom: null }
}

/** Whether a request leaves it to the gateway where it is trained. */
export const isAuto = ({ provider, custom_llm_provider }: JobRequest, context: Context) =>
  (provider ?? custom_llm_provider ?? context.provider) === AUTO

/**
 * The places a job may be sent to.
 * @throws {ApiError} 400 naming what cannot be
 */
export const routeJob = async (
  context: Context,
  owner: string,
  request: JobRequest,
  method: Method['type'],
  judgeAt: Judge,
): Promise<Route> => {
  const wish = { ...context.credentials, ...request }
  const own = CREDENTIAL_FIELDS.find(field => wish[field] !== undefined)
  const fallbacks = request.fallback_providers ?? []
  if (own !== undefined && (isAuto(request, context) || fallbacks.length > 0)) {
    throw badRequest(own, 'Credentials of a request are good for the one provider it names.')
  }
  const { name } = splitModelName(context.config, request.model)
  const isFree = isAuto(request, context) && (await findTunedModel(context, owner, name)) === undefined
  if (isFree) {
    if (fallbacks.length > 0)
      throw badRequest(
        'fallback_providers',
        "With the provider 'auto' the gateway itself finds where to fall back to.",
      )
    return routeFreely(context, name, method, judgeAt)
  }
  // A tune is where it was made, whoever is to choose.
  const named = isAuto(request, context)
    ? { ...wish, provider: undefined, custom_llm_provider: undefined }
    : wish
  const { connection, model, tuned } = await resolveModel(context, owner, request.model, named)
  if (tuned && fallbacks.length > 0)
    throw badRequest('fallback_providers', 'A tuned model can only be trained further where it is.')
  const places: Place[] = [{ connection, model, isExact: true, tunedFrom: tuned?.base_model ?? null }]
  for (const [index, entry] of fallbacks.entries())
    places.push(await fallbackPlace(context, entry, index, model, method))
  const isNew = ({ connection: { name }, model: at }: Place, index: number) =>
    places.findIndex(each => each.connection.name === name && each.model === at) === index
  return { places: places.filter(isNew), rejected: [], isFree: false }
}
