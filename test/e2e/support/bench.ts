/**
 * What the end-to-end tests share: one running stack for a file, unmodified clients on it, and the judge behind them.
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI, { APIError } from 'openai'
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest'
import { BUCKET } from '../../../sandbox/aws-platform/stack.ts'
import type { RecordedRequest } from '../../../sandbox/server.ts'
import { type Kept, type Stack, type StackOptions, startStack } from '../../../sandbox/stack.ts'
import type { Scope } from '../../../shared/openai/index.ts'
import { judgedFetch, judgeRequests } from '../../support/judge.ts'
import { hurry } from './hurry.ts'
import { keptIn } from './storage.ts'

/**
 * The gateway runs as a Lambda function: there an invocation takes 6 MB at most and begins when all of them have come, and hears
 * nothing of a client that leaves.
 */
export const isOnLambda = process.env.TUNEGATE_PLATFORM === 'aws'

export interface RawOptions {
  method?: string
  /** Absent: a key of the bench's own; null: none. */
  key?: string | null
  headers?: Record<string, string>
  /** An object is sent as JSON, anything else as it is. */
  body?: object | string | FormData | Buffer<ArrayBuffer>
}

export interface RawAnswer {
  status: number
  headers: Headers
  text: string
  /** Undefined when the answer is not JSON. */
  json: unknown
  /** OpenAI's error object; empty when there is none. */
  error: { message?: string; type?: string; param?: string | null; code?: string | null; tunegate?: unknown }
}

export interface Owner {
  key: string
  client: OpenAI
}

interface StreamState {
  id: string
  chunks: number
  open: boolean
  end: 'finished' | 'client_gone' | null
}
export interface SandboxState {
  files: { count: number; items: { id: string; filename: string; bytes: number }[] }
  jobs: {
    count: number
    items: { id: string; status: string; metadata: Record<string, string>; step: number }[]
  }
  models: { count: number; items: string[] }
  streams: { open: number; items: StreamState[] }
}

