/** The domain's context over ports in memory and a network of canned answers. */
import { createCaches } from '../../../shared/caches.ts'
import { type Config, defineConfig } from '../../../shared/config.ts'
import type { Context } from '../../../shared/context.ts'
import { createTransport } from '../../../shared/transport.ts'
import { type MemoryPlatform, memoryPlatform } from './memory.ts'

/** A request as it reached the network. */
export interface Sent {
  method: string
  url: string
  /** Path and query, decoded no further. */
  path: string
  query: Record<string, string>
  headers: Record<string, string>
  body: string
}

export interface Bench {
  context: Context
  platform: MemoryPlatform
  sent: Sent[]
}

export type Answers = (request: Sent, index: number) => Response | Promise<Response>

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  Response.json(body, { status, headers })

/** A context whose providers are answered by this function. */
export const startBench = (answers: Answers, config: Partial<Config> = {}): Bench => {
  const sent: Sent[] = []
  const platform = memoryPlatform(async (input: Request | string, init?: RequestInit) => {
    const request = new Request(input, init)
    const { pathname, searchParams } = new URL(request.url)
    const seen: Sent = {
      method: request.method,
      url: request.url,
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: Object.fromEntries(request.headers),
      body: await request.text(),
    }
    sent.push(seen)
    return answers(seen, sent.length - 1)
  })
  platform.variables.OPENAI_API_KEY = 'sk-test'
  const complete = defineConfig(config)
  const context: Context = {
    config: complete,
    platform,
    caches: createCaches(),
    transport: createTransport({ fetch: platform.fetch, clock: platform.clock, retries: complete.retries }),
  }
  return { context, platform, sent }
}
