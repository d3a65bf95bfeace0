/** Bad days on demand, and the strings to pull from another process. */
import OpenAI, { APIConnectionError } from 'openai'
import { describe, expect, it } from 'vitest'
import { chatLine, refusal, samples, upload, useSandbox } from './support.ts'

const bench = useSandbox()

const MODELS = '/v1/models'
const get = () =>
  fetch(bench.sandbox.origin + MODELS, { headers: { authorization: `Bearer ${bench.sandbox.apiKey}` } })
const list = () => bench.client.models.list()
const streamed = async () =>
  bench.client.chat.completions.create({
    model: 'gpt-4o',
    messages: [{ role: 'user', content: 'hi' }],
    stream: true,
  })

async function create() {
  const training_file = await upload(bench, samples('train').map(chatLine))
  return () => bench.client.fineTuning.jobs.create({ model: 'gpt-4o', training_file })
}

describe('status', () => {
  it.each([
    [429, 'rate_limit_exceeded', '1'],
    [500, null, null],
    [503, 'server_is_overloaded', null],
    [418, null, null],
  ])('%i in the way OpenAI says it', async (status, code, retryAfter) => {
    bench.sandbox.fault({ kind: 'status', status })
    const error = await refusal(list())
    expect(error).toMatchObject({ status, code, requestID: expect.stringMatching(/^req_/) })
    expect(error.headers?.get('retry-after')).toBe(retryAfter)
  })

  it('with headers and a body of choice', async () => {
    bench.sandbox.fault({ kind: 'status', status: 400, headers: { 'x-odd': '1' }, body: { odd: true } })
    const response = await get()
    expect(response.headers.get('x-odd')).toBe('1')
    expect(await response.json()).toEqual({ odd: true })
  })

  it('comes instead of the effect', async () => {
    const call = await create()
    bench.sandbox.fault({ kind: 'status', status: 500 })
    await refusal(call())
    expect((await bench.state()).jobs.count).toBe(0)
  })

  it('is what makes the SDK try again', async () => {
    bench.sandbox.fault({ kind: 'status', status: 429, headers: { 'retry-after': '0' }, times: 2 })
    const { openaiBaseUrl: baseURL, apiKey } = bench.sandbox
    await new OpenAI({ baseURL, apiKey, maxRetries: 2 }).models.list()
    expect(bench.sandbox.requests().map(({ headers }) => headers['x-stainless-retry-count'])).toEqual([
      '0',
      '1',
      '2',
    ])
  })
})

describe('effect first', () => {
  it('then an error status', async () => {
    const call = await create()
    bench.sandbox.fault({ kind: 'effect-then-status', status: 503, path: '/jobs$' })
    expect(await refusal(call())).toMatchObject({ status: 503 })
    expect((await bench.state()).jobs.count).toBe(1)
  })

  it('then a broken connection', async () => {
    const call = await create()
    bench.sandbox.fault({ kind: 'effect-then-reset', method: 'POST' })
    await expect(call()).rejects.toBeInstanceOf(APIConnectionError)
    expect((await bench.state()).jobs.count).toBe(1)
  })
})

describe('a bad connection', () => {
  it('breaks before the effect', async () => {
    const call = await create()
    bench.sandbox.fault({ kind: 'reset' })
    await expect(call()).rejects.toBeInstanceOf(APIConnectionError)
    expect((await bench.state()).jobs.count).toBe(0)
  })

  it('is slow, but works', async () => {
    bench.sandbox.fault({ kind: 'slow', delayMs: 1 })
    expect((await list()).data.length).toBeGreaterThan(0)
  })

  it('hangs until the client gives up', async () => {
    bench.sandbox.fault({ kind: 'hang' })
    await expect(bench.client.models.list({ timeout: 30 })).rejects.toThrow(/timed out/)
    expect((await list()).data.length).toBeGreaterThan(0)
  })

  it('cuts a body in half', async () => {
    bench.sandbox.fault({ kind: 'cut-body' })
    const response = await get()
    expect(response.status).toBe(200)
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(100)
    await expect(response.text()).rejects.toThrow()
  })

  it('brings garbage', async () => {
    bench.sandbox.fault({ kind: 'garbage' })
    const response = await get()
    expect(response.status).toBe(200)
    await expect(response.json()).rejects.toThrow(SyntaxError)
  })
})

