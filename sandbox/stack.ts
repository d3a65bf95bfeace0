/**
 * Boots the whole of Tunegate on this machine: the gateway in workerd (`wrangler dev` with local D1 and R2) and the
 * sandbox that stands in for the providers. Everything listens on loopback and needs no account.
 *
 * @module
 * @example
 * ```ts
 * const stack = await startStack()
 * const client = new OpenAI({ baseURL: stack.baseURL, apiKey: await stack.createKey() })
 * // …
 * await stack.stop()
 * ```
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { accountVariables } from './accounts.ts'
import { type Sandbox, startSandbox } from './server.ts'
import { runWrangler, type Wrangler, WranglerError } from './wrangler.ts'

export { WranglerError } from './wrangler.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** How long the gateway may take until it answers HTTP. It needs about 2 s on two cores. */
const READY_TIMEOUT_MS = 60_000
/** Starts on ports of our own choice; another process may take one between our look and workerd's bind. */
const PORT_ATTEMPTS = 3

/** Settings of {@link startStack}. */
export interface StackOptions {
  /** Port of the gateway; 0 or absent picks a free one. */
  port?: number
  /** Milliseconds that the sandbox's trainer waits after each training step. */
  stepMs?: number
  /** Directory of the local D1 and R2 state; without it a fresh one is used and removed at the end. */
  persistTo?: string
  /** More variables for the gateway; they win over the stack's own. */
  vars?: Record<string, string>
  /** Path of another wrangler configuration; a relative path starts at the project's root. */
  wranglerConfig?: string
  /** `inherit` copies the gateway's log to stderr; the default is silence unless it fails. */
  log?: 'quiet' | 'inherit'
  /** Whether the sandbox tells the gateway of the ends of OpenAI's jobs, as OpenAI would. */
  tellEnds?: boolean
  /** `false` starts the gateway without a sandbox behind it. */
  sandbox?: boolean
  /** Where the gateway runs; the variable TUNEGATE_PLATFORM says it unless this does. */
  platform?: StackPlatform
}

/** `cloudflare`: workerd with D1 and R2. `aws`: Lambda's runtime with DynamoDB, S3 and SQS, all in memory. */
export const STACK_PLATFORMS = ['cloudflare', 'aws'] as const
export type StackPlatform = (typeof STACK_PLATFORMS)[number]

/** How much the gateway has kept. */
export interface StackContents {
  /** Records, by kind. */
  records: Record<string, number>
  objects: number
  /** Multipart uploads that are neither completed nor aborted. */
  openUploads: number
}

/** A running gateway and its sandbox. */
export interface Stack {
  /** Origin of the gateway: `http://127.0.0.1:PORT`. */
  readonly url: string
  /** What an OpenAI client wants as its base URL: `url` + `/v1`. */
  readonly baseURL: string
  /** The admin key, which creates and revokes gateway keys. */
  readonly adminKey: string
  /** The sandbox behind the gateway. Throws if the stack was started with `sandbox: false`. */
  readonly sandbox: Sandbox
  /** Leader of the process group that runs the gateway; another one after a restart. */
  readonly pid: number
  /** Settles with the exit code when the gateway that runs now has ended, wanted or not. */
  readonly exited: Promise<number>
  /** What the gateway that runs now has printed: the newest part, without colours. */
  output(): string
  /** Makes a gateway key and returns it. Each key is an owner of its own. */
  createKey(name?: string): Promise<string>
  /** Fires the schedule, as the platform does every minute; returns when it is through. */
  tick(): Promise<void>
  /** Kills workerd and wrangler with SIGKILL, as a crash would; the state and the sandbox stay. */
  killGateway(): Promise<void>
  /** Starts the gateway again on the same port and state. */
  startGateway(): Promise<void>
  /** What is in store and bucket, where that is not to be read from files. */
  contents?(): StackContents
  /** Ends everything the stack started. Safe to call twice. */
  stop(): Promise<void>
}

/** The wanted port belongs to another process. */
export class PortInUseError extends Error {
  override readonly name = 'PortInUseError'
  readonly port: number
  constructor(port: number) {
    super(`port ${port} is already in use`)
    this.port = port
  }
}

