/** AWS's wires: S3, Bedrock and Bedrock's runtime, each below a prefix of its own. */
import { Hono } from 'hono'
import type { Streams } from '../streams.ts'
import type { Tempo } from '../tempo.ts'
import { PREFIXES } from './account.ts'
import { type Bedrock, createBedrock } from './bedrock/app.ts'
import type { Env } from './raw-request.ts'
import { runtimeRoutes } from './runtime/app.ts'
import { s3Routes } from './s3/app.ts'
import { Store } from './s3/store.ts'

export interface Aws {
  app: Hono<Env>
  store: Store
  bedrock: Bedrock
  /** Forgets everything; running jobs stop. */
  reset(): void
}

/** @param buckets beside the account's own, never cleared */
export function createAws(tempo: Tempo, streams: Streams, buckets: readonly string[] = []): Aws {
  const store = new Store(buckets)
  const bedrock = createBedrock(store, tempo)
  const app = new Hono<Env>()
  app.route(PREFIXES.s3, s3Routes(store))
  app.route(PREFIXES.bedrock, bedrock.app)
  app.route(PREFIXES.bedrockRuntime, runtimeRoutes(bedrock, streams))
  return {
    app,
    store,
    bedrock,
    reset: () => {
      bedrock.reset()
      store.clear()
    },
  }
}
