/**
 * What every domain verb is given: the configuration, the platform, the way out, and the isolate's caches.
 * @module
 */
import type { Caches } from './caches.ts'
import type { Config } from './config.ts'
import type { Platform } from './platform/index.ts'
import type { Transport } from './transport.ts'

export interface Context {
  config: Config
  platform: Platform
  transport: Transport
  caches: Caches
  /** A provider's key, and with it perhaps a host, that came with this request; never stored. */
  credentials?: { api_key?: string; api_base?: string } | undefined
  /** Aborts when the client has gone. */
  signal?: AbortSignal | undefined
}

/** Unix seconds, the unit of every time in the API. */
export const nowSeconds = ({ platform }: Pick<Context, 'platform'>): number =>
  Math.floor(platform.clock.now() / 1000)