/**
 * Starts gateway and sandbox, and returns when the gateway answers.
 *
 * @throws {PortInUseError} if `port` was given and is taken.
 * @throws {WranglerError} if a migration fails, or the gateway ends early or stays silent for a minute.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  // Only where it is wanted: its engines take a second to load.
  if ((options.platform ?? process.env.TUNEGATE_PLATFORM) === 'aws')
    return (await import('./aws-platform/stack.ts')).startAwsStack(options)
  const { port: wantedPort = 0, stepMs, log = 'quiet' } = options
  if (wantedPort) await assertPortFree(wantedPort)

  const config = resolve(ROOT, options.wranglerConfig ?? 'wrangler.toml')
  const scratch = createScratch()
  const persistTo = resolve(options.persistTo ?? join(scratch.path, 'state'))
  const envFile = join(scratch.path, 'empty.env')
  writeFileSync(envFile, '')
  const adminKey = randomBytes(24).toString('base64url')
  const webhookSecret = `whsec_${randomBytes(32).toString('base64')}`
  const wranglerOptions = { cwd: dirname(config), scratch: scratch.path, log }

  let sandbox: Sandbox | undefined
  let gateway: Wrangler | undefined
  let port = wantedPort

  const boot = async (): Promise<void> => {
    const [freePort = 0, inspectorPort = 0] = await freePorts(2)
    port ||= freePort
    if (options.tellEnds)
      sandbox?.tellEnds({ url: `http://127.0.0.1:${port}/webhooks/openai`, secret: webhookSecret })
    const vars = {
      TUNEGATE_ADMIN_KEY: adminKey,
      TUNEGATE_ENCRYPTION_KEY: encryptionKey(persistTo),
      ...(options.tellEnds && { OPENAI_WEBHOOK_SECRET: webhookSecret }),
      ...(sandbox && accountVariables(sandbox)),
      ...options.vars,
    }
    gateway = runWrangler(
      [
        'dev',
        ...['--config', config],
        ...['--ip', '127.0.0.1', '--port', String(port), '--inspector-port', String(inspectorPort)],
        ...['--persist-to', persistTo, '--show-interactive-dev-session=false'],
        // An explicit file, even an empty one, keeps wrangler from reading the user's .dev.vars and .env: real
        // credentials have no business in a sandbox, and a stale line there must not redirect it.
        ...['--env-file', envFile],
        ...Object.entries(vars).flatMap(([name, value]) => ['--var', `${name}:${value}`]),
      ],
      wranglerOptions,
    )
    await untilAnswering(gateway, `http://127.0.0.1:${port}`)
  }

  const stop = async (): Promise<void> => {
    await gateway?.stop()
    await sandbox?.close()
    sandbox = undefined
    scratch.remove()
  }

  try {
    if (options.sandbox !== false) sandbox = await startSandbox(stepMs === undefined ? {} : { stepMs })
    await migrate(config, persistTo, wranglerOptions)
    for (let attempt = 1; ; attempt++) {
      try {
        await boot()
        break
      } catch (error) {
        const lostRace = error instanceof WranglerError && /address already in use/i.test(error.message)
        if (!lostRace || attempt === PORT_ATTEMPTS) throw error
        if (wantedPort) await assertPortFree(wantedPort)
        port = wantedPort
      }
    }
  } catch (error) {
    await stop()
    throw error
  }

  const url = `http://127.0.0.1:${port}`
  return {
    url,
    baseURL: `${url}/v1`,
    adminKey,
    get sandbox() {
      if (!sandbox) throw new Error('this stack has no sandbox: it was started without one, or was stopped')
      return sandbox
    },
    get pid() {
      return gateway?.pid ?? 0
    },
    get exited() {
      return gateway?.exited ?? Promise.resolve(0)
    },
    output: () => gateway?.output() ?? '',
    createKey: name => createKey(url, adminKey, name),
    async tick() {
      const answer = await fetch(`${url}/cdn-cgi/handler/scheduled`)
      const text = await answer.text()
      if (!answer.ok) throw new Error(`the schedule answered ${answer.status}: ${text.slice(0, 500)}`)
    },
    async killGateway() {
      await gateway?.kill()
    },
    async startGateway() {
      if (!gateway?.running()) await boot()
    },
    stop,
  }
}

/** What was sealed under a key opens under no other: it stays with the state. */
function encryptionKey(persistTo: string): string {
  const file = join(persistTo, 'encryption-key')
  if (!existsSync(file)) {
    mkdirSync(persistTo, { recursive: true })
    writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600 })
  }
  return readFileSync(file, 'utf8')
}

/** Brings the local database to the newest schema; a configuration without D1 needs nothing. */
async function migrate(
  config: string,
  persistTo: string,
  options: Parameters<typeof runWrangler>[1],
): Promise<void> {
  if (!readFileSync(config, 'utf8').includes('d1_databases')) return
  mkdirSync(persistTo, { recursive: true })
  const args = ['d1', 'migrations', 'apply', 'DB', '--local', '--persist-to', persistTo, '--config', config]
  const run = runWrangler(args, options)
  if ((await run.exited) !== 0) throw new WranglerError('the database migrations failed', run.output())
}

/** Waits until the gateway answers anything at all: a 401 is as good a sign of life as a 200. */
async function untilAnswering(gateway: Wrangler, url: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (gateway.running()) {
    const answer = await fetch(`${url}/v1/models`, { signal: AbortSignal.timeout(5_000) }).catch(() => null)
    await answer?.body?.cancel()
    if (answer && gateway.running()) return
    if (Date.now() > deadline) {
      await gateway.kill()
      throw new WranglerError(
        `the gateway did not answer within ${READY_TIMEOUT_MS / 1000} s`,
        gateway.output(),
      )
    }
    await sleep(50)
  }
  const code = await gateway.exited
  throw new WranglerError(`the gateway ended while starting (exit code ${code})`, gateway.output())
}

/** `POST /v1/keys` with the admin key. */
export async function createKey(url: string, adminKey: string, name = 'local'): Promise<string> {
  const response = await fetch(`${url}/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  })
  const text = await response.text()
  const key = response.ok ? keyOf(text) : undefined
  if (key === undefined) throw new Error(`POST /v1/keys answered ${response.status}: ${text.slice(0, 500)}`)
  return key
}

function keyOf(text: string): string | undefined {
  const body: unknown = JSON.parse(text)
  if (typeof body !== 'object' || body === null || !('key' in body)) return undefined
  return typeof body.key === 'string' ? body.key : undefined
}

/** A directory that goes away with the stack, or at the latest with this process. */
export function createScratch(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'tunegate-'))
  const remove = (): void => {
    process.off('exit', remove)
    // Retries: a workerd that was killed a moment ago may still hold its last file.
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
  process.on('exit', remove)
  return { path, remove }
}

export async function assertPortFree(port: number): Promise<void> {
  const server = await listen(port).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EADDRINUSE' ? new PortInUseError(port) : error
  })
  await close(server)
}

/** Ports that were free a moment ago; held together first, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)))
  const ports = servers.map(server => {
    const address = server.address()
    return typeof address === 'object' && address ? address.port : 0
  })
  await Promise.all(servers.map(close))
  return ports
}

const listen = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })

const close = (server: Server): Promise<void> => new Promise(resolve => server.close(() => resolve()))
