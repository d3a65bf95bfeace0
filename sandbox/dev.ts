/**
 * `npm run dev`: gateway and sandbox on this machine until Ctrl-C.
 *
 * Exactly one line goes to stdout, once a key works; everything else is log and goes to stderr.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { interruption } from './interruption.ts'
import { PortInUseError, STACK_PLATFORMS, type Stack, type StackPlatform, startStack } from './stack.ts'

const STATE = fileURLToPath(new URL('../.wrangler/state', import.meta.url))

/** Milliseconds between ticks of the schedule: oftener than the platform's minute, for someone is waiting. */
const TICK_MS = 3000

const HELP = `Usage: npm run dev -- [options]

Starts the gateway (workerd, with local D1 and R2) and the provider sandbox behind it. On the platform aws it is a Lambda
function, with stand-ins for DynamoDB, S3 and SQS: \`npm run dev:aws\`.
Prints one line when they are ready:  ready http://127.0.0.1:PORT key KEY

Options:
  --port N      port of the gateway, 0 for any free one    (default 8787)
  --state DIR   where keys, files and jobs are kept        (default .wrangler/state; not on aws)
  --step-ms N   pace of the sandbox's trainer, ms a step   (default 5)
  --platform P  ${STACK_PLATFORMS.join(' or ')}                          (default cloudflare)
  --help        this text

Keys, files and jobs survive a restart; on aws they are kept in memory. The sandbox keeps its side in memory: jobs and models that it trained
before a restart are unknown to it afterwards.
`

interface Options {
  help: boolean
  port: number
  state: string
  stepMs: number
  platform: StackPlatform
}

/** What the user typed makes no sense; the message says why. */
class UsageError extends Error {
  override readonly name = 'UsageError'
}

function parseOptions(args: string[]): Options {
  const { values } = parse(args)
  return {
    help: values.help ?? false,
    port: integer('--port', values.port ?? '8787', 65_535),
    state: values.state ?? STATE,
    stepMs: integer('--step-ms', values['step-ms'] ?? '5', 60_000),
    platform: platformOf(values.platform),
  }
}

function platformOf(name = 'cloudflare'): StackPlatform {
  const known = STACK_PLATFORMS.find(platform => platform === name)
  if (known) return known
  throw new UsageError(`--platform takes ${STACK_PLATFORMS.join(' or ')}, not "${name}"`)
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        port: { type: 'string' },
        state: { type: 'string' },
        'step-ms': { type: 'string' },
        platform: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function integer(flag: string, text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= max)) throw new UsageError(`${flag} takes a whole number from 0 to ${max}, not "${text}"`)
  return value
}

const log = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }

  // Whoever started us may stop reading, or never have read: the servers stay up all the same.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const interrupted = interruption().then(() => 'interrupted' as const)

  const { port, stepMs, state, platform } = options
  const starting = startStack({ port, stepMs, persistTo: state, platform, tellEnds: true, log: 'inherit' })
  const stack = await Promise.race([starting, interrupted])
  // Interrupted while starting: leaving is enough, nothing the stack started outlives this process.
  if (stack === 'interrupted') return 0

  let schedule: NodeJS.Timeout | undefined
  try {
    const key = await Promise.race([stack.createKey('dev'), interrupted])
    if (key === 'interrupted') return 0
    announce(stack, key)
    // While a tick is under way, or the gateway is away, the next one does.
    schedule = setInterval(() => void stack.tick().catch(() => undefined), TICK_MS)
    const end = await Promise.race([interrupted, stack.exited])
    if (end === 'interrupted') return 0
    log(`the gateway ended by itself (exit code ${end})`)
    return 1
  } finally {
    clearInterval(schedule)
    await stack.stop()
  }
}

function announce({ url, baseURL, adminKey }: Stack, key: string): void {
  process.stdout.write(`ready ${url} key ${key}\n`)
  log(`OPENAI_BASE_URL=${baseURL} OPENAI_API_KEY=${key}`)
  log(`admin key, to make more keys: ${adminKey}`)
  log('Ctrl-C stops everything')
}

try {
  process.exit(await main())
} catch (error) {
  const usage = error instanceof UsageError || error instanceof PortInUseError
  log(error instanceof Error ? error.message : String(error))
  if (usage) log('Try: npm run dev -- --help')
  process.exit(usage ? 2 : 1)
}
