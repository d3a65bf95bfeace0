/**
 * From a connection's name to a channel that can speak to it.
 * @module
 */
import type { ConfigValue, ConnectionConfig } from '../config.ts'
import type { Context } from '../context.ts'
import { createTokenCache, type FieldSpec, resolveField, type TokenSlot } from '../credentials/index.ts'
import { ApiError, badRequest, CREDENTIAL_FIELDS, type Routing } from '../openai/index.ts'
import type { Answer, OutboundRequest } from '../transport.ts'
import { TransportError } from '../transport.ts'
import { assertMayUseConnection } from './allowed.ts'
import { parseJson } from './json.ts'
import {
  type AuthTools,
  type Channel,
  type Provider,
  ProviderFault,
  type ProviderRequest,
  type PushMessage,
  type Settings,
  unansweredFault,
} from './provider.ts'
import { PROVIDERS } from './registry.ts'

/** A connection ready for use. */
export interface Connection {
  name: string
  provider: Provider
  channel: Channel
  /** What one call through the channel may take. */
  timeoutMs: number
  /**
   * Whose account it is: native ids mean something only within it. The connection's name, or for a key that came with
   * the request the connection and a fingerprint of that key.
   */
  account: string
}

/** What a request says of where it wants to go. */
export type Wish = Omit<Routing, 'drop_params'>

/**
 * The name of the connection a request means: its own, else the one its model's prefix names, else the default.
 * @throws {ApiError} 400 when there is none such, 403 when the caller may not use it
 */
export const connectionName = (
  context: Pick<Context, 'config' | 'provider' | 'caller'>,
  wish: Wish,
  prefix?: string,
): string => {
  const name = namedConnection(context, wish, prefix)
  assertMayUseConnection(context, name)
  return name
}

const namedConnection = (
  context: Pick<Context, 'config' | 'provider'>,
  wish: Wish,
  prefix: string | undefined,
): string => {
  const { connections, defaultConnection } = context.config
  const asked = wish.provider ?? wish.custom_llm_provider ?? context.provider
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
/** Tokens know their own end; this only bounds how long an unused one is kept. */
const TOKEN_CACHE = { size: 200, ttlMs: 3_600_000 }

const isConfigValue = (value: unknown): value is ConfigValue =>
  typeof value === 'string' ||
  (typeof value === 'object' && value !== null && ('env' in value || 'secret' in value))

/** What a request brought for a field, as the text it is configured with otherwise. */
const requestedValue = (wish: Wish, { request }: FieldSpec): string | undefined => {
  const value = request === undefined ? undefined : wish[request]
  return typeof value === 'object' ? JSON.stringify(value) : value
}

/**
 * Whether the request calls with a credential of its own. Everything else it brings (a host, a region) is only taken
 * together with one: the deployment's credentials never travel to where a caller points.
 */
const bringsCredential = (context: Context, provider: Provider, wish: Wish): boolean => {
  const brought = CREDENTIAL_FIELDS.filter(field => wish[field] !== undefined)
  const [first] = brought
  if (first === undefined) return false
  if (!context.config.requestCredentials) {
    throw new ApiError({
      status: 403,
      code: 'permission_denied',
      param: first,
      message: 'This deployment does not take provider credentials from requests.',
    })
  }
  const specs = Object.values(provider.fields)
  const unknown = brought.find(field => !specs.some(spec => spec.request === field))
  if (unknown !== undefined) throw badRequest(unknown, `'${provider.id}' has no use for '${unknown}'.`)
  const credentials = specs.filter(({ kind }) => kind === 'credential')
  if (credentials.some(spec => requestedValue(wish, spec) !== undefined)) return true
  const wanted = credentials.flatMap(({ request }) => (request === undefined ? [] : [request])).join(', ')
  throw badRequest(
    first,
    `'${first}' is only used together with a credential for it: give ${wanted} as well.`,
  )
}

const resolveSettings = async (
  { platform }: Context,
  provider: Provider,
  config: ConnectionConfig,
  wish: Wish,
  isOwn: boolean,
): Promise<Settings> => {
  const configured: Record<string, unknown> = { ...config }
  const settings: Record<string, string> = {}
  for (const [field, spec] of Object.entries(provider.fields)) {
    const value =
      isOwn && spec.kind !== 'place'
        ? requestedValue(wish, spec)
        : await resolveField(
            spec,
            isOwn ? requestedValue(wish, spec) : undefined,
            asConfigValue(configured[field]),
            platform,
          )
    if (value !== undefined) settings[field] = value
  }
  return settings
}

/** Structured values (a map of endpoints, a service account) reach a provider as JSON. */
const asConfigValue = (value: unknown): ConfigValue | undefined =>
  value === undefined || isConfigValue(value) ? value : JSON.stringify(value)

const fingerprint = async (secret: string): Promise<string> => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return Array.from(new Uint8Array(digest, 0, 6), byte => byte.toString(16).padStart(2, '0')).join('')
}

