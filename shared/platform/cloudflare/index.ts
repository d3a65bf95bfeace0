/**
 * The ports on Cloudflare: D1, R2, Secrets Store, Worker variables.
 * @module
 */
import type { D1Database, Queue as QueueBinding, R2Bucket } from '@cloudflare/workers-types'
import { createIds } from '../ids.ts'
import type { Bucket, Clock, Environment, Platform, Secrets, Task } from '../ports.ts'
import { createS3Bucket } from '../s3-bucket.ts'
import { readS3Settings } from '../s3-settings.ts'
import { createR2Bucket } from './bucket.ts'
import { createCloudflareQueue } from './queue.ts'
import { createD1Store } from './store.ts'
import { chunks, relay, sizedBody } from './streams.ts'

/** The bindings of `wrangler.toml`. Variables are strings; a secret of a Secrets Store is an object with `get()`. */
export interface Bindings {
  DB: D1Database
  /** Without it the bucket is reached over S3's API. */
  BUCKET?: R2Bucket
  TASKS?: QueueBinding<Task>
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

/** Bindings that are no secrets. */
const OWN_BINDINGS = ['DB', 'BUCKET', 'TASKS']

/** A name is looked up only where its binding is a Secrets Store's: other bindings have a `get` too. */
const createSecrets = (bindings: Bindings): Secrets => ({
  async get(name) {
    const binding = bindings[name]
    if (OWN_BINDINGS.includes(name) || !isSecretBinding(binding)) return undefined
    return (await binding.get()) || undefined
  },
})

const fetchOutside: Platform['fetch'] = (request, init) => fetch(request, init)

/**
 * The bytes go through R2's binding; URLs for others to write to are a matter of S3's API, with keys of its own. `BUCKET_MODE=s3`,
 * or no binding, takes that API for everything.
 */
const createBucket = ({ BUCKET }: Bindings, environment: Environment, secrets: Secrets): Bucket => {
  const s3 = createS3Bucket({
    settings: () => readS3Settings(environment, secrets),
    fetch: fetchOutside,
    clock,
  })
  if (BUCKET === undefined || environment.get('BUCKET_MODE') === 's3') return s3
  return { ...createR2Bucket(BUCKET), presignPut: s3.presignPut }
}

/** @param waitUntil of the runtime: keeps work going after the answer */
export const createCloudflarePlatform = (
  bindings: Bindings,
  waitUntil: (work: Promise<unknown>) => void,
): Platform => {
  const secrets = createSecrets(bindings)
  const environment = createEnvironment(bindings)
  return {
    store: createD1Store(bindings.DB),
    bucket: createBucket(bindings, environment, secrets),
    queue: createCloudflareQueue(bindings.TASKS),
    secrets,
    environment,
    clock,
    ids,
    fetch: fetchOutside,
    endsCallsWithRequest: true,
    hearsClientsLeave: true,
    sizedBody,
    relay,
    chunks,
    defer: waitUntil,
  }
}
