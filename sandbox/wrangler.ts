/**
 * Wrangler as a child process that cannot outlive us: quiet, offline, its output kept for error messages.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const LEASH = fileURLToPath(new URL('leash.ts', import.meta.url))
const WRANGLER = join(dirname(fileURLToPath(import.meta.resolve('wrangler/package.json'))), 'bin/wrangler.js')

/** How long a polite SIGTERM may take before SIGKILL follows. */
const GRACE_MS = 3_000
/** Characters of the newest output that are kept. */
const OUTPUT_LIMIT = 64 * 1024

/** Settings of {@link runWrangler}. */
export interface WranglerOptions {
  /** Working directory: wrangler looks for its configuration and puts its bundles there. */
  cwd: string
  /** Directory for wrangler's own logs and registry, not the user's home. Removed if this process is killed. */
  scratch: string
  /** Directory for compiled code, which the next run takes from there: wrangler is one file of 14 MB. */
  compiled?: string
  /** `inherit` copies the output to stderr as well. */
  log: 'quiet' | 'inherit'
}

/** One running wrangler command. */
export interface Wrangler {
  /** Leader of the process group that wrangler, esbuild and workerd run in. */
  readonly pid: number
  /** Settles with the exit code when the command has ended. */
  readonly exited: Promise<number>
  /** Whether it still runs. */
  running(): boolean
  /** What it printed so far (the newest part), without colours. */
  output(): string
  /** SIGTERM, and SIGKILL for whatever is left after the grace period. */
  stop(): Promise<void>
  /** SIGKILL for the whole group, at once. */
  kill(): Promise<void>
}

/** Wrangler did not do what was asked of it; the message ends with what it printed. */
export class WranglerError extends Error {
  override readonly name = 'WranglerError'
  constructor(what: string, output: string) {
    super(output ? `${what}\n--- wrangler said ---\n${output}` : what)
  }
}

/** Starts `wrangler <args>`. */
export function runWrangler(args: string[], { cwd, scratch, log, compiled }: WranglerOptions): Wrangler {
  const child = spawn(process.execPath, [LEASH, scratch, WRANGLER, ...args], {
    cwd,
    detached: true,
    // Wrangler's stdin is empty by way of the leash: it never asks a question. Ours is the leash itself.
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...quietEnvironment(scratch),
      ...(compiled !== undefined && { NODE_COMPILE_CACHE: compiled }),
    },
  })

  let output = ''
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-OUTPUT_LIMIT)
    if (log === 'inherit') process.stderr.write(chunk)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  // The pipe may break while we close it; that the other side is gone is what we want.
  child.stdin.on('error', () => {})

  const exited = new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    // 'close' rather than 'exit': then the output is complete.
    child.on('exit', () => killGroup(child))
    child.on('close', code => resolve(code ?? 1))
  })
  exited.catch(() => {})

  // The leash alone would do, but it needs a moment: the group must end before its temporary files are removed.
  const onExit = (): void => killGroup(child)
  process.prependListener('exit', onExit)
  child.on('exit', () => process.off('exit', onExit))

  const running = (): boolean => child.exitCode === null && child.signalCode === null
  const kill = async (): Promise<void> => {
    if (running()) killGroup(child)
    await exited.catch(() => {})
  }

  return {
    pid: child.pid ?? 0,
    exited,
    running,
    output: () => stripVTControlCharacters(output).trim(),
    kill,
    async stop() {
      if (running()) killGroup(child, 'SIGTERM')
      const timer = setTimeout(() => killGroup(child), GRACE_MS)
      await exited.catch(() => {})
      clearTimeout(timer)
    },
  }
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // ESRCH: the group is gone already.
  }
}

/** Nothing is reported, fetched or written outside the project and the scratch directory. */
const quietEnvironment = (scratch: string): Record<string, string> => ({
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  CLOUDFLARE_INCLUDE_PROCESS_ENV: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_LOG_PATH: join(scratch, 'logs'),
  WRANGLER_REGISTRY_PATH: join(scratch, 'registry'),
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_SEND_METRICS: 'false',
})
