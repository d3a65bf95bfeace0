/** What CloudFront runs before the gateway: as the build writes it, in a scope with nothing but the language. */
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { edgeCode } from '../../esbuild.config.ts'
import { openTo } from '../../functions/cors.ts'

interface Refusal {
  statusCode: number
  headers: Record<string, { value: string }>
}

const MEBIBYTE = 2 ** 20
const MINE = 'https://app.example.com'
const requestOf = (bytes: number, headers: Record<string, string> = {}) => ({
  context: { requestId: 'a1-b2' },
  request: {
    headers: Object.fromEntries(
      Object.entries({ 'content-length': String(bytes), ...headers }).map(([name, value]) => [
        name,
        { value },
      ]),
    ),
  },
})
const handlerFor = async (origins: string[] = []): Promise<(event: object) => Refusal> =>
  runInNewContext(`${await edgeCode(origins)}\nhandler`)

describe('the function before the gateway', () => {
  it.each([
    ['application/json', 6 * MEBIBYTE - 64 * 1024],
    ['text/csv', 6 * MEBIBYTE - 64 * 1024],
    ['multipart/form-data; boundary=x', 4.5 * MEBIBYTE - 48 * 1024],
    ['', 4.5 * MEBIBYTE - 48 * 1024],
  ])('lets a body of type %j pass up to %i bytes', async (type, most) => {
    const handler = await handlerFor()
    const small = requestOf(most, { 'content-type': type })
    expect(handler(small)).toBe(small.request)
    expect(handler(requestOf(most + 1, { 'content-type': type }))).toMatchObject({ statusCode: 413 })
  })

  it('lets a request without a length pass: what it is shows behind', async () => {
    const event = { context: {}, request: { headers: {} } }
    expect((await handlerFor())(event)).toBe(event.request)
  })

  // CloudFront's language is ES5 with some additions, and no destructuring.
  it.each([
    'function handler({ request }) { return request }',
    'function handler(event) { const { request } = event; return request }',
    'function handler(event) { for (const name of []) name(); return event.request }',
    'class Answer {}',
  ])('is not built of what CloudFront does not know: %s', async source => {
    await expect(edgeCode([], source)).rejects.toThrow('is not supported yet')
  })
})

describe.each([
  ['pages of no origin', []],
  ['pages of one origin', [MINE]],
  ['pages of any origin', ['*']],
])('%s', (_, origins) => {
  it.each([undefined, MINE, 'https://other.example.com'])(
    'read a refusal as they read the gateway’s (%s)',
    async origin => {
      const sent: Record<string, string> = origin === undefined ? {} : { origin }
      const { headers } = (await handlerFor(origins))(requestOf(7 * MEBIBYTE, sent))
      const gateway = openTo({ origins }, () => new Response(null, { headers: { 'x-request-id': 'x' } }))
      const expected = (await gateway(new Request('https://gateway.example.com/v1/files', { headers: sent })))
        .headers
      for (const name of ['access-control-allow-origin', 'vary'])
        expect(headers[name]?.value ?? null).toBe(expected.get(name))
      const exposed = (list: string | null | undefined) => (list ?? '').split(',').includes('x-request-id')
      expect(exposed(headers['access-control-expose-headers']?.value)).toBe(
        exposed(expected.get('access-control-expose-headers')),
      )
    },
  )
})
