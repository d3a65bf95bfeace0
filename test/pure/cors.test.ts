/** What a page of another origin is let do. */
import { describe, expect, it, vi } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { type Config, defineConfig } from '../../shared/config.ts'
import { startApp, type TestApp } from './support/app.ts'
import { json } from './support/context.ts'

const ORIGIN = 'https://app.example.com'
const start = (cors: Config['cors'] = { origins: [ORIGIN] }): TestApp =>
  startApp(() => json({ id: 'x' }, 200, { 'x-ratelimit-remaining-requests': '7' }), { cors })

const preflight = (app: TestApp, path: string, origin = ORIGIN, method = 'POST', headers = 'authorization') =>
  app.call(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': headers,
    },
  })

const ROUTES = createApp(defineConfig())
  .routes.filter(({ method, path }) => method !== 'ALL' && !path.endsWith('*'))
  .map(({ method, path }) => [method, path.replace(/:(\w+)(\{[^}]*\})?/g, 'x')] as const)

describe('a preflight', () => {
  it.each([...new Set(ROUTES)])('of %s %s is answered without a key', async (method, path) => {
    const { status, headers, text } = await preflight(start(), path, ORIGIN, method)
    expect({ status, text, origin: headers.get('access-control-allow-origin') }).toEqual({
      ...{ status: 204, text: '', origin: ORIGIN },
    })
    expect(headers.get('x-request-id')).toMatch(/^req_/)
    expect(headers.get('access-control-allow-methods')?.split(',')).toContain(method)
    expect(headers.get('access-control-allow-credentials')).toBeNull()
    expect(headers.get('vary')).toContain('Origin')
  })

  it.each([
    'authorization,content-type,idempotency-key,prefer,last-event-id',
    'x-tunegate-provider,x-tunegate-api-key',
    'x-stainless-lang,x-stainless-retry-count,x-stainless-helper-method,openai-organization,user-agent',
  ])('lets a page send %s', async names => {
    const { headers } = await preflight(start(), '/v1/files', ORIGIN, 'POST', names)
    expect(headers.get('access-control-allow-headers')).toBe(names)
  })

  it('is remembered as long as the configuration says', async () => {
    const age = async (app: TestApp) =>
      (await preflight(app, '/v1/files')).headers.get('access-control-max-age')
    expect(await age(start())).toBe('600')
    expect(await age(start({ origins: [ORIGIN], maxAgeSeconds: 5 }))).toBe('5')
  })
})

describe('an origin', () => {
  it.each([
    ['https://app.example.com.evil.example.org'],
    ['https://evil.example.org'],
    ['http://app.example.com'],
    ['https://app.example.com:444'],
    ['https://sub.app.example.com'],
    ['null'],
  ])('that is not configured is let read nothing: %s', async origin => {
    const app = start()
    const { key } = await app.key()
    const asked = await preflight(app, '/v1/files', origin)
    const listed = await app.call('/v1/files', { key, headers: { origin } })
    for (const { headers } of [asked, listed]) expect(headers.get('access-control-allow-origin')).toBeNull()
  })

  it.each([ORIGIN, 'null', 'http://localhost:3000'])('is let in by *: %s', async origin => {
    const app = start({ origins: ['*'] })
    const { headers } = await preflight(app, '/v1/files', origin)
    expect(headers.get('access-control-allow-origin')).toBe('*')
    expect(headers.get('access-control-allow-credentials')).toBeNull()
  })

  it('is no one’s where none is configured: preflights are like any other method', async () => {
    const app = start({ origins: [] })
    const { status, headers } = await preflight(app, '/v1/files')
    expect(status).toBe(401)
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('an answer to a page', () => {
  const body = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'hi' }] }
  it.each<[string, string, object, number]>([
    ['a list', '/v1/files', {}, 200],
    ['a completion past the router', '/v1/chat/completions', { body }, 200],
    ['a completion by the router', '/v1/chat/completions?provider=openai', { body }, 200],
    ['a completion that is refused', '/v1/chat/completions', { body: {} }, 400],
    ['no key', '/v1/files', { key: null }, 401],
    ['no key for a completion', '/v1/chat/completions', { key: null, body }, 401],
    ['nothing there', '/v1/files/file-none', {}, 404],
    ['no such path', '/v2', {}, 404],
    ['no such method', '/v1/files', { method: 'PUT' }, 405],
  ])('may be read, its headers too: %s', async (_what, path, options, status) => {
    const app = start()
    const { key } = await app.key()
    const answer = await app.call(path, { key, ...options, headers: { origin: ORIGIN } })
    const { headers } = answer
    expect(answer.status).toBe(status)
    expect(headers.get('access-control-allow-origin')).toBe(ORIGIN)
    expect(headers.get('vary')).toContain('Origin')
    expect(headers.get('x-request-id')).toMatch(/^req_/)
    const exposed = headers.get('access-control-expose-headers')?.split(',') ?? []
    for (const name of [
      'x-request-id',
      'retry-after',
      'x-tunegate-dropped-params',
      'x-ratelimit-remaining-requests',
    ])
      expect(exposed).toContain(name)
    expect(headers.get('access-control-allow-credentials')).toBeNull()
  })
})

describe('an answer’s id', () => {
  it('is the one that the log has', async () => {
    const app = start()
    const { key } = await app.key()
    const logged: string[] = []
    const log = vi.spyOn(console, 'error').mockImplementation(line => void logged.push(String(line)))
    app.platform.store.list = () => Promise.reject(new Error('away'))
    const { status, headers } = await app.call('/v1/files', { key, headers: { origin: ORIGIN } })
    log.mockRestore()
    expect(status).toBe(500)
    expect(logged.map(line => JSON.parse(line).request_id)).toEqual([headers.get('x-request-id')])
  })
})

describe('a configuration', () => {
  it.each([
    ['https://app.example.com/'],
    ['app.example.com'],
    ['https://app.example.com/path'],
    ['*.example.com'],
  ])('is refused for the origin %s', origin => {
    expect(() => defineConfig({ cors: { origins: [origin] } })).toThrow('cors.origins')
  })
  it('is refused for * beside others', () => {
    expect(() => defineConfig({ cors: { origins: ['*', ORIGIN] } })).toThrow('cors.origins')
  })
})
