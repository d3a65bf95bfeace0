/**
 * What every domain verb is given: the configuration, the platform, the way out, and the isolate's caches.
 * @module
 */
import type { Caches } from './caches.ts'
import type { Config } from './config.ts'
import type { RequestCredentials, Scope } from './openai/index.ts'
import type { Ids, Platform } from './platform/index.ts'
import type { Transport } from './transport.ts'

/** Who a request comes from, as the door found. */
export interface Caller {
  /** Of all that the caller makes, and may see. */
  readonly owner: string
  /** The id of the gateway key that let the caller in; null where none did. */
  readonly key: string | null
  /** The user of an identity provider, where one let the caller in: several may share an owner. */
  readonly subject: string | null
  /** What the caller may do at all. */
  readonly scopes: readonly Scope[]
  /** The only models, and the only providers or connections, that may be used; null: all. */
  readonly models: readonly string[] | null
  readonly providers: readonly string[] | null
}

export interface Context {
  readonly config: Config
  readonly platform: Platform
  readonly transport: Transport
  readonly caches: Caches
  /** Of a request's context; the schedule and the queue work for no one in particular. */
  readonly caller?: Caller | undefined
  /** The provider or connection named outside the body, in a header or the query. */
  readonly provider?: string | undefined
  /** A provider's credentials that came in headers of this request; never stored. */
  readonly credentials?: RequestCredentials | undefined
  /** Ids of what the request makes, one of a kind: the same when it is repeated under its `Idempotency-Key`. Absent without one. */
  readonly ids?: Ids | undefined
  /** Aborts when the client has gone. */
  readonly signal?: AbortSignal | undefined
}

/** The id of the one thing of its kind that a request makes. */
export const newId = ({ ids, platform }: Pick<Context, 'ids' | 'platform'>, prefix: string): string =>
  (ids ?? platform.ids).next(prefix)

/** Unix seconds, the unit of every time in the API. */
export const nowSeconds = ({ platform }: Pick<Context, 'platform'>): number =>
  Math.floor(platform.clock.now() / 1000)
