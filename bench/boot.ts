/**
 * Boots what is measured: the gateway and the bare Worker in one workerd process, the upstream in another.
 *
 * **Why Miniflare's API and not `wrangler dev`.** `wrangler dev` with several configurations also runs them in one
 * workerd, but only the first Worker gets a port; the others are reached through it, and every request passes
 * a proxy Worker first. Miniflare's direct sockets give each Worker a port of its own in the same process, without
 * any Worker in front: the same entry for both.
 *
 * **Why a second Miniflare for storage.** D1 and R2 are simulated by Workers of Miniflare's own. In the measured process
 * they would drown it: the R2 simulator alone takes 12 s of CPU for a gigabyte and grows by over 200 MiB (measured with
 * the bare Worker). In production storage is elsewhere, and so it is here: whichever instance on a storage directory came
 * first serves it to the others, so one that does nothing else is started first.
 *
 * @module
 */
import { fork } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  convertV4MiniflareOptions,
  Log,
  LogLevel,
  Miniflare,
  type V4MiniflareOptions,
  type V4WorkerOptions,
  type V4WorkerOptionsShape,
} from 'miniflare'
import { unstable_getMiniflareWorkerOptions, unstable_readConfig, unstable_splitSqlQuery } from 'wrangler'
import { type Build, CONFIG, type Module, NETWORK_BINDING, ROOT } from './bundle.ts'
import { childrenNamed } from './proc.ts'
import { ask, requestBytes } from './wire.ts'

const ADMIN_KEY = 'bench-admin-key'
const KEPT_LOG_LINES = 40
/** Never called; an instance needs a Worker. */
const STORAGE_WORKER = 'export default { fetch: () => new Response(null, { status: 404 }) }'

/** A Worker under load. */
export interface Subject {
  name: 'gateway' | 'bare'
  port: number
  /** The header that opens the gateway; the bare Worker forwards the same one. */
  authorization: string
}

/** Both Workers, running. */
export interface Bed {
  gateway: Subject
  bare: Subject
  /** workerd's process id; `null` where /proc does not tell it. */
  pid: number | null
  /** workerd's inspector, when booted with `inspector`. */
  inspector: URL | null
  stop(): Promise<void>
}

/** What a bed stands on. */
export interface Ground {
  made: Build
  /** The upstream's port. */
  upstream: number
  /** A directory for the simulators' files. */
  scratch: string
  /** Receives the last lines that workerd or a Worker wrote: the first thing to read when something fails. */
  log: string[]
}

/** How a bed differs from the others. */
export interface BedOptions {
  /** Open workerd's inspector; it costs speed, so only for profiles. */
  inspector?: boolean
  /** More of the gateway's environment, e.g. other providers' accounts. */
  variables?: Record<string, string>
}

async function migrate(miniflare: Miniflare): Promise<void> {
  for (const { binding, migrations_dir } of unstable_readConfig({ config: CONFIG }).d1_databases) {
    const folder = join(ROOT, migrations_dir ?? 'migrations')
    const database = await miniflare.getD1Database(binding, 'gateway')
    const names = (await readdir(folder)).filter(name => name.endsWith('.sql')).sort()
    for (const name of names) {
      const statements = unstable_splitSqlQuery(await readFile(join(folder, name), 'utf8'))
      for (const statement of statements) await database.prepare(statement).run()
    }
  }
}

async function makeKey(port: number): Promise<string> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }
  const { status, text } = await ask(port, requestBytes('POST', '/v1/keys', headers, '{"name":"bench"}'))
  const answer: unknown = status < 300 ? JSON.parse(text) : null
  const made = typeof answer === 'object' && answer !== null && 'key' in answer ? answer.key : null
  if (typeof made === 'string') return made
  throw new Error(`POST /v1/keys answered ${status}: ${text}`)
}

