/**
 * From a connection's name to a channel that can speak to it.
 * @module
 */
import type { ConnectionConfig } from '../config.ts'
import type { Context } from '../context.ts'
import { resolveField } from '../credentials/index.ts'
import { ApiError, badRequest, type Routing } from '../openai/index.ts'
import type { Answer, OutboundRequest } from '../transport.ts'
import { TransportError } from '../transport.ts'
import { parseJson } from './json.ts'
import {
  type Channel,
  type ConnectionField,
  type Fault,
  type Provider,
  ProviderFault,
  type ProviderRequest,
  type Settings,
} from './provider.ts'
import { PROVIDERS } from './registry.ts'

/** A connection ready for use. */
export interface Connection {
  name: string
  provider: Provider
  channel: Channel
  /**
   * Whose account it is: native ids mean something only within it. The connection's name, or for a key that came with
   * the request the connection and a fingerprint of that key.
   */
  account: string
}

/** What a request says of where it wants to go. */
export type Wish = Pick<Routing, 'provider' | 'custom_llm_provider' | 'timeout' | 'api_key' | 'api_base'>

/** The name of the connection a request means: its own, else the one its model's prefix names, else the default. */
export const connectionName = (context: Pick<Context, 'config'>, wish: Wish, prefix?: string): string => {
  const { connections, defaultConnection } = context.config
  const asked = wish.provider ?? wish.custom_llm_provider
  const name = asked ?? prefix ?? defaultConnection
  if (Object.hasOwn(connections, name)) return name
  // A provider's own name means its first connection.
  const first = Object.keys(connections).find(key => connections[key]?.provider === name)
  if (first !== undefined) return first
  const allowed = Object.keys(connections).join(', ')
  throw badRequest(
    wish.custom_llm_provider === undefined ? 'provider' : 'custom_llm_provider',
    `Unknown provider '${name}'. Configured: ${allowed}.`,
  )
}

const SETTINGS_CACHE = { size: 100, ttlMs: 60_000 }

/** Fields a request may bring, if the deployment lets it. A host comes only together with a key. */
const requestedFields = (context: Context, wish: Wish): Settings | undefined => {
  if (wish.api_key === undefined && wish.api_base === undefined) return undefined
  if (!context.config.requestCredentials) {
    throw new ApiError({
      status: 403,
      code: 'permission_denied',
      param: wish.api_key === undefined ? 'api_base' : 'api_key',
      message: 'This deployment does not take provider credentials from requests.',
    })
  }
  if (wish.api_key === undefined) {
    throw badRequest('api_base', 'A host is only used together with a key for it: give api_key as well.')
  }
  return { apiKey: wish.api_key, ...(wish.api_base !== undefined && { baseUrl: wish.api_base }) }
}

const resolveSettings = async (
  { platform }: Context,
  provider: Provider,
  config: ConnectionConfig,
  requested: Settings | undefined,
): Promise<Settings> => {
  const settings: Settings = { ...requested }
  for (const field of Object.keys(provider.fields) as ConnectionField[]) {
    const spec = provider.fields[field]
    // With a caller's key nothing of the deployment's own account goes along, but for the provider's address.
    if (!spec || (requested && field !== 'baseUrl')) continue
    const value = await resolveField(spec, requested?.[field], config[field], platform)
    if (value !== undefined) settings[field] = value
  }
  return settings
}

const fingerprint = async (secret: string): Promise<string> => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return Array.from(new Uint8Array(digest, 0, 6), byte => byte.toString(16).padStart(2, '0')).join('')
}

const NO_ANSWER: Omit<Fault, 'status'> = {
  code: null,
  nativeCode: null,
  message: undefined,
  param: null,
  retryAfter: null,
  refused: false,
}

