/**
 * How bytes flow: as soon as they come, and no faster than they are taken. Upstreams and clients are held and let go by hand: what a
 * test waits for either happens, or nothing moves any more.
 */
import { EventStreamCodec } from '@smithy/eventstream-codec'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createCloudflarePlatform } from '../../shared/platform/cloudflare/index.ts'
import type { Bucket, Clock } from '../../shared/platform/index.ts'
import { SANDBOX, startGateway } from '../support/gateway.ts'
import { bindings } from '../support/ground-cloudflare.ts'
import { providerVariables } from '../support/providers.ts'

const KIB = 1024
const MIB = 1024 * KIB
const utf8 = (text: string) => new TextEncoder().encode(text)

/** Turns of the event loop after which whoever could have moved has. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setTimeout(resolve))
}

/** A body made while it is read, which counts how much of it has been asked for. */
const countedBody = (piece: Uint8Array, count: number) => {
  const state = { sent: 0 }
  const total = piece.length * count
  const body = new ReadableStream({
    type: 'bytes',
    pull(controller) {
      if (state.sent === total) {
        controller.close()
        controller.byobRequest?.respond(0)
        return
      }
      state.sent += piece.length
      controller.enqueue(piece.slice())
    },
  })
  return { body, state, total }
}

const codec = new EventStreamCodec(
  bytes => (typeof bytes === 'string' ? bytes : new TextDecoder().decode(bytes)),
  text => utf8(text),
)
const frame = (type: string, payload: object) =>
  codec.encode({
    headers: Object.fromEntries(
      Object.entries({
        ':message-type': 'event',
        ':event-type': type,
        ':content-type': 'application/json',
      }).map(([name, value]) => [name, { type: 'string' as const, value }]),
    ),
    body: utf8(JSON.stringify(payload)),
  })
const sse = (value: object | string) =>
  utf8(`data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`)

const WORDS = ['one', 'two', 'three', 'four']

/** For each wire the model, the type of its streams, and its events: one for each word, then the end. */
const WIRES = [
  {
    provider: 'openai',
    model: 'gpt-4.1-mini',
    type: 'text/event-stream',
    words: WORDS.map(content =>
      sse({
        id: 'c',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'm',
        choices: [{ index: 0, delta: { content } }],
      }),
    ),
    end: [
      sse({
        id: 'c',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'm',
        choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
      }),
      sse('[DONE]'),
    ],
  },
  {
    provider: 'azure',
    model: 'deployment',
    type: 'text/event-stream',
    words: WORDS.map(content =>
      sse({
        id: 'c',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'm',
        choices: [{ index: 0, delta: { content } }],
      }),
    ),
    end: [
      sse({
        id: 'c',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'm',
        choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
      }),
      sse('[DONE]'),
    ],
  },
  {
    provider: 'vertex_ai',
    model: 'gemini-3.5-flash',
    type: 'text/event-stream',
    words: WORDS.map(text =>
      sse({ candidates: [{ index: 0, content: { role: 'model', parts: [{ text }] } }] }),
    ),
    end: [sse({ candidates: [{ index: 0, content: { role: 'model', parts: [] }, finishReason: 'STOP' }] })],
  },
  {
    provider: 'bedrock',
    model: 'amazon.nova-lite-v1:0',
    type: 'application/vnd.amazon.eventstream',
    words: WORDS.map(text => frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text } })),
    end: [
      frame('messageStop', { stopReason: 'end_turn' }),
      frame('metadata', { usage: { inputTokens: 1, outputTokens: 4 } }),
    ],
  },
] as const

afterEach(() => {
  vi.useRealTimers()
})

/** Ready-made credentials: no call but the one for the completion. */
const variables = async () => ({
  ...(await providerVariables(SANDBOX)),
  VERTEX_ACCESS_TOKEN: 'ready',
})

