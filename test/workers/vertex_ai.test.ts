/** Vertex AI inside workerd, against the sandbox's Google: its token endpoints, Cloud Storage, tuning jobs and endpoints. */
import type OpenAI from 'openai'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createCaches } from '../../shared/caches.ts'
import { defineConfig } from '../../shared/config.ts'
import type { Context } from '../../shared/context.ts'
import { guardEventStream } from '../../shared/openai/index.ts'
import {
  asAnswerError,
  type ChatBody,
  type Connection,
  connect,
  type NativeJob,
  type UploadedFile,
} from '../../shared/providers/index.ts'
import { createTransport } from '../../shared/transport.ts'
import { dataset, datasetFile, SANDBOX, sandbox, startGateway, until } from '../support/gateway.ts'
import { isOnAws } from '../support/ground.ts'

interface Access {
  serviceAccount: Record<string, string>
  externalAccount: Record<string, unknown>
  project: string
  bucket: string
  aiplatformUrl: string
  storageUrl: string
  customEndpoint: string
}

let access: Access
beforeAll(async () => {
  access = (await (await fetch(`${SANDBOX}/_sandbox/google`)).json()) as Access
})
beforeEach(() => sandbox.reset())

const POST = (path: string, body: unknown) =>
  fetch(`${SANDBOX}/_sandbox/google/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const CONFIG = {
  connections: { vertex_ai: { provider: 'vertex_ai' as const } },
  defaultConnection: 'vertex_ai',
  requestCredentials: true,
}

const variablesWith = (more: Record<string, unknown> = {}) => ({
  GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify(access.serviceAccount),
  VERTEX_BUCKET: access.bucket,
  VERTEX_AIPLATFORM_URL: access.aiplatformUrl,
  VERTEX_STORAGE_URL: access.storageUrl,
  ...more,
})

/** Waits of the token cache are patience, not delay: those stay. */
const PATIENCE_MS = 5000

const contextWith = (more: Record<string, unknown> = {}): Context => {
  const { platform } = startGateway({ variables: variablesWith(more) })
  const config = defineConfig({ ...CONFIG, retries: { count: 1, firstDelayMs: 1, longestDelayMs: 2 } })
  const quick = {
    ...platform,
    clock: { ...platform.clock, sleep: (ms: number) => platform.clock.sleep(ms < PATIENCE_MS ? 1 : ms) },
  }
  return {
    config,
    platform: quick,
    caches: createCaches(),
    transport: createTransport({
      fetch: platform.fetch,
      clock: quick.clock,
      retries: config.retries,
      allowedOrigin: SANDBOX,
    }),
  }
}
const connectWith = (more?: Record<string, unknown>): Promise<Connection> =>
  connect(contextWith(more), 'vertex_ai')

const seen = async (path: string) => (await sandbox.requests()).filter(request => request.path.includes(path))

const ask = async (connection: Connection, body: Omit<ChatBody, 'messages'> & { messages: unknown[] }) => {
  // The tunes here are the jobs' own: the registry would know them.
  const isTune = String(body.model).startsWith('projects/')
  const request = { text: JSON.stringify(body), body: body as ChatBody, dropParams: false, isTune }
  return connection.provider.chat.complete(connection.channel, request)
}
const hello = { model: 'gemini-3.5-flash', messages: [{ role: 'user', content: 'hello' }] }

const textOf = (answer: Awaited<ReturnType<typeof ask>>): Promise<string> =>
  new Response(answer.kind === 'whole' ? answer.bytes : answer.body).text()
const completionOf = async (answer: Awaited<ReturnType<typeof ask>>) =>
  JSON.parse(await textOf(answer)) as OpenAI.ChatCompletion

const chunksIn = (text: string) =>
  text
    .split('\n\n')
    .filter(line => line.startsWith('data: {'))
    .map(line => JSON.parse(line.slice('data: '.length)) as OpenAI.ChatCompletionChunk)

const file = (content: string, name = 'train.jsonl'): UploadedFile => {
  const bytes = new TextEncoder().encode(content)
  return {
    name,
    purpose: 'fine-tune',
    size: bytes.length,
    open: async () => new Blob([bytes]).stream(),
  }
}

const geminiLines = (count: number): string =>
  dataset(count)
    .split('\n')
    .map(line => {
      const [user, assistant] = (JSON.parse(line) as { messages: { content: string }[] }).messages
      return JSON.stringify({
        contents: [
          { role: 'user', parts: [{ text: user?.content }] },
          { role: 'model', parts: [{ text: assistant?.content }] },
        ],
      })
    })
    .join('\n')

describe('the way in', () => {
  it('asks for one token, however many requests need it at once, and keeps it', async () => {
    const connection = await connectWith()
    await Promise.all(Array.from({ length: 20 }, () => ask(connection, hello)))
    await ask(connection, hello)
    expect(await seen('/oauth2/token')).toHaveLength(1)
    expect(await seen(':generateContent')).toHaveLength(21)
  })

  it('shares the token between requests of one isolate', async () => {
    const context = contextWith()
    await ask(await connect(context, 'vertex_ai'), hello)
    await ask(await connect(context, 'vertex_ai'), hello)
    expect(await seen('/oauth2/token')).toHaveLength(1)
  })

  it('takes a key whose line ends are spelled out', async () => {
    const spelled = (access.serviceAccount.private_key ?? '').replaceAll('\n', '\\n')
    const key = JSON.stringify({ ...access.serviceAccount, private_key: spelled })
    const connection = await connectWith({ GOOGLE_APPLICATION_CREDENTIALS_JSON: key })
    expect((await completionOf(await ask(connection, hello))).choices).toHaveLength(1)
  })

  it('uses a ready access token as it is', async () => {
    const first = await connectWith()
    await ask(first, hello)
    const [used] = await seen(':generateContent')
    const token = (used?.headers.authorization ?? '').replace('Bearer ', '')
    await sandbox.reset()
    const connection = await connectWith({
      VERTEX_ACCESS_TOKEN: token,
      VERTEX_PROJECT: access.project,
      GOOGLE_APPLICATION_CREDENTIALS_JSON: undefined,
    })
    await ask(connection, hello)
    expect(await seen('/oauth2/token')).toHaveLength(0)
    expect((await seen(':generateContent'))[0]?.headers.authorization).toBe(`Bearer ${token}`)
  })
})

describe('bad credentials', () => {
  const refusal = async (credentials: string, more: Record<string, unknown> = {}) => {
    const connection = await connectWith({
      GOOGLE_APPLICATION_CREDENTIALS_JSON: credentials,
      VERTEX_PROJECT: access.project,
      ...more,
    })
    return ask(connection, hello).then(
      () => undefined,
      (error: unknown) => asAnswerError(error),
    )
  }
  const changed = (change: Record<string, unknown>) => JSON.stringify({ ...access.serviceAccount, ...change })
  const federated = (change: Record<string, unknown>) =>
    JSON.stringify({ ...access.externalAccount, ...change })
  const otherKey = async () => {
    const { privateKey } = (await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 2048,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      },
      true,
      ['sign', 'verify'],
    )) as { privateKey: Parameters<typeof crypto.subtle.exportKey>[1] }
    const der = new Uint8Array((await crypto.subtle.exportKey('pkcs8', privateKey)) as ArrayBuffer)
    const base64 = btoa(String.fromCharCode(...der))
    return `-----BEGIN PRIVATE KEY-----\n${base64.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
  }
  /** A function of AWS always has one: its role. */
  const WITHOUT_IDENTITY: [string, number, () => string][] = isOnAws
    ? []
    : [['AWS without an identity', 400, () => federated({ credential_source: { environment_id: 'aws1' } })]]

  it.each<[string, number, () => string | Promise<string>]>([
    ['no JSON', 400, () => '{"type":"service_account","private_key":"HUSH'],
    ['another kind of file', 400, () => changed({ type: 'authorized_user' })],
    ['no email', 400, () => changed({ client_email: undefined })],
    ['no key', 400, () => changed({ private_key: undefined })],
    [
      'a key that is none',
      400,
      () => changed({ private_key: '-----BEGIN PRIVATE KEY-----\nHUSH\n-----END PRIVATE KEY-----' }),
    ],
    ['the key of someone else', 401, async () => changed({ private_key: await otherKey() })],
    [
      'an unknown account',
      401,
      () => changed({ client_email: 'nobody@sandbox-project.iam.gserviceaccount.com' }),
    ],
    [
      'a token endpoint in a private network',
      400,
      () => changed({ token_uri: 'http://169.254.169.254/token' }),
    ],
    ['a federation that reads files', 400, () => federated({ credential_source: { file: '/etc/passwd' } })],
    [
      'a federation that runs programs',
      400,
      () => federated({ credential_source: { executable: { command: 'id' } } }),
    ],
    ...WITHOUT_IDENTITY,
  ])('%s: %i, naming the setting and not the secret', async (_, status, make) => {
    const credentials = await make()
    const error = (await refusal(credentials)) as {
      status: number
      param: string
      code: string
      message: string
    }
    expect(error).toMatchObject({
      status,
      param: 'vertex_credentials',
      code: 'provider_authentication_failed',
    })
    expect(error.message).toContain('GOOGLE_APPLICATION_CREDENTIALS_JSON')
    expect(error.message).not.toMatch(/HUSH|BEGIN|sandbox-oidc-request/)
    expect(await seen(':generateContent')).toHaveLength(0)
  })

  it('a token endpoint that fails is a 502 of its own, and is not asked again', async () => {
    await sandbox.fault({ path: '/oauth2/token', kind: 'status', status: 503, times: 9 })
    const error = await refusal(JSON.stringify(access.serviceAccount))
    expect(error).toMatchObject({ status: 502, param: 'vertex_credentials' })
    expect((error as Error).message).toContain('token endpoint')
    expect(await seen('/oauth2/token')).toHaveLength(1)
    expect(await seen(':generateContent')).toHaveLength(0)
  })

  it('a failure is not remembered', async () => {
    const connection = await connectWith()
    await sandbox.fault({ path: '/oauth2/token', kind: 'status', status: 500 })
    await expect(ask(connection, hello)).rejects.toMatchObject({ status: 502 })
    expect((await completionOf(await ask(connection, hello))).choices).toHaveLength(1)
  })

  it("an account's name alone does not get another's token", async () => {
    const context = contextWith()
    await ask(await connect(context, 'vertex_ai'), hello)
    const own = { vertex_credentials: { ...access.serviceAccount, private_key: await otherKey() } }
    const connection = await connect(context, 'vertex_ai', own)
    await expect(ask(connection, hello)).rejects.toMatchObject({ status: 401 })
  })
})

