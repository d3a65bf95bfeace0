/** The whole app over ports in memory and a network of canned answers. */
import { type App, createApp } from '../../../functions/app.ts'
import type { Config } from '../../../shared/config.ts'
import type { Platform } from '../../../shared/platform/index.ts'
import { type Answers, type Bench, startBench } from './context.ts'

export const ADMIN_KEY = 'admin-of-the-tests'

export interface Call {
  method?: string
  /** Null: none. */
  key?: string | null
  headers?: Record<string, string>
  /** An object is sent as JSON. */
  body?: object | string | FormData | undefined
}

export interface Answered {
  status: number
  headers: Headers
  text: string
  /** Empty when the answer is no JSON object. */
  json: Record<string, unknown>
  error: { code?: string; param?: string | null; message?: string; type?: string }
}

export interface KeyOf {
  id: string
  key: string
  owner: string
}

export interface TestApp extends Bench {
  app: App
  call(path: string, call?: Call): Promise<Answered>
  /** A key made by the deployment's admin. */
  key(grants?: object): Promise<KeyOf>
}

const parsed = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** A request to an app as a client sends it, whole. */
export const callApp = async (
  app: App,
  platform: Platform,
  path: string,
  { method, key, headers: given, body }: Call = {},
): Promise<Answered> => {
  const isJson = typeof body === 'object' && !(body instanceof FormData)
  const text = isJson ? JSON.stringify(body) : body
  const headers = new Headers(given)
  if (key) headers.set('authorization', `Bearer ${key}`)
  if (isJson) headers.set('content-type', 'application/json')
  if (typeof text === 'string' && !headers.has('content-length'))
    headers.set('content-length', String(new TextEncoder().encode(text).length))
  const request = new Request(`http://gateway.test${path}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    ...(text !== undefined && { body: text }),
  })
  const answer = await app.fetch(request, { platform })
  const read = await answer.text()
  const json = parsed(read)
  const { error = {} } = json as Pick<Answered, 'error'>
  return { status: answer.status, headers: answer.headers, text: read, json, error }
}

export const startApp = (answers: Answers, config: Partial<Config> = {}): TestApp => {
  const bench = startBench(answers, config)
  bench.platform.variables.TUNEGATE_ADMIN_KEY = ADMIN_KEY
  const app = createApp(bench.context.config)
  const call: TestApp['call'] = (path, options) => callApp(app, bench.platform, path, options)
  return {
    ...bench,
    app,
    call,
    async key(grants = {}) {
      const { json } = await call('/v1/keys', { key: ADMIN_KEY, body: { name: 'test', ...grants } })
      return json as unknown as KeyOf
    },
  }
}