describe('a streamed completion', () => {
  it.each(WIRES)(
    'of $provider gives each chunk while the next is held back, and waits for no clock (Portkey 19: 25 ms before the first, 1 ms before others)',
    async ({ provider, model, type, words, end }) => {
      let upstream: ReadableByteStreamController | undefined
      const body = new ReadableStream({
        type: 'bytes',
        start(controller) {
          upstream = controller
        },
      })
      const send = (bytes: Uint8Array | undefined) => bytes && upstream?.enqueue(bytes.slice())
      const slept: number[] = []
      const clock: Clock = {
        now: () => Date.now(),
        sleep: ms => {
          slept.push(ms)
          return new Promise(() => undefined)
        },
      }
      const gateway = startGateway({
        variables: await variables(),
        platform: {
          clock,
          fetch: async () => new Response(body, { headers: { 'content-type': type } }),
        },
      })
      const client = await gateway.client()
      // From here on no timer ever fires.
      vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'setImmediate'] })
      if (provider === 'bedrock') send(frame('messageStart', { role: 'assistant' }))
      send(words[0])
      const stream = await client.chat.completions.create({
        model: `${provider}/${model}`,
        messages: [{ role: 'user', content: 'count' }],
        stream: true,
      })
      const chunks = stream[Symbol.asyncIterator]()
      const nextWord = async (): Promise<string> => {
        for (;;) {
          const { value, done } = await chunks.next()
          if (done) throw new Error('the stream has ended')
          const content = value.choices[0]?.delta.content
          if (content) return content
        }
      }
      for (const [index, word] of WORDS.entries()) {
        if (index > 0) send(words[index])
        expect(await nextWord()).toBe(word)
      }
      for (const event of end) send(event)
      upstream?.close()
      let finish: string | null | undefined
      for (let next = await chunks.next(); !next.done; next = await chunks.next())
        finish = next.value.choices[0]?.finish_reason ?? finish
      expect(finish).toBe('stop')
      expect(slept).toEqual([])
    },
  )
})

/** Far below what is sent, far above what chunks and parts in flight come to. */
const MOST_AHEAD = 4 * MIB
const SENT = 64 * MIB
/** An estimate reads a file in samples of 64 KiB. */
const LARGEST_SAMPLE = 128 * 1024

/** Reads a little and stops; what has been sent by then is what is held in memory. Then reads on to the end. */
const readSlowly = async (response: Response, state: { sent: number }) => {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const first = await reader.read()
  await settled()
  const ahead = state.sent
  let read = first.value?.length ?? 0
  for (let next = await reader.read(); !next.done; next = await reader.read()) read += next.value.length
  return { ahead, read }
}

describe('a download', () => {
  it('from the bucket is read no further than the client has (Portkey 21: held whole, twice to four times over)', async () => {
    const { body, state, total } = countedBody(new Uint8Array(64 * KIB), SENT / (64 * KIB))
    const own = createCloudflarePlatform({ ...bindings }, () => undefined).bucket
    const bucket: Bucket = {
      put: (...put) => own.put(...put),
      startMultipart: key => own.startMultipart(key),
      get: async () => ({ body, size: total }),
      size: key => own.size(key),
      list: (...list) => own.list(...list),
      delete: (...keys) => own.delete(...keys),
    }
    const gateway = startGateway({ platform: { bucket } })
    const key = await gateway.key()
    const client = await gateway.client(key)
    const { id } = await client.files.create({ file: new File(['x'], 'x.txt'), purpose: 'batch' })
    const answer = await gateway.fetch(`/v1/files/${id}/content`, { key })
    const { ahead, read } = await readSlowly(answer, state)
    expect(ahead).toBeLessThan(MOST_AHEAD)
    expect(read).toBe(SENT)
  })

  it('from a provider is read no further than the client has (Portkey 21)', async () => {
    const { body, state } = countedBody(new Uint8Array(64 * KIB), SENT / (64 * KIB))
    const gateway = startGateway({
      config: { connections: { openai: { provider: 'openai', adoptNativeIds: true } } },
      platform: {
        fetch: async input =>
          String(input instanceof Request ? input.url : input).endsWith('/content')
            ? new Response(body)
            : Response.json({
                id: 'file-far',
                filename: 'far.jsonl',
                bytes: SENT,
                created_at: 1,
                purpose: 'fine-tune',
              }),
      },
    })
    const key = await gateway.key()
    const answer = await gateway.fetch('/v1/files/file-far/content?provider=openai', { key })
    const { ahead, read } = await readSlowly(answer, state)
    expect(ahead).toBeLessThan(MOST_AHEAD)
    expect(read).toBe(SENT)
  })
})

/** An example of about 64 KiB. */
const EXAMPLE = utf8(
  `${JSON.stringify({
    messages: [
      { role: 'user', content: 'x'.repeat(64 * KIB) },
      { role: 'assistant', content: 'y' },
    ],
  })}\n`,
)
const EXAMPLES = Math.ceil((32 * MIB) / EXAMPLE.length)
/** One part on its way, one being filled, and what is in between. */
const MOST_HELD = 16 * MIB

