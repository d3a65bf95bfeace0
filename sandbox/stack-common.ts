/**
 * What the stacks of both platforms have in common: what they are asked for, what they offer, and how they clean up.
 *
 * @module
 */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sandbox } from './server.ts'

/** Settings of `startStack`. */
export interface StackOptions {
  /** Port of the gateway; 0 or absent picks a free one. */
  port?: number
  /** Milliseconds that the sandbox's trainer waits after each training step. */
  stepMs?: number
  /** Directory of the local D1 and R2 state; without it a fresh one is used and removed at the end. */
  persistTo?: string
  /** More variables for the gateway, of its sandbox perhaps; they win over the stack's own. */
  vars?: Record<string, string> | ((sandbox: Sandbox) => Record<string, string>)
  /** Path of a configuration to run in place of tunegate.config.ts; a relative path starts at the project's root. */
  config?: string
  /** Path of another wrangler configuration; a relative path starts at the project's root. */
  wranglerConfig?: string
  /** A directory that outlives this stack: what takes long to make for a start is left there for others. */
  cache?: string
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
export interface Stored {
  /** Records, by kind. */
  records: Record<string, number>
  objects: number
  /** Multipart uploads that are neither completed nor aborted. */
  openUploads: number
}

/** What the gateway has really kept, read past it. */
export interface Kept {
  stored(): Stored
  /** Every record of a kind; of all kinds unless one is named. */
  records(kind?: string): Promise<Record<string, unknown>[]>
  /** Where in store and bucket this text is: names of files, or of records and objects. */
  holding(text: string): Promise<string[]>
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
  readonly kept?: Kept
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

/** The variables that a caller adds to a stack's own. */
export const ownVariables = ({ vars = {} }: StackOptions, sandbox: Sandbox | undefined) => {
  if (typeof vars !== 'function') return vars
  if (!sandbox) throw new Error('these variables come from a sandbox, and the stack has none')
  return vars(sandbox)
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

/**
 * A directory that takes long to make, and is made once.
 * @param parent where it stays
 * @param what it is made from
 * @returns its path
 */
export async function madeOnce(
  parent: string,
  what: string,
  make: (path: string) => Promise<unknown>,
): Promise<string> {
  const path = join(parent, createHash('sha256').update(what).digest('hex').slice(0, 16))
  if (existsSync(path)) return path
  const own = `${path}-${randomUUID()}`
  await make(own)
  // Whoever was faster has made the same.
  await rename(own, path).catch(() => rm(own, { recursive: true, force: true }))
  return path
}

export async function assertPortFree(port: number): Promise<void> {
  const server = await listen(port).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EADDRINUSE' ? new PortInUseError(port) : error
  })
  await close(server)
}

export const listen = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })

export const close = (server: Server): Promise<void> => new Promise(resolve => server.close(() => resolve()))
