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
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { accountVariables } from './accounts.ts'
import { type Sandbox, startSandbox } from './server.ts'
import {
  assertPortFree,
  close,
  createKey,
  createScratch,
  listen,
  madeOnce,
  ownVariables,
  type Stack,
  type StackOptions,
} from './stack-common.ts'
import { runWrangler, type Wrangler, WranglerError } from './wrangler.ts'

export * from './stack-common.ts'
export { WranglerError } from './wrangler.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const WORKER = join(ROOT, 'functions/worker.ts')
/** How long the gateway may take until it answers HTTP. It needs about 2 s on two cores. */
const READY_TIMEOUT_MS = 60_000
/** Starts on ports of our own choice; another process may take one between our look and workerd's bind. */
const PORT_ATTEMPTS = 3

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
  const wranglerOptions = {
    cwd: dirname(config),
    scratch: scratch.path,
    log,
    compiled: join(options.cache ?? scratch.path, 'compiled'),
  }

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
      ...ownVariables(options, sandbox),
    }
    gateway = runWrangler(
      [
        'dev',
        ...(options.config === undefined
          ? ['--config', config]
          : [WORKER, '--config', configuredBy(resolve(ROOT, options.config), config, scratch.path)]),
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
    if (options.cache !== undefined && !existsSync(persistTo)) {
      const migrated = await madeOnce(options.cache, `migrated ${config}`, path =>
        migrate(config, path, wranglerOptions),
      )
      cpSync(migrated, persistTo, { recursive: true })
    } else await migrate(config, persistTo, wranglerOptions)
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

/** A wrangler configuration that puts another file in the place of tunegate.config.ts: its command line cannot. */
function configuredBy(path: string, wranglerConfig: string, scratch: string): string {
  const own = join(scratch, 'wrangler.toml')
  const alias = `[alias]\n"../tunegate.config.ts" = ${JSON.stringify(path)}\n`
  writeFileSync(own, `${readFileSync(wranglerConfig, 'utf8')}\n${alias}`)
  return own
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
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (gateway.running()) {
    const answer = await fetch(`${url}/v1/models`, { signal: AbortSignal.timeout(5_000) }).catch(() => null)
    await answer?.body?.cancel()
    if (answer && gateway.running()) return
    if (performance.now() > deadline) {
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