const isSuccess = (status: number) => status >= 200 && status < 300
const faultOf = (provider: Provider, answer: Answer) =>
  new ProviderFault(provider.id, provider.toFault(answer))
const rethrowFor = (provider: Provider) => (error: unknown) => {
  throw error instanceof TransportError ? unansweredFault(provider.id, error.reason, error) : error
}

/** The client's signal where a request needs it: asking for it makes it, and some platforms do without. */
const signalFor = (
  context: Context,
  { tidies, endsWithRequest }: ProviderRequest,
): AbortSignal | undefined =>
  tidies || (endsWithRequest && context.platform.endsCallsWithRequest) ? undefined : context.signal

/** Asks with requests that are authorised already. Anything but a 2xx is thrown as a {@link ProviderFault}. */
export const directTo = (
  context: Context,
  provider: Provider,
  timeoutMs: number,
): Pick<Channel, 'call' | 'open'> => {
  const rethrow = rethrowFor(provider)
  const outgoing = (request: ProviderRequest): OutboundRequest => ({
    ...request,
    headers: request.headers ?? {},
    timeoutMs,
    signal: signalFor(context, request),
  })
  return {
    async call(request) {
      const sent = context.transport.call(outgoing(request))
      if (request.tidies) context.platform.defer(sent.catch(() => undefined))
      const answer = await sent.catch(rethrow)
      if (!isSuccess(answer.status) && !request.accept?.includes(answer.status))
        throw faultOf(provider, answer)
      return answer
    },
    async open(request) {
      const answer = await context.transport.open(outgoing(request)).catch(rethrow)
      if (isSuccess(answer.status)) return answer
      const bytes = new Uint8Array(await new Response(answer.body).arrayBuffer())
      throw faultOf(provider, { ...answer, bytes })
    },
  }
}

/** What authorising a request, or checking a message, may need. */
const authTools = (context: Context, timeoutMs: number): AuthTools => {
  const { clock, defer } = context.platform
  return {
    get tokens() {
      return createTokenCache({
        slots: context.caches<TokenSlot>('tokens', TOKEN_CACHE),
        now: clock.now,
        sleep: clock.sleep,
        defer,
      })
    },
    // Not bound to the caller who happens to need the token first.
    call: request => context.transport.call({ ...request, timeoutMs, repeat: 'never' }),
    now: clock.now,
  }
}

const openChannel = (
  context: Context,
  provider: Provider,
  settings: Settings,
  timeoutMs: number,
): Channel => {
  const { clock, sizedBody } = context.platform
  const tools = authTools(context, timeoutMs)
  const direct = directTo(context, provider, timeoutMs)
  const authorised = async (request: ProviderRequest): Promise<ProviderRequest> => ({
    ...request,
    headers: { ...request.headers, ...(await provider.authorise(settings, request, tools)) },
  })
  const call: Channel['call'] = async request => direct.call(await authorised(request))
  return {
    settings,
    sizedBody,
    sleep: clock.sleep,
    now: clock.now,
    call,
    async read(schema, request) {
      const { bytes } = await call(request)
      const result = schema.safeParse(parseJson(bytes))
      if (result.success) return result.data
      // Only the paths go along: the issues themselves may quote the body.
      throw unansweredFault(
        provider.id,
        'garbled',
        result.error.issues.map(issue => issue.path.join('.')),
      )
    },
    open: async request => direct.open(await authorised(request)),
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
  const connection = await connectWithOwn(context, name, timeout)
  if (connection?.account === account) return connection
  throw new ApiError({
    status: 409,
    code: 'credentials_required',
    message:
      'This was made with credentials of a request, which the gateway has not kept: give the same again, in the headers (x-tunegate-api-key and its kin).',
  })
}

/** The connection as the request's own credentials open it; undefined when it has none, or none of use there. */
const connectWithOwn = async (
  context: Context,
  name: string,
  timeout: number | undefined,
): Promise<Connection | undefined> => {
  if (!context.credentials) return undefined
  return connect(context, name, { ...context.credentials, timeout }).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 400) return undefined
    throw error
  })
}