const openChannel = (
  context: Context,
  provider: Provider,
  settings: Settings,
  timeoutMs: number,
): Channel => {
  const authorised = async (request: ProviderRequest): Promise<OutboundRequest> => ({
    ...request,
    headers: { ...request.headers, ...(await provider.authorise(settings, request)) },
    timeoutMs,
    signal: context.signal,
  })
  const faultWithout = (status: Fault['status'], cause?: unknown) =>
    new ProviderFault(provider.id, { ...NO_ANSWER, status }, cause)
  const rethrow = (error: unknown): never => {
    throw error instanceof TransportError ? faultWithout(error.reason, error) : error
  }
  const isSuccess = (status: number) => status >= 200 && status < 300
  const faultOf = (answer: Answer) => new ProviderFault(provider.id, provider.toFault(answer))
  const call: Channel['call'] = async request => {
    const answer = await context.transport.call(await authorised(request)).catch(rethrow)
    if (!isSuccess(answer.status)) throw faultOf(answer)
    return answer
  }
  return {
    settings,
    sizedBody: context.platform.sizedBody,
    call,
    async read(schema, request) {
      const { bytes } = await call(request)
      const result = schema.safeParse(parseJson(bytes))
      if (result.success) return result.data
      // Only the paths go along: the issues themselves may quote the body.
      throw faultWithout(
        'garbled',
        result.error.issues.map(issue => issue.path.join('.')),
      )
    },
    async open(request) {
      const answer = await context.transport.open(await authorised(request)).catch(rethrow)
      if (isSuccess(answer.status)) return answer
      const bytes = new Uint8Array(await new Response(answer.body).arrayBuffer())
      throw faultOf({ ...answer, bytes })
    },
  }
}

/**
 * The connection to an account something was made in. A key that came with a request then must come with it again.
 * @throws {ApiError} 409 when it did not.
 */
export const reconnect = async (
  context: Context,
  name: string,
  account: string,
  { timeout }: Pick<Wish, 'timeout'> = {},
): Promise<Connection> => {
  if (account === name) return connect(context, name, { timeout })
  const { credentials } = context
  const connection = credentials?.api_key
    ? await connect(context, name, { ...credentials, timeout })
    : undefined
  if (connection?.account === account) return connection
  throw new ApiError({
    status: 409,
    code: 'credentials_required',
    message: `This was made with a key of the request, which the gateway has not kept: give the same key again, in the header x-tunegate-api-key.`,
  })
}

/** Whether the provider only cannot be asked now, so that what is known stands. */
export const isOutOfReach = (error: unknown): boolean =>
  error instanceof ProviderFault || (error instanceof ApiError && error.code === 'credentials_required')

/**
 * Resolves a connection's credentials and opens the way to it.
 * @throws {ApiError} When credentials are missing or may not be given.
 */
export const connect = async (context: Context, name: string, wish: Wish = {}): Promise<Connection> => {
  const config = context.config.connections[name]
  const provider = config && PROVIDERS[config.provider]
  if (!config || !provider) {
    throw new ApiError({
      status: 500,
      code: 'connection_unconfigured',
      message: `The connection '${name}' names no known provider.`,
    })
  }
  const requested = requestedFields(context, wish)
  const cache = context.caches<Settings>('connection settings', SETTINGS_CACHE)
  const cached = requested ? undefined : cache.get(name)
  const settings = cached ?? (await resolveSettings(context, provider, config, requested))
  if (!settings[provider.required]) {
    throw new ApiError({
      status: 500,
      code: 'connection_unconfigured',
      message: `The connection '${name}' has no ${provider.required}: set ${provider.fields[provider.required]?.name}.`,
    })
  }
  if (!requested && !cached) cache.set(name, settings)
  const seconds = wish.timeout ?? config.timeoutSeconds ?? context.config.timeoutSeconds
  const channel = openChannel(context, provider, settings, seconds * 1000)
  const account = requested?.apiKey ? `${name}#${await fingerprint(requested.apiKey)}` : name
  return { name, provider, channel, account }
}
