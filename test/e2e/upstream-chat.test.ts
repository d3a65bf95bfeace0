/** A provider that fails while it chats: the matching OpenAI error, never a clean end. */
import OpenAI, { type APIError } from 'openai'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Fault } from '../../sandbox/server.ts'
import { itIsJudged, type Owner, refusal, useBench } from './support/bench.ts'

const bench = useBench()

const CHAT = { model: 'gpt-4.1-mini', messages: [{ role: 'user' as const, content: 'tell me something' }] }
let owner: Owner

beforeAll(async () => {
  owner = await bench.owner()
})

const spoil = (fault: Partial<Fault> & Pick<Fault, 'kind'>) =>
  bench.stack.sandbox.fault({ path: '/chat/completions$', ...fault })

interface Row {
  what: string
  fault: () => Partial<Fault> & Pick<Fault, 'kind'>
  status: number
  code: string
  type: string
  kind: abstract new (...args: never[]) => APIError
  fields?: object
  native: number | null
}

const ROWS: Row[] = [
  {
    what: 'a rate limit',
    fault: () => ({ kind: 'status', status: 429, headers: { 'retry-after': '7' } }),
    status: 429,
    code: 'rate_limit_exceeded',
    type: 'rate_limit_error',
    kind: OpenAI.RateLimitError,
    native: 429,
  },
  {
    what: 'an exhausted quota',
    fault: () => ({
      kind: 'status',
      status: 429,
      body: {
        error: { message: 'quota', type: 'insufficient_quota', param: null, code: 'insufficient_quota' },
      },
    }),
    status: 429,
    code: 'insufficient_quota',
    type: 'insufficient_quota',
    kind: OpenAI.RateLimitError,
    native: 429,
  },
  {
    what: 'a failure',
    fault: () => ({ kind: 'status', status: 500 }),
    status: 500,
    code: 'server_error',
    type: 'server_error',
    kind: OpenAI.InternalServerError,
    native: 500,
  },
  {
    what: 'an overload',
    fault: () => ({ kind: 'status', status: 503 }),
    status: 503,
    code: 'server_is_overloaded',
    type: 'server_error',
    kind: OpenAI.InternalServerError,
    native: 503,
  },
  {
    what: 'a failure that is a page of HTML',
    fault: () => ({ kind: 'status', status: 502, body: '<html>Bad gateway</html>' }),
    status: 502,
    code: 'provider_error',
    type: 'server_error',
    kind: OpenAI.InternalServerError,
    native: 502,
  },
  {
    what: "a refusal of the deployment's key",
    fault: () => ({
      kind: 'status',
      status: 401,
      body: {
        error: {
          message: 'Incorrect API key provided: sk-sandbox.',
          type: 'x',
          param: null,
          code: 'invalid_api_key',
        },
      },
    }),
    status: 401,
    code: 'provider_authentication_failed',
    type: 'authentication_error',
    kind: OpenAI.AuthenticationError,
    native: 401,
  },
  {
    what: 'silence',
    fault: () => ({ kind: 'hang' }),
    status: 504,
    code: 'provider_timeout',
    type: 'server_error',
    kind: OpenAI.InternalServerError,
    fields: { timeout: 0.3 },
    native: null,
  },
  {
    what: 'a reset connection',
    fault: () => ({ kind: 'reset' }),
    status: 502,
    code: 'provider_unreachable',
    type: 'server_error',
    kind: OpenAI.InternalServerError,
    native: null,
  },
  {
    what: 'a redirect',
    fault: () => ({
      kind: 'status',
      status: 307,
      headers: { location: `${bench.stack.sandbox.origin}/v1/models` },
    }),
    status: 502,
    code: 'provider_redirected',
    type: 'server_error',
    kind: OpenAI.InternalServerError,
    native: null,
  },
]

