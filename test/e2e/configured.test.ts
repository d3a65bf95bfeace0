/** What the deployment's configuration decides: credentials, connections, limits. */
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { itIsJudged, type Owner, refusal, until, useBench } from './support/bench.ts'
import { datasetFile, form, isOver, jobWhen, uploaded } from './support/data.ts'

const bench = useBench({
  config: 'test/e2e/support/configured.config.ts',
  vars: { RENAMED_KEY: 'sk-renamed' },
})

const CHAT = { model: 'gpt-4.1-mini', messages: [{ role: 'user' as const, content: 'hi' }] }

/** A chat with more fields, and the authorisation the provider was shown for it. */
const chatted = async (fields: object, headers: Record<string, string> = {}) => {
  const sent = bench.watch()
  const { status, error } = await bench.raw('/v1/chat/completions', { body: { ...CHAT, ...fields }, headers })
  return { status, error, shown: sent().map(request => request.headers.authorization) }
}

describe('credentials', () => {
  it.each([
    ['the environment', {}, 'sk-sandbox'],
    ['the configuration', { provider: 'configured' }, 'sk-from-config'],
    ['the variable that the configuration names', { provider: 'renamed' }, 'sk-renamed'],
    ['the request, over the environment', { api_key: 'sk-mine' }, 'sk-mine'],
    ['the request, over the configuration', { api_key: 'sk-mine', provider: 'configured' }, 'sk-mine'],
  ])('come from %s', async (_source, fields, key) => {
    const { shown } = await chatted(fields)
    expect(shown).toEqual([`Bearer ${key}`])
  })

  it('come from the header as well', async () => {
    const { shown } = await chatted({}, { 'x-tunegate-api-key': 'sk-mine' })
    expect(shown).toEqual(['Bearer sk-mine'])
  })

  it('go nowhere else: no field and no header of the caller reaches the provider', async () => {
    const sent = bench.watch()
    const { key } = await bench.owner()
    await bench.raw('/v1/chat/completions', {
      key,
      body: { ...CHAT, api_key: 'sk-sandbox' },
      headers: { cookie: 'a=b', 'x-secret': 's', 'openai-organization': 'org-mine' },
    })
    const [request] = sent()
    expect(request?.body).toEqual(CHAT)
    expect(JSON.stringify(request)).not.toContain(key)
    for (const name of ['cookie', 'x-secret', 'openai-organization', 'x-tunegate-api-key'])
      expect(request?.headers[name]).toBeUndefined()
  })

  it("tell a refusal of the deployment's key from a refusal of the caller's", async () => {
    expect(await chatted({ provider: 'renamed' })).toMatchObject({
      status: 401,
      error: { code: 'provider_authentication_failed' },
    })
  })

  it.each([
    'http://127.0.0.1:9/v1',
    'http://localhost/v1',
    'https://10.0.0.1/v1',
    'https://169.254.169.254/v1',
    'https://[::1]/v1',
    'https://[::ffff:127.0.0.1]/v1',
    'https://100.64.0.1/v1',
    'https://2130706433/v1',
    'https://gateway.internal/v1',
    'http://example.com/v1',
    'https://user:pass@example.com/v1',
  ])('do not travel to %s', async api_base => {
    expect(await chatted({ api_key: 'sk-mine', api_base })).toMatchObject({
      status: 400,
      error: { code: 'host_forbidden', param: 'api_base' },
      shown: [],
    })
  })

  it("a host without a key is refused: the deployment's own key stays at home", async () => {
    expect(await chatted({ api_base: `${bench.stack.sandbox.origin}/v1` })).toMatchObject({
      status: 400,
      error: { param: 'api_base' },
      shown: [],
    })
  })

  it('of a request are stored nowhere and logged nowhere', async () => {
    const key = 'sk-marker-7Yq2'
    await chatted({ api_key: key })
    await chatted({}, { 'x-tunegate-api-key': key })
    expect(await bench.holding(key)).toEqual([])
    expect(bench.stack.output()).not.toContain(key)
  })
})

describe("a job made with the caller's own key", () => {
  const withKey = ({ key }: Owner, apiKey: string) =>
    new OpenAI({
      apiKey: key,
      baseURL: bench.stack.baseURL,
      maxRetries: 0,
      defaultHeaders: { 'x-tunegate-api-key': apiKey },
    })

  it('needs the key again, and works with it to its end', async () => {
    const owner = await bench.owner()
    const { id: training_file } = await uploaded(owner.client)
    const params = { model: 'gpt-4.1-mini', training_file, api_key: bench.stack.sandbox.apiKey }
    const { id } = await owner.client.fineTuning.jobs.create(params)
    expect(await bench.holding(bench.stack.sandbox.apiKey)).toEqual([])
    // Without the key nothing is known but what was.
    expect(await owner.client.fineTuning.jobs.retrieve(id)).toMatchObject({ id, status: 'validating_files' })
    expect(await refusal(owner.client.fineTuning.jobs.cancel(id))).toMatchObject({
      status: 409,
      code: 'credentials_required',
    })
    const client = withKey(owner, bench.stack.sandbox.apiKey)
    const done = await jobWhen(client, id, isOver)
    expect(done.status).toBe('succeeded')
    const model = done.fine_tuned_model ?? ''
    expect(await refusal(owner.client.chat.completions.create({ ...CHAT, model }))).toMatchObject({
      status: 409,
      code: 'credentials_required',
    })
    expect((await client.chat.completions.create({ ...CHAT, model })).choices).toHaveLength(1)
  })

  it('is made with the key of the header, too', async () => {
    const owner = await bench.owner()
    const { id: training_file } = await uploaded(owner.client)
    const sent = bench.watch()
    const call = withKey(owner, 'sk-other').fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    await call.catch(() => undefined)
    expect(new Set(sent().map(request => request.headers.authorization))).toEqual(
      new Set(['Bearer sk-other']),
    )
  })
})