describe('datasets', () => {
  const MIB = 1024 * 1024
  /** Not a multiple of anything, over two chunks long. */
  const SIZE = 17 * MIB + 12_345

  const big = (): UploadedFile => ({
    name: 'big file.jsonl',
    purpose: 'fine-tune',
    size: SIZE,
    open: async () => {
      let left = SIZE
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = new Uint8Array(Math.min(left, 100_003)).fill(97 + (left % 26))
          left -= piece.length
          controller.enqueue(piece)
          if (left === 0) controller.close()
        },
      })
    },
  })
  const digest = async (stream: ReadableStream<Uint8Array>) =>
    new Uint8Array(await crypto.subtle.digest('SHA-256', await new Response(stream).arrayBuffer())).join()

  it('go up in chunks of 8 MiB and come back as they were', async () => {
    const { provider, channel } = await connectWith()
    const { id } = await provider.files.upload(channel, big())
    expect(id).toBe(`gs://${access.bucket}/tunegate/big file.jsonl`)
    const ranges = (await seen('/upload/')).map(({ headers }) => headers['content-range'])
    expect(ranges).toEqual([
      undefined,
      `bytes 0-${8 * MIB - 1}/${SIZE}`,
      `bytes ${8 * MIB}-${16 * MIB - 1}/${SIZE}`,
      `bytes ${16 * MIB}-${SIZE - 1}/${SIZE}`,
    ])
    const { body } = await provider.files.content(channel, id)
    expect(await digest(body)).toBe(await digest(await big().open()))
    expect(await provider.files.get(channel, id)).toMatchObject({ filename: 'big file.jsonl', bytes: SIZE })
  })

  it.each(['reset', 'effect-then-reset', 'status', 'effect-then-status'])(
    'are taken up where they broke (%s)',
    async kind => {
      const { provider, channel } = await connectWith()
      await sandbox.fault({ method: 'PUT', path: '/upload/', kind, status: 503, times: 1 })
      const { id } = await provider.files.upload(channel, big())
      const { body } = await provider.files.content(channel, id)
      expect(await digest(body)).toBe(await digest(await big().open()))
      expect(
        (await seen('/upload/')).filter(({ headers }) => headers['content-range'] === `bytes */${SIZE}`),
      ).toHaveLength(1)
    },
  )

  it('are not overwritten: the same again is the same, others get a name of their own', async () => {
    const { provider, channel } = await connectWith()
    const first = await provider.files.upload(channel, file('{"a":1}\n'))
    expect(await provider.files.upload(channel, file('{"a":1}\n'))).toEqual(first)
    const other = await provider.files.upload(channel, file('{"a":1}\n{"b":2}\n'))
    expect(other.id).toMatch(/\/tunegate\/train-[0-9a-f]{8}\.jsonl$/)
    expect((await provider.files.get(channel, first.id)).bytes).toBe(8)
  })

  it('are listed page by page, and deleted', async () => {
    const { provider, channel } = await connectWith()
    for (const name of ['a', 'b', 'c']) await provider.files.upload(channel, file('{}\n', `${name}.jsonl`))
    const one = await provider.files.list(channel, { limit: 2 })
    expect(one.items.map(({ id }) => id.split('/').at(-1))).toEqual(['a.jsonl', 'b.jsonl'])
    expect(one.hasMore).toBe(true)
    const two = await provider.files.list(channel, { limit: 2, after: one.next })
    expect(two).toMatchObject({ items: [{ bytes: 3 }], hasMore: false })
    await provider.files.delete(channel, two.items[0]?.id ?? '')
    await expect(provider.files.get(channel, two.items[0]?.id ?? '')).rejects.toMatchObject({ status: 404 })
  })
})

