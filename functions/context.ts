/**
 * The domain's context of one request. What most requests never need is only made when it is asked for.
 * @module
 */
import type { Caches } from '../shared/caches.ts'
import type { Config } from '../shared/config.ts'
import type { Caller, Context } from '../shared/context.ts'
import { CREDENTIAL_FIELDS, type RequestCredential, type RequestCredentials } from '../shared/openai/index.ts'
import type { Ids, Platform } from '../shared/platform/index.ts'
import { createTransport, type Transport } from '../shared/transport.ts'

/** What all requests of a platform share. */
export interface Shared {
  config: Config
  platform: Platform
  transport: Transport
  caches: Caches
}

export const shareContext = (config: Config, caches: Caches, platform: Platform): Shared => ({
  config,
  caches,
  platform,
  transport: createTransport({
    fetch: platform.fetch,
    clock: platform.clock,
    retries: config.retries,
    allowedOrigin: platform.environment.get('TUNEGATE_SANDBOX_ORIGIN'),
    endsCallsWithRequest: platform.endsCallsWithRequest,
  }),
})

/** `x-tunegate-api-key`, `x-tunegate-aws-region-name`…: credentials of a request that has no JSON body to hold them. */
const CREDENTIAL_HEADERS: readonly (readonly [string, RequestCredential])[] = CREDENTIAL_FIELDS.map(field => [
  `x-tunegate-${field.replaceAll('_', '-')}`,
  field,
])

const credentialsOf = (headers: Headers): RequestCredentials | undefined => {
  let found: Record<string, string> | undefined
  for (const [header, field] of CREDENTIAL_HEADERS) {
    const value = headers.get(header)
    if (value !== null) found = { ...found, [field]: value }
  }
  return found
}

export class RequestContext implements Context {
  readonly config: Config
  readonly platform: Platform
  readonly transport: Transport
  readonly caches: Caches
  /** Set at the door. */
  caller: Caller | undefined
  /** Of a request under an `Idempotency-Key`. */
  ids: Ids | undefined
  readonly #request: Request

  constructor(shared: Shared, request: Request) {
    this.config = shared.config
    this.platform = shared.platform
    this.transport = shared.transport
    this.caches = shared.caches
    this.#request = request
  }

  get provider(): string | undefined {
    const { headers, url } = this.#request
    const named = headers.get('x-tunegate-provider')
    if (named !== null || !url.includes('?')) return named ?? undefined
    const query = new URL(url).searchParams
    return query.get('provider') ?? query.get('custom_llm_provider') ?? undefined
  }

  get credentials(): RequestCredentials | undefined {
    return credentialsOf(this.#request.headers)
  }

  get signal(): AbortSignal {
    return this.#request.signal
  }

  /** The same without the client: for work that goes on when it has gone. */
  detached(): Context {
    const { config, platform, transport, caches, caller, ids, provider, credentials } = this
    return { config, platform, transport, caches, caller, ids, provider, credentials }
  }
}