/** Whether the provider only cannot be asked now, so that what is known stands. */
export const isOutOfReach = (error: unknown): boolean =>
  error instanceof ProviderFault ||
  (error instanceof ApiError && (error.code === 'credentials_required' || error.code.startsWith('provider_')))

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
  const isOwn = bringsCredential(context, provider, wish)
  const cache = context.caches<Settings>('connection settings', SETTINGS_CACHE)
  const cached = isOwn ? undefined : cache.get(name)
  const settings = cached ?? (await resolveSettings(context, provider, config, wish, isOwn))
  const missing = provider.missing(settings)
  if (missing !== undefined) {
    const spec = provider.fields[missing]
    throw new ApiError({
      status: isOwn ? 400 : 500,
      code: 'connection_unconfigured',
      param: isOwn ? (spec?.request ?? null) : null,
      message: `The connection '${name}' has no ${missing}: set ${spec?.name}, or ${missing} in tunegate.config.ts.`,
    })
  }
  if (!isOwn && !cached) cache.set(name, settings)
  const timeoutMs = 1000 * (wish.timeout ?? config.timeoutSeconds ?? context.config.timeoutSeconds)
  const channel = openChannel(context, provider, settings, timeoutMs)
  const account = isOwn ? `${name}#${await fingerprint(ownIdentity(provider, settings))}` : name
  return { name, provider, channel, timeoutMs, account }
}

/** Who sends a message does not wait long for it to be taken. */
const PUSH_TIMEOUT_MS = 10_000

/** What an event of the platform says of jobs, for each connection that it may be about. */
export const readEvent = (
  { config }: Pick<Context, 'config'>,
  provider: string,
  event: unknown,
): { connection: { name: string; provider: { id: string } }; id: string; nativeIds: string[] }[] => {
  const read = PROVIDERS[provider]?.push?.readEvent?.(event)
  if (!read) return []
  return Object.entries(config.connections).flatMap(([name, connection]) =>
    connection.provider === provider ? [{ connection: { name, provider: { id: provider } }, ...read }] : [],
  )
}

const unlessUnconfigured = (error: unknown): undefined => {
  if (!(error instanceof ApiError && error.code === 'connection_unconfigured')) throw error
}

/**
 * Which of a provider's connections a message is for, which is the one that proves it.
 * @throws {ApiError} 401 when none does
 */
export const readPush = async (
  context: Context,
  provider: string,
  message: PushMessage,
): Promise<{ connection: Connection; id: string; nativeIds: string[] }> => {
  const names = Object.entries(context.config.connections).filter(
    ([, config]) => config.provider === provider,
  )
  for (const [name] of names) {
    const connection = await connect(context, name).catch(unlessUnconfigured)
    const push = connection?.provider.push
    if (!connection || !push?.settings.every(setting => connection.channel.settings[setting])) continue
    const read = await push.read(connection.channel.settings, message, authTools(context, PUSH_TIMEOUT_MS))
    if (read) return { connection, ...read }
  }
  throw new ApiError({
    status: 401,
    code: 'invalid_signature',
    message: `The message proves none of the connections with '${provider}' that take webhooks.`,
  })
}

/** What a caller's credentials are told apart by. */
const ownIdentity = (provider: Provider, settings: Settings): string =>
  JSON.stringify(Object.keys(provider.fields).map(field => settings[field] ?? null))