describe('an upload', () => {
  const BOUNDARY = '----flow'
  const form = () => {
    const head = utf8(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n` +
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.jsonl"\r\n\r\n`,
    )
    const { body, state, total } = countedBody(EXAMPLE, EXAMPLES)
    const reader = body.getReader()
    let step = 0
    const whole = new ReadableStream({
      type: 'bytes',
      async pull(controller) {
        if (step++ === 0) return controller.enqueue(head)
        const { value, done } = await reader.read()
        if (!done) return controller.enqueue(value)
        controller.enqueue(utf8(`\r\n--${BOUNDARY}--\r\n`))
        controller.close()
      },
    })
    return { whole, state, total }
  }

  it('is taken no faster than the bucket takes it (LiteLLM 5: read whole into memory)', async () => {
    const own = createCloudflarePlatform({ ...bindings }, () => undefined).bucket
    const held = Promise.withResolvers<void>()
    let parts = 0
    const bucket: Bucket = {
      put: (...put) => own.put(...put),
      get: key => own.get(key),
      size: key => own.size(key),
      list: (...list) => own.list(...list),
      delete: (...keys) => own.delete(...keys),
      async startMultipart(key) {
        const upload = await own.startMultipart(key)
        return {
          async part(number, bytes) {
            parts++
            await held.promise
            await upload.part(number, bytes)
          },
          complete: () => upload.complete(),
          abort: () => upload.abort(),
        }
      },
    }
    const gateway = startGateway({ platform: { bucket } })
    const key = await gateway.key()
    const { whole, state, total } = form()
    const answer = gateway.fetch('/v1/files', {
      method: 'POST',
      key,
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: whole,
    })
    while (parts === 0) await settled()
    await settled()
    expect(parts).toBe(1)
    expect(state.sent).toBeLessThan(MOST_HELD)
    held.resolve()
    expect(await (await answer).json()).toMatchObject({ object: 'file', bytes: total })
    expect(state.sent).toBe(total)
  })

  it('to a provider is read from the bucket no faster than the provider takes it (LiteLLM 5)', async () => {
    const own = createCloudflarePlatform({ ...bindings }, () => undefined).bucket
    const reads: { sent: number }[] = []
    const bucket: Bucket = {
      put: (...put) => own.put(...put),
      startMultipart: key => own.startMultipart(key),
      size: key => own.size(key),
      list: (...list) => own.list(...list),
      delete: (...keys) => own.delete(...keys),
      async get() {
        const { body, state, total } = countedBody(EXAMPLE, EXAMPLES)
        reads.push(state)
        return { body, size: total }
      },
    }
    const held = Promise.withResolvers<void>()
    const taken = Promise.withResolvers<void>()
    let received = 0
    const take = async (body: ReadableStream<Uint8Array>) => {
      const reader = body.getReader()
      received += (await reader.read()).value?.length ?? 0
      taken.resolve()
      await held.promise
      for (let next = await reader.read(); !next.done; next = await reader.read())
        received += next.value.length
    }
    const gateway = startGateway({
      platform: {
        bucket,
        async fetch(input, init) {
          const request = new Request(input as string, init)
          if (request.method === 'POST' && request.url.endsWith('/files')) {
            await take(request.body as ReadableStream<Uint8Array>)
            return Response.json({ id: 'file-there', filename: 'f', bytes: 1, created_at: 1 })
          }
          return Response.json({ id: 'ftjob-there', status: 'queued', model: 'gpt-4.1-mini' })
        },
      },
    })
    const client = await gateway.client()
    const lines = new TextDecoder().decode(EXAMPLE).repeat(20)
    const { id } = await client.files.create({ file: new File([lines], 'f.jsonl'), purpose: 'fine-tune' })
    const job = client.fineTuning.jobs.create({ model: 'gpt-4.1-mini-2025-04-14', training_file: id })
    await taken.promise
    await settled()
    // In samples to be counted, then once to be looked through, in passing; and last to be sent.
    const [sending, looking, ...samples] = reads.toReversed()
    for (const { sent } of samples) expect(sent).toBeLessThan(LARGEST_SAMPLE)
    expect(looking?.sent).toBe(EXAMPLE.length * EXAMPLES)
    expect(sending?.sent).toBeLessThan(MOST_AHEAD)
    held.resolve()
    expect(await job).toMatchObject({ object: 'fine_tuning.job' })
    expect(received).toBeGreaterThan(EXAMPLE.length * EXAMPLES)
  })
})