const JOB = {
  label: 'ftjob-0W3kqAbCdEfGhIjKlMnOpQr',
  model: 'gemini-3.5-flash',
  validationFile: null,
  suffix: 'cards',
  seed: null,
  metadata: {},
  integrations: null,
  method: { type: 'supervised' as const, supervised: { hyperparameters: { n_epochs: 4 } } },
  options: {},
}

const settle = async ({ provider, channel }: Connection, id: string): Promise<NativeJob> => {
  for (let tries = 0; tries < 2000; tries++) {
    const job = await provider.jobs.get(channel, id)
    if (['succeeded', 'failed', 'cancelled'].includes(job.status)) return job
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  throw new Error('the job never ended')
}

const train = async (connection: Connection, more: Partial<typeof JOB> & { options?: object } = {}) => {
  const { provider, channel } = connection
  const { id } = await provider.files.upload(channel, file(geminiLines(40)))
  return provider.jobs.create(channel, { ...JOB, ...more, trainingFile: id })
}

describe('jobs', () => {
  it('run to an endpoint that can be called, with its checkpoints', async () => {
    const connection = await connectWith()
    const job = await settle(connection, (await train(connection)).id)
    expect(job).toMatchObject({ status: 'succeeded', nativeStatus: 'JOB_STATE_SUCCEEDED', error: null })
    expect(job.fineTunedModel).toMatch(/^projects\/\d+\/locations\/us-central1\/endpoints\/\d+$/)
    expect(job.hyperparameters).toMatchObject({ n_epochs: 4, batch_size: 'auto' })
    expect(job.trainedTokens).toBeGreaterThan(0)
    expect(job.facts).toMatchObject({ examples: 40 })
    expect(job.checkpoints?.length).toBeGreaterThan(1)
    const [newest] = job.checkpoints ?? []
    const asked = [{ role: 'user', content: 'please help me with my refund number 2' }]
    for (const model of [job.fineTunedModel, newest?.model])
      expect(
        (await completionOf(await ask(connection, { model: String(model), messages: asked }))).choices[0]
          ?.message.content,
      ).toBe('refund')
    const [call] = await seen(':generateContent')
    expect(call?.path).toContain('/locations/us/endpoints/')
  })

  it('are found by their label, and only by theirs', async () => {
    const connection = await connectWith()
    const { provider, channel } = connection
    const job = await train(connection)
    await provider.jobs.create(channel, {
      ...JOB,
      label: 'ftjob-0W3kqABCDEFGHIJKLMNOPQR',
      trainingFile: `gs://${access.bucket}/tunegate/train.jsonl`,
    })
    expect((await provider.jobs.find(channel, JOB.label))?.id).toBe(job.id)
    expect(await provider.jobs.find(channel, 'ftjob-other')).toBeUndefined()
  })

  it('are listed page by page', async () => {
    const connection = await connectWith()
    const { provider, channel } = connection
    const created = [
      await train(connection),
      await train(connection, { label: 'b' }),
      await train(connection, { label: 'c' }),
    ]
    const one = await provider.jobs.list(channel, { limit: 2 })
    const two = await provider.jobs.list(channel, { limit: 2, after: one.next })
    expect([...one.items, ...two.items].map(({ id }) => id)).toEqual(created.map(({ id }) => id).reverse())
    expect([one.hasMore, two.hasMore, two.next]).toEqual([true, false, undefined])
  })

  it('are cancelled when Google says so, not before', async () => {
    const connection = await connectWith()
    await sandbox.settings({ stepMs: 50 })
    try {
      const { id } = await train(connection)
      const asked = await connection.provider.jobs.cancel(connection.channel, id)
      expect([asked.status, asked.nativeStatus]).toEqual(
        asked.nativeStatus === 'JOB_STATE_CANCELLED'
          ? ['cancelled', 'JOB_STATE_CANCELLED']
          : [asked.status, expect.stringContaining('JOB_STATE_CANCELLING')],
      )
      expect((await settle(connection, id)).status).toBe('cancelled')
    } finally {
      await sandbox.settings({ stepMs: 0 })
    }
  })

  it('train a preference as a preference', async () => {
    const connection = await connectWith()
    const { provider, channel } = connection
    const line = JSON.stringify({
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
      completions: [
        { score: 1, completion: { role: 'model', parts: [{ text: 'hello' }] } },
        { score: 0, completion: { role: 'model', parts: [{ text: 'go away' }] } },
      ],
    })
    const { id } = await provider.files.upload(channel, file(Array(20).fill(line).join('\n')))
    const method = { type: 'dpo' as const, dpo: { hyperparameters: { beta: 0.3 } } }
    const job = await provider.jobs.create(channel, { ...JOB, method, trainingFile: id })
    expect(job.method).toMatchObject({ type: 'dpo', dpo: { hyperparameters: { beta: 0.3 } } })
    expect((await settle(connection, job.id)).status).toBe('succeeded')
  })

  it('go on from a tuned model, named by its endpoint', async () => {
    const connection = await connectWith()
    const first = await settle(connection, (await train(connection)).id)
    const again = await train(connection, { model: first.fineTunedModel ?? '', label: 'again' })
    const [, sent] = (await seen('/tuningJobs')).filter(({ method }) => method === 'POST')
    expect(sent?.body).toMatchObject({
      preTunedModel: { tunedModelName: expect.stringMatching(/\/models\/\d+@1$/) },
    })
    expect(sent?.body).not.toHaveProperty('baseModel')
    expect((await settle(connection, again.id)).model).toBe('gemini-3.5-flash')
  })

  it('leave nothing when their model is deleted', async () => {
    const connection = await connectWith()
    const job = await settle(connection, (await train(connection)).id)
    await connection.provider.models.delete(connection.channel, job.fineTunedModel ?? '')
    const state = (await (await fetch(`${SANDBOX}/_sandbox/google/state`)).json()) as Record<
      string,
      unknown[]
    >
    expect([state.models, state.endpoints]).toEqual([[], []])
  })
})

const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
]

