/**
 * The ports on Cloudflare: D1, R2, Secrets Store, Worker variables.
 * @module
 */
import type { D1Database, R2Bucket } from '@cloudflare/workers-types'
import { createIds } from '../ids.ts'
import type { Clock, Environment, Platform, Secrets } from '../ports.ts'
import { createR2Bucket } from './bucket.ts'
import { createD1Store } from './store.ts'

/** The bindings of `wrangler.toml`. Variables are strings; a secret of a Secrets Store is an object with `get()`. */
export interface Bindings {
  DB: D1Database
  BUCKET: R2Bucket
  [name: string]: unknown
}

interface SecretBinding {
  get(): Promise<string>
}
const isSecretBinding = (binding: unknown): binding is SecretBinding =>
  typeof binding === 'object' && binding !== null && 'get' in binding && typeof binding.get === 'function'

const clock: Clock = { now: () => Date.now(), sleep: ms => new Promise(resolve => setTimeout(resolve, ms)) }
const ids = createIds(clock)

const createEnvironment = (bindings: Bindings): Environment => ({
  get(name) {
    const value = bindings[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  },
})

/** A name is looked up only where its binding is a Secrets Store's: other bindings have a `get` too. */
const createSecrets = (bindings: Bindings): Secrets => ({
  async get(name) {
    const binding = bindings[name]
    if (name === 'DB' || name === 'BUCKET' || !isSecretBinding(binding)) return undefined
    return (await binding.get()) || undefined
  },
})

/** workerd's stream that tells fetch its length, so that no chunked encoding is used. */
declare const FixedLengthStream: new (size: number) => TransformStream<Uint8Array, Uint8Array>

const sizedBody: Platform['sizedBody'] = (pieces, size) => {
  const { readable, writable } = new FixedLengthStream(size)
  const pump = async () => {
    for (const piece of pieces) {
      if (piece instanceof ReadableStream) await piece.pipeTo(writable, { preventClose: true })
      else {
        const writer = writable.getWriter()
        await writer.write(piece)
        writer.releaseLock()
      }
    }
    await writable.close()
  }
  // A failure reaches the request through its body; here it must only not go unhandled.
  pump().catch(cause => writable.abort(cause).catch(() => undefined))
  return readable
}

/** @param waitUntil of the runtime: keeps work going after the answer */
export const createCloudflarePlatform = (
  bindings: Bindings,
  waitUntil: (work: Promise<unknown>) => void,
): Platform => ({
  store: createD1Store(bindings.DB),
  bucket: createR2Bucket(bindings.BUCKET),
  secrets: createSecrets(bindings),
  environment: createEnvironment(bindings),
  clock,
  ids,
  fetch: request => fetch(request),
  endsCallsWithRequest: true,
  sizedBody,
  defer: waitUntil,
})
