/**
 * `npm run bench`: the gateway beside a bare pass-through Worker, in one workerd, in one run.
 *
 * Prints a table of ratios with the goal beside each. Times decide nothing: the exit code is 0 unless something did
 * not work. See `--help` for the options.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Bed, type BedOptions, boot, type Ground, startUpstream } from './boot.ts'
import { build, type StandIn } from './bundle.ts'
import { cancel } from './cancel.ts'
import { chat } from './chat.ts'
import { copies } from './copies.ts'
import { datasets } from './datasets.ts'
import { files } from './files.ts'
import { childrenNamed } from './proc.ts'
import { PROFILED, profile } from './profile.ts'
import { providers } from './providers.ts'
import { json, type Row, table } from './report.ts'
import { schedule } from './schedule.ts'
import { stream } from './stream.ts'
import { uploads } from './uploads.ts'

const SECTIONS = [
  'chat',
  'stream',
  'files',
  'uploads',
  'copies',
  'cancel',
  'providers',
  'datasets',
  'schedule',
] as const
type Section = (typeof SECTIONS)[number]

const SIDES: Record<StandIn | 'gateway', string> = {
  gateway: 'gateway beside a bare pass-through Worker',
  bare: 'bare Worker beside itself (noise)',
  floor: 'the least possible gateway beside a bare pass-through Worker',
}

const HELP = `npm run bench -- [options]
  --only chat,stream,files,uploads,copies,cancel,providers,datasets,schedule   only these sections
  --quick          shorter rounds, a 60 MB file instead of 600 MB
  --json FILE      write the figures there too
  --self           the bare Worker against itself: how much is noise (chat, stream, cancel)
  --floor          the least possible gateway against the bare Worker: how much is the platform (chat)
  --profile FILE   instead: a CPU profile of the gateway under chat (or --only stream, or --only files: a validated upload)
`

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      self: { type: 'boolean', default: false },
      floor: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const isSection = (name: string): name is Section => SECTIONS.some(section => section === name)
  const names = values.only?.split(',') ?? [...SECTIONS]
  const unknown = names.find(name => !isSection(name))
  if (unknown !== undefined) throw new Error(`no section “${unknown}”; there are ${SECTIONS.join(', ')}`)
  const standIn: StandIn | null = values.self ? 'bare' : values.floor ? 'floor' : null
  // A stand-in keeps no files under /v1 and knows one provider: those sections have no second side there.
  const served = (name: Section) =>
    standIn === null || name === 'chat' || (standIn === 'bare' && (name === 'stream' || name === 'cancel'))
  return { ...values, standIn, only: names.filter(isSection).filter(served) }
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Leaves nothing behind, however the run ends: no workerd and no file. The upstream goes when its parent has gone. */
function clear(scratch: string): void {
  for (const pid of childrenNamed('workerd')) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended between the look and the call.
    }
  }
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

async function run(
  options: ReturnType<typeof readOptions>,
  ground: Ground,
  start: (how?: BedOptions) => Promise<Bed>,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const section of options.only) {
    progress(`${section} …`)
    if (section === 'files') {
      rows.push(...(await files(start, options.quick)))
      continue
    }
    if (section === 'copies') {
      rows.push(...(await copies(start, ground.upstream, options.quick)))
      continue
    }
    if (section === 'uploads') {
      rows.push(...(await uploads(start, options.quick)))
      continue
    }
    if (section === 'datasets') {
      rows.push(...(await datasets(ground.scratch, start, options.quick)))
      continue
    }
    if (section === 'schedule') {
      rows.push(...(await schedule(ground.scratch, options.quick)))
      continue
    }
    if (section === 'providers') {
      rows.push(...(await providers(start, ground.upstream, options.quick)))
      continue
    }
    // A process of its own for each section: what one leaves behind must not weigh on the next.
    const bed = await start()
    if (section === 'chat') rows.push(...(await chat(bed, options.quick)))
    if (section === 'stream') rows.push(...(await stream(bed, ground.upstream, options.quick)))
    if (section === 'cancel') rows.push(...(await cancel(bed, ground.upstream, options.quick)))
    await bed.stop()
  }
  return rows
}

async function main(options: ReturnType<typeof readOptions>): Promise<void> {
  if (options.help) return void process.stdout.write(HELP)
  const began = performance.now()
  const scratch = await mkdtemp(join(tmpdir(), 'tunegate-bench-'))
  process.once('exit', () => clear(scratch))
  // Miniflare ends the process on these signals as soon as it runs: so all clearing up is synchronous, at exit.
  process.on('SIGINT', () => process.exit(130))
  process.on('SIGTERM', () => process.exit(143))
  const resources = new AsyncDisposableStack()
  const log: string[] = []
  try {
    const upstream = await startUpstream()
    resources.defer(upstream.stop)
    const made = await build(scratch, { standIn: options.standIn, readable: options.profile !== undefined })
    const ground: Ground = { made, upstream: upstream.port, scratch, log }
    const start = async (how?: BedOptions) => {
      const bed = await boot(ground, how)
      resources.defer(bed.stop)
      return bed
    }
    if (options.profile !== undefined) {
      const bed = await start({ inspector: true })
      const kind = options.only.find(name => name in PROFILED) as keyof typeof PROFILED
      process.stdout.write(`${await profile(bed, () => PROFILED[kind](bed), options.profile)}\n`)
      return
    }
    const rows = await run(options, ground, start)
    const circumstances = {
      date: new Date().toISOString(),
      command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
      node: process.version,
      workerd: String(createRequire(import.meta.url)('workerd/package.json').version),
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      minutes: Math.round((performance.now() - began) / 6000) / 10,
    }
    const { node, workerd, cpu, cores, minutes } = circumstances
    const sides = SIDES[options.standIn ?? 'gateway']
    process.stdout.write(
      `\n${sides} · workerd ${workerd} · Node ${node} · ${cores} × ${cpu} · ${minutes} min\n\n${table(rows)}\n`,
    )
    if (options.json !== undefined) await writeFile(options.json, json(circumstances, rows))
  } catch (error) {
    process.exitCode = 1
    progress(`bench failed: ${error instanceof Error ? error.message : String(error)}`)
    if (log.length > 0) progress(`the Workers’ last words:\n${log.join('\n')}`)
  } finally {
    await resources.disposeAsync()
  }
}

try {
  await main(readOptions())
} catch (error) {
  // What `main` does not catch itself is a wrong option.
  process.exitCode = 2
  progress(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
}