function workers({ made, upstream }: Ground, variables: Record<string, string>): V4WorkerOptions[] {
  const origin = `http://127.0.0.1:${upstream}`
  const common = {
    compatibilityDate: made.compatibility.date,
    compatibilityFlags: made.compatibility.flags,
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
  }
  const network = { [NETWORK_BINDING]: { network: { allow: ['public', 'private'], deny: [] } } }
  const simple = (name: string, modules: Module[]): V4WorkerOptions => ({
    ...common,
    name,
    modules,
    bindings: { UPSTREAM: origin },
    serviceBindings: network,
    r2Buckets: { BUCKET: `${name}-files` },
  })
  const bare = simple('bare', made.bare)
  if (made.standIn !== null) return [simple('gateway', made.gateway), bare]
  // The declared type is an `Omit` over an index signature, which forgets every named key.
  const configured = unstable_getMiniflareWorkerOptions(CONFIG).workerOptions as Partial<V4WorkerOptionsShape>
  const gateway: V4WorkerOptions = {
    ...configured,
    ...common,
    name: 'gateway',
    modules: made.gateway,
    serviceBindings: { ...configured.serviceBindings, ...network },
    bindings: {
      ...configured.bindings,
      TUNEGATE_ADMIN_KEY: ADMIN_KEY,
      OPENAI_API_KEY: 'sk-bench',
      OPENAI_BASE_URL: `${origin}/v1`,
      TUNEGATE_SANDBOX_ORIGIN: origin,
      ...variables,
    },
  }
  return [gateway, bare]
}

/**
 * Starts a fresh workerd with both Workers, empty storage and a new key.
 */
export async function boot(ground: Ground, options: BedOptions = {}): Promise<Bed> {
  const { inspector = false, variables = {} } = options
  const { made, scratch, log } = ground
  const folder = await mkdtemp(join(scratch, 'bed-'))
  const instances: Miniflare[] = []
  let stopping: Promise<void> | undefined
  const stop = () => {
    // The user of the storage goes before the storage.
    stopping ??= instances
      .toReversed()
      .reduce((before, instance) => before.then(() => instance.dispose()), Promise.resolve())
      .then(() => rm(folder, { recursive: true, force: true }))
    return stopping
  }
  const start = async (options: V4MiniflareOptions, name: string) => {
    const registry = join(folder, 'registry')
    const converted = convertV4MiniflareOptions({
      ...options,
      unsafeDevRegistryPath: registry,
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ level, message }) => {
        log.push(`${name} ${level}: ${message}`)
        if (log.length > KEPT_LOG_LINES) log.shift()
      },
    })
    const instance = new Miniflare({
      ...converted,
      resourcePersistencePath: join(folder, 'storage'),
      isolatedResourcePersistencePath: join(folder, name),
      unsafeEnableSharedStorage: true,
    })
    instances.push(instance)
    await instance.ready
    return instance
  }
  try {
    for (const name of ['storage', 'registry']) await mkdir(join(folder, name))
    await start({ workers: [{ name: 'storage', modules: true, script: STORAGE_WORKER }] }, 'storage')
    const before = childrenNamed('workerd')
    const port0 = inspector ? { inspectorPort: 0 } : {}
    const miniflare = await start({ workers: workers(ground, variables), ...port0 }, 'measured')
    if (made.standIn === null) await migrate(miniflare)
    const port = async (name: string) => Number((await miniflare.unsafeGetDirectURL(name)).port)
    const ports = { gateway: await port('gateway'), bare: await port('bare') }
    const authorization = `Bearer ${made.standIn === null ? await makeKey(ports.gateway) : 'tg-none'}`
    return {
      gateway: { name: 'gateway', port: ports.gateway, authorization },
      bare: { name: 'bare', port: ports.bare, authorization },
      pid: childrenNamed('workerd').find(pid => !before.includes(pid)) ?? null,
      inspector: inspector ? await miniflare.getInspectorURL() : null,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts the upstream in a process of its own. */
export function startUpstream(): Promise<{ port: number; stop: () => Promise<void> }> {
  const child = fork(join(import.meta.dirname, 'upstream.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const { promise, resolve, reject } = Promise.withResolvers<{ port: number; stop: () => Promise<void> }>()
  const ended = new Promise<void>(done => child.once('exit', () => done()))
  child.once('error', reject)
  child.once('exit', code => reject(new Error(`the upstream ended with ${code} before it was ready`)))
  child.once('message', (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('port' in message)) return
    resolve({
      port: Number(message.port),
      stop: () => {
        if (child.connected) child.disconnect()
        return ended
      },
    })
  })
  return promise
}