describe('a bad stream', () => {
  it('is cut after some chunks, and the model stops', async () => {
    bench.sandbox.fault({ kind: 'cut-stream', afterChunks: 3 })
    const seen: unknown[] = []
    await expect(
      (async () => {
        for await (const chunk of await streamed()) seen.push(chunk)
      })(),
    ).rejects.toThrow()
    expect(seen).toHaveLength(3)
    expect((await bench.state()).streams).toMatchObject({
      open: 0,
      items: [{ chunks: 3, end: 'client_gone' }],
    })
  })

  it('ends without [DONE]', async () => {
    bench.sandbox.fault({ kind: 'end-stream', afterChunks: 2 })
    const response = await fetch(`${bench.sandbox.openaiBaseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bench.sandbox.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }], stream: true }),
    })
    const text = await response.text()
    expect(text.match(/^data: /gm)).toHaveLength(2)
    expect(text).not.toContain('[DONE]')
  })
})

describe('faults', () => {
  it('hit only the requests they are meant for, in order, as often as they should', async () => {
    bench.sandbox.fault({ kind: 'status', status: 501, path: '^/v1/files' })
    bench.sandbox.fault({ kind: 'status', status: 502, method: 'post' })
    bench.sandbox.fault({ kind: 'status', status: 503, times: 2 })
    bench.sandbox.fault({ kind: 'status', status: 504 })
    const statuses = []
    for (let count = 0; count < 4; count++) statuses.push((await get()).status)
    expect(statuses).toEqual([503, 503, 504, 200])
    expect(await refusal(bench.client.files.list())).toMatchObject({ status: 501 })
  })

  it('can be taken back', async () => {
    bench.sandbox.fault({ kind: 'reset', times: 100 })
    bench.sandbox.clearFaults()
    expect((await get()).status).toBe(200)
  })
})

describe('the control surface', () => {
  it('sets and clears faults', async () => {
    expect((await bench.raw('POST', '/_sandbox/faults', { kind: 'status', status: 418 })).status).toBe(204)
    expect((await get()).status).toBe(418)
    await bench.raw('POST', '/_sandbox/faults', { kind: 'status', status: 418 })
    await bench.raw('DELETE', '/_sandbox/faults')
    expect((await get()).status).toBe(200)
  })

  it.each([{ kind: 'explode' }, { kind: 'status', when: 'now' }, { kind: 'status', path: '(' }])(
    'refuses the fault %j',
    async fault => {
      expect((await bench.raw('POST', '/_sandbox/faults', fault)).status).toBe(400)
    },
  )

  it('remembers requests as they came', async () => {
    await bench.raw('POST', '/v1/chat/completions?x=1', { model: 'none', odd: [1, { two: null }] })
    await get()
    const [first, second, ...rest] = (await bench.raw('GET', '/_sandbox/requests')).json as Record<
      string,
      unknown
    >[]
    expect(first).toMatchObject({
      method: 'POST',
      path: '/v1/chat/completions',
      query: '?x=1',
      body: { model: 'none', odd: [1, { two: null }] },
      headers: { 'content-type': 'application/json', authorization: `Bearer ${bench.sandbox.apiKey}` },
    })
    expect(second).toMatchObject({ method: 'GET', path: MODELS })
    expect(rest).toEqual([])
    expect(bench.sandbox.requests()).toHaveLength(2)
    await bench.raw('DELETE', '/_sandbox/requests')
    expect(bench.sandbox.requests()).toEqual([])
  })

  it('forgets everything on reset, running jobs too', async () => {
    await bench.set({ stepMs: 60_000 })
    await (await create())()
    bench.sandbox.fault({ kind: 'reset' })
    await bench.raw('POST', '/_sandbox/reset')
    expect(await bench.state()).toMatchObject({
      files: { count: 0 },
      jobs: { count: 0 },
      models: { count: 0 },
    })
    expect((await get()).status).toBe(200)
  })

  it('shows the metadata of jobs', async () => {
    await bench.set({ stepMs: 60_000 })
    const training_file = await upload(bench, samples('train').map(chatLine))
    await bench.client.fineTuning.jobs.create({ model: 'gpt-4o', training_file, metadata: { gateway: 'x1' } })
    expect((await bench.state()).jobs.items).toMatchObject([
      { status: 'validating_files', metadata: { gateway: 'x1' } },
    ])
  })
})