describe.each([
  ['a chat', {}],
  ['a streamed chat', { stream: true }],
] as const)('%s', (_form, form) => {
  it.each(ROWS)('tells $what', async ({ fault, status, code, type, kind, fields = {}, native }) => {
    spoil(fault())
    const sent = bench.watch()
    const params = { ...CHAT, ...form, ...fields }
    const error = await refusal(owner.client.chat.completions.create(params))
    expect(error).toBeInstanceOf(kind)
    expect(error).toMatchObject({ status, code, type })
    expect(error.requestID).toBeTruthy()
    expect(error.error).toMatchObject({ tunegate: { provider: 'openai', native_status: native } })
    expect(error.message).not.toContain(bench.stack.sandbox.apiKey)
    // The client repeats chats itself: twice repeated is paid twice. And no redirect is followed.
    expect(sent().map(({ path }) => path)).toEqual(['/v1/chat/completions'])
  })

  it("passes on the provider's wish to wait", async () => {
    spoil({ kind: 'status', status: 429, headers: { 'retry-after': '7' } })
    const { headers } = await refusal(owner.client.chat.completions.create({ ...CHAT, ...form }))
    expect(headers?.get('retry-after')).toBe('7')
  })

  it('is repeated by the official client when that may help', async () => {
    spoil({ kind: 'status', status: 429, headers: { 'retry-after': '0' } })
    spoil({ kind: 'status', status: 500, headers: { 'retry-after': '0' } })
    const sent = bench.watch()
    const client = await bench.client(owner.key, { maxRetries: 2 })
    await client.chat.completions.create({ ...CHAT, ...form })
    expect(sent()).toHaveLength(3)
  })

  it('works again when the trouble is over', async () => {
    spoil({ kind: 'reset' })
    await refusal(owner.client.chat.completions.create({ ...CHAT, ...form }))
    await owner.client.chat.completions.create({ ...CHAT, ...form })
  })
})

describe('a streamed chat', () => {
  it('tells garbage in place of a stream', async () => {
    spoil({ kind: 'garbage' })
    const error = await refusal(owner.client.chat.completions.create({ ...CHAT, stream: true }))
    expect(error).toMatchObject({ status: 502, code: 'provider_invalid_answer', type: 'server_error' })
  })
})

describe('a chat', () => {
  it.each([
    ['garbage', { kind: 'garbage' }, 'provider_invalid_answer'],
    ['a body cut in half', { kind: 'cut-body' }, 'provider_unreachable'],
  ] as const)('tells %s', async (_what, fault, code) => {
    spoil(fault)
    const error = await refusal(owner.client.chat.completions.create(CHAT))
    expect(error).toMatchObject({ status: 502, code, type: 'server_error' })
    expect(error.message).not.toContain('html')
  })
})

describe('a stream that breaks', () => {
  const BREAKS = [
    ['cut at once', { kind: 'cut-stream', afterChunks: 0 }, 0],
    ['cut after three chunks', { kind: 'cut-stream', afterChunks: 3 }, 3],
    ['ended without [DONE]', { kind: 'end-stream', afterChunks: 3 }, 3],
    ['ended before it began', { kind: 'end-stream', afterChunks: 0 }, 0],
  ] as const

  it.each(BREAKS)('%s gives what came, then an error event, and no [DONE]', async (_what, fault, chunks) => {
    spoil(fault)
    const answer = await bench.raw('/v1/chat/completions', { body: { ...CHAT, stream: true } })
    expect(answer.status).toBe(200)
    const events = answer.text.split('\n\n').filter(event => event.trim() !== '')
    expect(events).toHaveLength(chunks + 1)
    expect(
      JSON.parse(
        events
          .at(-1)
          ?.trim()
          .replace(/^data: /, '') ?? '',
      ),
    ).toMatchObject({
      error: { code: 'provider_stream_broken', type: 'server_error', param: null },
    })
    expect(answer.text).not.toContain('[DONE]')
  })

  it.each(BREAKS)('%s makes the official client throw', async (_what, fault, chunks) => {
    spoil(fault)
    const seen: unknown[] = []
    const read = async () => {
      const stream = await owner.client.chat.completions.create({ ...CHAT, stream: true })
      for await (const chunk of stream) seen.push(chunk)
    }
    expect(await refusal(read())).toMatchObject({ code: 'provider_stream_broken' })
    expect(seen).toHaveLength(chunks)
  })
})

itIsJudged(bench)