export interface Bench extends Kept {
  readonly stack: Stack
  /** What the judge has found so far. */
  readonly violations: string[]
  /** An official client; without a key for a new owner of its own. It never retries unless told to. */
  client(key?: string, options?: { maxRetries?: number }): Promise<OpenAI>
  /** A new key, and the client that uses it; of a new owner unless one is named, with the standard scopes unless some are. */
  owner(owner?: string, scopes?: readonly Scope[]): Promise<Owner>
  /** A request without the client, to a path below the gateway's origin. */
  raw(path: string, options?: RawOptions): Promise<RawAnswer>
  /** From now on: call the result for the requests that have reached the provider since. */
  watch(): () => RecordedRequest[]
  set(settings: { stepMs?: number; chunkMs?: number }): Promise<void>
  state(): Promise<SandboxState>
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const errorIn = (json: unknown): RawAnswer['error'] =>
  typeof json === 'object' && json !== null && 'error' in json && typeof json.error === 'object'
    ? (json.error ?? {})
    : {}

export interface BenchOptions extends StackOptions {
  /** How many times faster than the world's the time of gateway and sandbox runs: nobody waits for a lease to end. */
  speed?: number
}

/** What a stack needs for another time, which is this process's from now on: AWS takes no signature out of the sandbox's time. */
const hurried = (speed: number): StackOptions => {
  const vars = { CLOCK_SPEED: String(speed), CLOCK_START: String(Date.now()) }
  hurry(vars)
  return { config: 'test/e2e/support/hurried.config.ts', vars }
}

/** Boots a stack for the tests of one file. */
export const useBench = ({ speed, ...given }: BenchOptions = {}): Bench => {
  const options = { ...(speed !== undefined && hurried(speed)), ...given }
  const violations: string[] = []
  const fetch = judgedFetch(violations)
  const scratch = mkdtempSync(join(tmpdir(), 'tunegate-e2e-'))
  const persistTo = join(scratch, 'state')
  let started: Stack | undefined
  let ownKey: string | undefined
  const kept = (): Kept => bench.stack.kept ?? keptIn(persistTo)

  const bench: Bench = {
    get stack() {
      if (!started) throw new Error('The stack has not started.')
      return started
    },
    violations,
    async client(key, { maxRetries = 0 } = {}) {
      const apiKey = key ?? (await bench.stack.createKey())
      return new OpenAI({ apiKey, baseURL: bench.stack.baseURL, maxRetries, fetch })
    },
    async owner(owner, scopes) {
      const { json } = await bench.raw('/v1/keys', {
        key: bench.stack.adminKey,
        body: { name: 'e2e', ...(owner && { owner }), ...(scopes && { scopes }) },
      })
      const { key } = json as { key: string }
      return { key, client: await bench.client(key) }
    },
    async raw(path, { key, method, headers = {}, body } = {}) {
      ownKey ??= await bench.stack.createKey()
      const authorization = key === null ? {} : { authorization: `Bearer ${key ?? ownKey}` }
      const isJson = typeof body === 'object' && !(body instanceof FormData) && !(body instanceof Uint8Array)
      const response = await fetch(bench.stack.url + path, {
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        headers: { ...authorization, ...(isJson && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: isJson ? JSON.stringify(body) : body }),
      })
      const text = await response.text()
      const json = parsed(text)
      return { status: response.status, headers: response.headers, text, json, error: errorIn(json) }
    },
    watch() {
      const before = bench.stack.sandbox.requests().length
      // On AWS the deployment's own bucket is at the sandbox too.
      const isOwn = ({ path }: RecordedRequest) => path.startsWith(`/aws/s3/${BUCKET}/`)
      return () => {
        const since = bench.stack.sandbox.requests().slice(before)
        return since.filter(request => !isOwn(request))
      }
    },
    stored: () => kept().stored(),
    records: kind => kept().records(kind),
    holding: text => kept().holding(text),
    set: settings => control(bench.stack, 'settings', settings),
    state: () => control(bench.stack, 'state'),
  }

  beforeAll(async () => {
    started = await startStack({ persistTo, cache: inject('stackCache'), ...options })
  })
  afterEach(async () => {
    bench.stack.sandbox.clearFaults()
    await bench.set({ stepMs: options.stepMs ?? 0, chunkMs: 0 })
  })
  afterAll(async () => {
    await started?.stop()
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  })
  return bench
}

/** The sandbox's strings: its control surface, which is no provider's and is not judged. */
const control = async <T>({ sandbox }: Stack, path: string, body?: object): Promise<T> => {
  const response = await globalThis.fetch(`${sandbox.origin}/_sandbox/${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  return (await response.json()) as T
}

/** A function that dies in the middle is answered for by Lambda itself, in words of its own. */
const LAMBDAS_OWN = /→ 502: (no x-request-id|\/ must have required property 'error')$/

/** The last test of every file: nothing that went back and forth in it broke OpenAI's specification. */
export const itIsJudged = (bench: Bench): void => {
  it('has broken nothing of the specification, in any answer or any request to the provider', () => {
    const violations = bench.violations.filter(line => !(isOnLambda && LAMBDAS_OWN.test(line)))
    expect([...violations, ...judgeRequests(bench.stack.sandbox.requests())]).toEqual([])
  })
}

/** The API error that a call ends in. */
export const refusal = async (call: PromiseLike<unknown>): Promise<APIError> => {
  try {
    await call
  } catch (error) {
    if (error instanceof APIError) return error
    throw error
  }
  return expect.fail('The call was not refused.')
}

/** Waits for a condition, however long that takes on a busy machine; the test's own limit ends it. */
export const until = async <T>(
  read: () => Promise<T> | T,
  isIt: (value: T) => boolean,
  pauseMs = 10,
): Promise<T> => {
  for (;;) {
    const value = await read()
    if (isIt(value)) return value
    await new Promise(resolve => setTimeout(resolve, pauseMs))
  }
}
