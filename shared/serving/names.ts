/**
 * A model's name → where it is answered: registry → explicit prefix → default connection.
 * @module
 */
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import { CREDENTIAL_FIELDS } from '../openai/index.ts'
import {
  assertMayUse,
  type Connection,
  connect,
  connectionName,
  PROVIDERS,
  reconnect,
  type Wish,
} from '../providers/index.ts'
import { isDeploymentName } from './deployments.ts'
import type { ModelRecord } from './records.ts'
import { findTunedModel, lookUpModel, noSuchModel } from './registry.ts'

/** Splits `openai/gpt-4.1-mini` into a connection or provider that is configured, and the rest. */
export const splitModelName = (
  { connections }: Pick<Config, 'connections'>,
  model: string,
): { prefix: string | undefined; name: string } => {
  const slash = model.indexOf('/')
  const prefix = model.slice(0, Math.max(slash, 0))
  return slash > 0 && (Object.hasOwn(connections, prefix) || Object.hasOwn(PROVIDERS, prefix))
    ? { prefix, name: model.slice(slash + 1) }
    : { prefix: undefined, name: model }
}

export interface Target {
  connection: Connection
  /** The model as its provider names it; of a tune, the tune itself rather than a deployment of it. */
  model: string
  /** The owner's tune that the name means. */
  tuned: ModelRecord | undefined
}

/** Where a name that says nothing of its provider belongs by its form: `projects/…`, `arn:aws:bedrock:…`. */
const patternOf = ({ config }: Context, name: string): string | undefined =>
  Object.keys(config.connections).find(key => {
    const provider = PROVIDERS[config.connections[key]?.provider ?? '']
    return provider?.tuneNames === 'gateway' && provider.models.isTuned(name)
  })

/**
 * Where a model is: registry, then the request's provider, then the name's prefix, then its form, then the default.
 * @throws {ApiError} 404 for someone else's tuned model, whatever prefix it is dressed in; 403 for what the caller may not use
 */
export const resolveModel = async (
  context: Context,
  owner: string,
  model: string,
  wish: Wish,
): Promise<Target> => {
  const { prefix, name } = splitModelName(context.config, model)
  const known = lookUpModel(context, name)
  const record = known instanceof Promise ? await known : known
  const tuned = record && (await findTunedModel(context, owner, name))
  // With credentials of its own a request means its own account, where the name is another model.
  const isElsewhere =
    CREDENTIAL_FIELDS.some(field => wish[field] !== undefined) && tuned?.account === tuned?.connection
  if (tuned && !isElsewhere) {
    const connection = await reconnect(context, tuned.connection, tuned.account, wish)
    return { connection, model: tuned.native, tuned }
  }
  // Deployments the gateway has made are called by their model's name, which says whose they are.
  if (isDeploymentName(name)) throw noSuchModel(name)
  const connection = await connect(
    context,
    connectionName(context, wish, prefix ?? patternOf(context, name)),
    wish,
  )
  assertMayUse(context, { connection: connection.name, models: [name] })
  return { connection, model: name, tuned: undefined }
}
