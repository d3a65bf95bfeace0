/**
 * The gateway inside workerd, with its real D1 and R2, in front of the sandbox; unmodified clients talk to it.
 * @module
 */
import { env } from 'cloudflare:workers'
import OpenAI from 'openai'
import { inject } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { tick } from '../../functions/schedule.ts'
import { type Config, defineConfig } from '../../shared/config.ts'
import type { Scope } from '../../shared/openai/index.ts'
import { type Bindings, createCloudflarePlatform } from '../../shared/platform/cloudflare/index.ts'
import type { Platform } from '../../shared/platform/index.ts'

export const ADMIN_KEY = 'test-admin-key'
/** Of this file's own sandbox. */
export const SANDBOX = await (await fetch(inject('sandboxes'))).text()

export interface SandboxRequest {
  method: string
  path: string
  headers: Record<string, string>
  body: unknown
}

/** The sandbox's control surface, over HTTP. */
export const sandbox = {
  async fault(fault: Record<string, unknown>): Promise<void> {
    await fetch(`${SANDBOX}/_sandbox/faults`, {
      method: 'POST',
      body: JSON.stringify(fault),
      headers: JSON_TYPE(),
    })
  },
  async reset(): Promise<void> {
    await fetch(`${SANDBOX}/_sandbox/reset`, { method: 'POST' })
  },
  async requests(): Promise<SandboxRequest[]> {
    return (await (await fetch(`${SANDBOX}/_sandbox/requests`)).json()) as SandboxRequest[]
  },
  async settings(settings: { stepMs?: number; chunkMs?: number }): Promise<void> {
    await fetch(`${SANDBOX}/_sandbox/settings`, {
      method: 'POST',
      body: JSON.stringify(settings),
      headers: JSON_TYPE(),
    })
  },
}
function JSON_TYPE() {
  return { 'content-type': 'application/json' }
}

export const bindings = env as unknown as Required<Pick<Bindings, 'BUCKET'>> & Bindings

export interface GatewayOptions {
  config?: Partial<Config>
  /** Variables and bindings beside D1 and R2. */
  variables?: Record<string, unknown>
  /** Replaces parts of the platform, e.g. the clock or fetch. */
  platform?: Partial<Platform>
}

export interface Gateway {
  fetch(path: string, init?: RequestInit & { key?: string | null }): Promise<Response>
  /** Makes a key; keys of one owner see the same records. @param scopes the standard's unless named */
  key(owner?: string, scopes?: readonly Scope[]): Promise<string>
  /** The official client, for a new owner or this key. */
  client(key?: string): Promise<OpenAI>
  platform: Platform
  /** Fires the schedule, this many seconds from now: the clock stays there. */
  tick(secondsLater?: number): Promise<void>
}

/** Retries that do not keep a test waiting. */
const QUICK = { count: 2, firstDelayMs: 1, longestDelayMs: 2 }

export const startGateway = ({ config, variables, platform: parts }: GatewayOptions = {}): Gateway => {
  const app = createApp(defineConfig({ retries: QUICK, ...config }))
  const all: Bindings = {
    DB: bindings.DB,
    BUCKET: bindings.BUCKET,
    TUNEGATE_ADMIN_KEY: ADMIN_KEY,
    TUNEGATE_SANDBOX_ORIGIN: SANDBOX,
    OPENAI_API_KEY: 'sk-sandbox',
    OPENAI_BASE_URL: `${SANDBOX}/v1`,
    ...variables,
  }
  const platform = { ...createCloudflarePlatform(all, () => undefined), ...parts }
  const send = async (url: string, init?: RequestInit) => app.fetch(new Request(url, init), { platform })
  let later = 0
  const { now } = platform.clock
  const gateway: Gateway = {
    platform,
    async tick(secondsLater = 0) {
      later += secondsLater * 1000
      platform.clock = { ...platform.clock, now: () => now() + later }
      await tick(app.background(platform))
    },
    fetch: (path, { key, ...init } = {}) => {
      const headers = new Headers(init.headers)
      if (key) headers.set('authorization', `Bearer ${key}`)
      return send(`http://gateway.test${path}`, { ...init, headers })
    },
    async key(owner, scopes) {
      const answer = await gateway.fetch('/v1/keys', {
        method: 'POST',
        key: ADMIN_KEY,
        headers: JSON_TYPE(),
        body: JSON.stringify({ name: 'test', ...(owner && { owner }), ...(scopes && { scopes }) }),
      })
      const { key } = (await answer.json()) as { key: string }
      return key
    },
    async client(key) {
      return new OpenAI({
        apiKey: key ?? (await gateway.key()),
        baseURL: 'http://gateway.test/v1',
        maxRetries: 0,
        fetch: (input, init) => send(String(input), init),
      })
    },
  }
  return gateway
}

const INTENTS = ['card_lost', 'card_arrival', 'refund', 'exchange_rate']

/** A small dataset: as many chat examples as asked for. */
export const dataset = (lines = 40): string =>
  Array.from({ length: lines }, (_, index) => {
    const intent = INTENTS[index % INTENTS.length] ?? ''
    return JSON.stringify({
      messages: [
        { role: 'user', content: `please help me with my ${intent.replace('_', ' ')} number ${index}` },
        { role: 'assistant', content: intent },
      ],
    })
  }).join('\n')

export const datasetFile = (lines?: number, name = 'train.jsonl'): File =>
  new File([dataset(lines)], name, { type: 'application/jsonl' })

/** Asks for the job until it is in one of these states. */
export const until = async (client: OpenAI, id: string, ...statuses: string[]) => {
  for (let tries = 0; tries < 2000; tries++) {
    const job = await client.fineTuning.jobs.retrieve(id)
    if (statuses.includes(job.status)) return job
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  throw new Error(`job ${id} never became ${statuses.join(' or ')}`)
}