describe('chat', () => {
  it('streams OpenAI chunks, with usage where it is asked for', async () => {
    const connection = await connectWith()
    const text = await textOf(
      await ask(connection, { ...hello, stream: true, stream_options: { include_usage: true } }),
    )
    const chunks = chunksIn(text)
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant')
    const said = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
    expect(said).toBe((await completionOf(await ask(connection, hello))).choices[0]?.message.content)
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: expect.any(Number) } })
    const without = chunksIn(await textOf(await ask(connection, { ...hello, stream: true })))
    expect(without.every(chunk => chunk.usage === undefined)).toBe(true)
  })

  it.each([true, false])(
    'loops through tools and gives back thought signatures (stream: %s)',
    async stream => {
      const connection = await connectWith()
      const question = { role: 'user', content: 'get_weather please' }
      const answer = await ask(connection, {
        model: 'gemini-3.5-flash',
        messages: [question],
        tools: TOOLS,
        stream,
      })
      const calls = stream
        ? chunksIn(await textOf(answer)).flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? [])
        : ((await completionOf(answer)).choices[0]?.message.tool_calls ?? [])
      expect(calls).toHaveLength(1)
      const next = await ask(connection, {
        model: 'gemini-3.5-flash',
        tools: TOOLS,
        messages: [
          question,
          { role: 'assistant', content: null, tool_calls: calls },
          { role: 'tool', tool_call_id: calls[0]?.id, content: '{"t":3}' },
        ],
      })
      expect((await completionOf(next)).choices[0]?.finish_reason).toBe('stop')
      const sent = (await seen('enerateContent')).at(-1)?.body as { contents: { parts: object[] }[] }
      expect(sent.contents[1]?.parts[0]).toMatchObject({
        thoughtSignature: expect.stringMatching(/^[A-Za-z0-9+/]{40,}=*$/),
      })
      expect(sent.contents[2]?.parts).toEqual([
        { functionResponse: { name: 'get_weather', response: { output: { t: 3 } } } },
      ])
    },
  )

  it('goes on with a history that another model made', async () => {
    const connection = await connectWith()
    const call = {
      id: 'call_openai',
      type: 'function',
      function: { name: 'get_weather', arguments: '{"city":"Oslo"}' },
    }
    const answer = await ask(connection, {
      model: 'gemini-3.5-flash',
      tools: TOOLS,
      messages: [
        { role: 'user', content: 'weather?' },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'call_openai', content: 'cold' },
      ],
    })
    expect((await completionOf(answer)).choices[0]?.finish_reason).toBe('stop')
  })

  it('does not present a broken stream as whole', async () => {
    const connection = await connectWith()
    await POST('broken-stream', { afterChunks: 2, status: 'RESOURCE_EXHAUSTED', message: 'quota is gone' })
    const answer = await ask(connection, { ...hello, stream: true })
    if (answer.kind !== 'stream') throw new Error('no stream')
    const guarded = guardEventStream(answer.body, cause => asAnswerError(cause) as never)
    const text = await new Response(guarded).text()
    expect(text).not.toContain('[DONE]')
    expect(text).toContain('quota is gone')
    expect(text).toContain('"code":"rate_limit_exceeded"')
  })

  /** How the sandbox's streams ended. */
  const outcome = async () => {
    const state = (await (await fetch(`${SANDBOX}/_sandbox/state`)).json()) as {
      streams: { items: { end: string | null }[] }
    }
    return state.streams.items.map(({ end }) => end)
  }

  it('ends upstream when the caller leaves', async () => {
    const connection = await connectWith()
    await sandbox.settings({ chunkMs: 20 })
    try {
      const answer = await ask(connection, { ...hello, stream: true })
      if (answer.kind !== 'stream') throw new Error('no stream')
      const reader = answer.body.getReader()
      await reader.read()
      await reader.cancel()
      await vi.waitFor(async () => expect(await outcome()).toEqual(['client_gone']), { timeout: 5000 })
    } finally {
      await sandbox.settings({ chunkMs: 0 })
    }
  })

  it('tells a missing model, and an endpoint of which it is not known how it is called', async () => {
    const connection = await connectWith()
    await expect(ask(connection, { ...hello, model: 'gemini-9' })).rejects.toMatchObject({
      code: 'model_not_found',
    })
    await expect(ask(connection, { ...hello, model: 'endpoints/9001' })).rejects.toMatchObject({
      status: 400,
      param: 'model',
      message: expect.stringContaining('VERTEX_ENDPOINTS'),
    })
  })

  it.each(['predict', 'raw', 'chat'])('reaches a custom endpoint by %s', async way => {
    const connection = await connectWith({
      VERTEX_ENDPOINTS: JSON.stringify({ [access.customEndpoint]: way }),
    })
    for (const model of [
      `endpoints/${access.customEndpoint}`,
      `${access.project}/us-central1/endpoints/${access.customEndpoint}`,
    ]) {
      const whole = await completionOf(await ask(connection, { ...hello, model, max_tokens: 20 }))
      expect(whole.object).toBe('chat.completion')
      expect(whole.choices[0]?.message.content).toBeTruthy()
      const text = await textOf(await ask(connection, { ...hello, model, stream: true }))
      expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
      expect(chunksIn(text).some(({ choices }) => choices[0]?.delta.content)).toBe(true)
    }
  })

  it('passes predictions through', async () => {
    const { provider, channel } = await connectWith({
      VERTEX_ENDPOINTS: JSON.stringify({ [access.customEndpoint]: 'predict' }),
    })
    const send = async (verb: 'predict' | 'rawPredict' | 'streamRawPredict', body: unknown) =>
      new Response(
        (await provider.predictions?.send(channel, access.customEndpoint, verb, JSON.stringify(body)))?.body,
      )
    expect(await (await send('predict', { instances: [{ prompt: 'a b' }] })).json()).toMatchObject({
      predictions: ['You said: a b'],
    })
    expect(await (await send('rawPredict', { x: 1 })).json()).toEqual({ echo: { x: 1 } })
    expect(
      await (await send('streamRawPredict', { messages: hello.messages, stream: true })).text(),
    ).toContain('[DONE]')
  })
})