describe('connections', () => {
  it.each([
    ['provider', { provider: 'configured' }],
    ['custom_llm_provider', { custom_llm_provider: 'configured' }],
    ["the model's prefix", { model: 'configured/gpt-4.1-mini' }],
  ])('are chosen by %s', async (_how, fields) => {
    const sent = bench.watch()
    await chatted(fields)
    expect(sent().map(({ headers, body }) => [headers.authorization, body])).toEqual([
      ['Bearer sk-from-config', CHAT],
    ])
  })

  it('that are none are refused, naming those there are', async () => {
    const { status, error } = await chatted({ provider: 'elsewhere' })
    expect(status).toBe(400)
    for (const name of ['openai', 'configured', 'renamed', 'hasty']) expect(error.message).toContain(name)
  })

  it('wait as long as they say, unless the request says otherwise', async () => {
    const { sandbox } = bench.stack
    sandbox.fault({ path: '/chat/', kind: 'slow', delayMs: 1500, times: 2 })
    expect(await chatted({ provider: 'hasty' })).toMatchObject({
      status: 504,
      error: { code: 'provider_timeout' },
    })
    expect(await chatted({ provider: 'hasty', timeout: 60 })).toMatchObject({ status: 200 })
  })
})

describe('limits', () => {
  const big = (bytes: number) =>
    form([
      { name: 'purpose', value: 'batch' },
      { name: 'file', value: 'x'.repeat(bytes), filename: 'x' },
    ])
  /** As a stream the length of a body is not announced. */
  const unannounced = async (
    path: string,
    body: Uint8Array<ArrayBuffer>,
    headers: Record<string, string>,
  ) => {
    const { key } = await bench.owner()
    const init = { method: 'POST', headers: { ...headers, authorization: `Bearer ${key}` }, duplex: 'half' }
    const response = await fetch(bench.stack.url + path, {
      ...init,
      body: new Blob([body]).stream(),
    } as RequestInit)
    return { status: response.status, json: await response.json() }
  }
  const TOO_LARGE = { error: { code: 'body_too_large' } }

  // The last is what Lambda still takes, in base64.
  it.each([49_000, 51_000, 4_500_000])('of a file: %d bytes', async bytes => {
    const { body, headers } = big(bytes)
    await bench.owner()
    const before = bench.stored().objects
    const announced = await bench.raw('/v1/files', { body, headers })
    const { status, json } = await unannounced('/v1/files', body, headers)
    if (bytes < 50_000) {
      expect([announced.status, status]).toEqual([200, 200])
      return
    }
    expect([announced.status, status]).toEqual([413, 413])
    for (const answer of [announced.json, json]) {
      expect(answer).toMatchObject(TOO_LARGE)
      for (const word of ['50000', 'limits.file', 'POST /v1/uploads', 'straight to the bucket'])
        expect(JSON.stringify(answer)).toContain(word)
    }
    expect(bench.stored().objects).toBe(before)
    expect(bench.stored().openUploads).toBe(0)
  })

  it.each(['/v1/chat/completions', '/v1/fine_tuning/jobs'])('of JSON sent to %s', async path => {
    const body = Buffer.from(JSON.stringify({ ...CHAT, padding: 'x'.repeat(20_000) }))
    const headers = { 'content-type': 'application/json' }
    const announced = await bench.raw(path, { body, headers })
    expect(announced).toMatchObject({ status: 413, json: TOO_LARGE })
    const { status, json } = await unannounced(path, body, headers)
    expect(status).toBe(413)
    for (const answer of [announced.json, json]) expect(JSON.stringify(answer)).toContain('20000')
  })
})

describe('the provider’s patience', () => {
  it('a read is repeated until it works', async () => {
    const { client } = await bench.owner()
    const { id: training_file } = await uploaded(client, datasetFile())
    const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    bench.stack.sandbox.fault({ method: 'GET', path: '/jobs/', kind: 'status', status: 500, times: 2 })
    const sent = bench.watch()
    await until(
      () => client.fineTuning.jobs.retrieve(id),
      job => isOver(job),
    )
    expect(sent().filter(({ path }) => /\/jobs\/[^/]+$/.test(path)).length).toBeGreaterThanOrEqual(3)
  })
})

itIsJudged(bench)
