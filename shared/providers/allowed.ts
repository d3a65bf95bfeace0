/**
 * What the caller's allow-lists let through. Whoever looks at what is the owner's needs no leave; whoever uses a model, or a
 * provider's account, does.
 * @module
 */
import type { Context } from '../context.ts'
import { ApiError } from '../openai/index.ts'
import { baseModelOf } from './base-model.ts'
import { PROVIDERS } from './registry.ts'

/** A model at a connection. */
export interface Use {
  connection: string
  /** Names it is known by, without a prefix: one that is allowed suffices. */
  models: readonly (string | null)[]
}

type Asking = Pick<Context, 'config' | 'caller'>

const providerOf = ({ config }: Asking, connection: string): string =>
  config.connections[connection]?.provider ?? ''

/** Whether the caller may use a connection. */
export const mayUseConnection = (context: Asking, connection: string): boolean => {
  const providers = context.caller?.providers
  return !providers || providers.includes(connection) || providers.includes(providerOf(context, connection))
}

/** A name and what the capability table knows it by besides. */
const namesAt = (provider: string, name: string): readonly string[] =>
  PROVIDERS[provider]?.capabilities.models.find(({ names }) => names.includes(name))?.names ?? [name]

/** Whether a name reads like one with a prefix: an entry of that form means the model there, and no other's of that name. */
const isPrefixed = ({ config: { connections } }: Asking, name: string): boolean => {
  const prefix = name.slice(0, Math.max(name.indexOf('/'), 0))
  return Object.hasOwn(connections, prefix) || Object.hasOwn(PROVIDERS, prefix)
}

const mayUseModel = (context: Asking, { connection, models }: Use): boolean => {
  const allowed = context.caller?.models
  if (!allowed) return true
  const provider = providerOf(context, connection)
  return models.some(
    model =>
      model !== null &&
      namesAt(provider, model).some(name =>
        [
          ...(isPrefixed(context, name) ? [] : [name]),
          ...[`${provider}/${name}`, `${connection}/${name}`],
        ].some(form => allowed.includes(form)),
      ),
  )
}

/** Why the caller may not use a model there, or undefined. */
export const useObjection = (context: Asking, use: Use): { param: string; reason: string } | undefined => {
  if (!mayUseConnection(context, use.connection))
    return { param: 'provider', reason: "is not among the providers of the caller's key" }
  if (!mayUseModel(context, use))
    return {
      param: 'model',
      reason: `has '${use.models[0]}', which is not among the models of the caller's key`,
    }
  return undefined
}

const refused = (param: string, message: string): ApiError =>
  new ApiError({ status: 403, code: 'insufficient_permissions', param, message })

/** @throws {ApiError} 403 naming what the caller's key does not hold */
export const assertMayUse = (context: Asking, use: Use, at?: string): void => {
  const objection = useObjection(context, use)
  if (objection) throw refused(at ?? objection.param, `'${use.connection}' ${objection.reason}.`)
}

/** {@link assertMayUse} of a connection, whatever is to be used there. */
export const assertMayUseConnection = (context: Asking, connection: string): void => {
  if (!mayUseConnection(context, connection))
    throw refused('provider', `'${connection}' is not among the providers of the caller's key.`)
}

/** Names of a tune that let it through: its own, and the model it was made of. */
export const namesOfTune = (
  context: Asking,
  connection: string,
  names: readonly string[],
  base: string,
): readonly string[] => [...names, base, baseModelOf(providerOf(context, connection), base)]