it('serves the unmodified client: upload, job, events, chat, stream', async () => {
  const client = await startGateway({ config: CONFIG, variables: variablesWith() }).client()
  const uploaded = await client.files.create({ file: datasetFile(), purpose: 'fine-tune' })
  const { id } = await client.fineTuning.jobs.create({
    model: 'gemini-3.5-flash',
    training_file: uploaded.id,
    suffix: 'cards',
  })
  const job = await until(client, id, 'succeeded', 'failed')
  expect(job.status).toBe('succeeded')
  expect(job.fine_tuned_model).toMatch(/^ft:gemini-3\.5-flash:vertex_ai:cards:/)
  const events = await client.fineTuning.jobs.listEvents(id)
  expect(events.data.length).toBeGreaterThan(1)
  const checkpoints = await client.fineTuning.jobs.checkpoints.list(id)
  expect(checkpoints.data.length).toBeGreaterThan(0)
  const answer = await client.chat.completions.create({
    model: job.fine_tuned_model ?? '',
    messages: [{ role: 'user', content: 'please help me with my refund number 2' }],
  })
  expect(answer.choices[0]?.message.content).toBe('refund')
})

describe('metrics', () => {
  interface Metrics {
    data: { step: number; train_loss?: number; train_mean_token_accuracy?: number; valid_loss?: number }[]
    tunegate: { sources: string[] }
  }
  const metricsOf = (client: OpenAI, id: string): Promise<Metrics> =>
    client.get(`/fine_tuning/jobs/${id}/metrics`)
  const trained = async () => {
    const client = await startGateway({ config: CONFIG, variables: variablesWith() }).client()
    const file = await client.files.create({ file: datasetFile(), purpose: 'fine-tune' })
    const { id } = await client.fineTuning.jobs.create({
      ...{ model: 'gemini-3.5-flash', training_file: file.id, validation_file: file.id },
    })
    await until(client, id, 'succeeded')
    return { client, id }
  }

  it('come step by step out of the TensorBoard behind the job’s experiment', async () => {
    const { client, id } = await trained()
    const { data, tunegate } = await metricsOf(client, id)
    expect(tunegate.sources).toContain('experiment')
    expect(data.map(({ step }) => step)).toEqual(data.map((_, index) => index + 1))
    expect(data.every(({ train_loss }) => typeof train_loss === 'number')).toBe(true)
    expect(data.at(-1)?.train_loss).toBeLessThan(data[0]?.train_loss ?? 0)
    expect(data.at(-1)?.train_mean_token_accuracy).toBeGreaterThan(data[0]?.train_mean_token_accuracy ?? 1)
    expect(data.some(({ valid_loss }) => typeof valid_loss === 'number')).toBe(true)
  })

  it('that may not be read are not there, and keep nothing else from being told', async () => {
    const { client, id } = await trained()
    await sandbox.fault({ path: '/metadataStores/', kind: 'status', status: 403, times: 9 })
    const { tunegate } = await metricsOf(client, id)
    expect(tunegate.sources).not.toContain('experiment')
    await sandbox.reset()
  })
})
