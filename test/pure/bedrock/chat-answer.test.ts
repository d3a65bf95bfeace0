import { EventStreamCodec } from '@smithy/eventstream-codec'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createFrameReader } from '../../../shared/providers/bedrock/chat/frames.ts'
import {
  converseAnswer,
  toCompletion,
  toFinish,
  toUsage,
} from '../../../shared/providers/bedrock/chat/response.ts'
import { toEventStream } from '../../../shared/providers/bedrock/chat/stream.ts'
import { ProviderFault } from '../../../shared/providers/provider.ts'
import { cutAt, cuts, everyCut, joined, readAll, streamOf, utf8 } from '../support/bytes.ts'
import { errorOf, recorded } from './support.ts'

const HEAD = { id: 'chatcmpl-1', created: 7, model: 'm' }

const codec = new EventStreamCodec(
  bytes => (typeof bytes === 'string' ? bytes : new TextDecoder().decode(bytes)),
  text => new TextEncoder().encode(text),
)
const frame = (headers: Record<string, string>, payload: object | string = {}) =>
  codec.encode({
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, { type: 'string', value }]),
    ),
    body: utf8(typeof payload === 'string' ? payload : JSON.stringify(payload)),
  })
const event = (type: string, payload: object | string = {}) =>
  frame({ ':message-type': 'event', ':event-type': type, ':content-type': 'application/json' }, payload)
const exception = (type: string, payload: object | string) =>
  frame({ ':message-type': 'exception', ':exception-type': type }, payload)

const START = event('messageStart', { role: 'assistant', p: 'abcdef' })
const delta = (text: string, contentBlockIndex = 0) =>
  event('contentBlockDelta', { contentBlockIndex, delta: { text }, p: 'abc' })
const stop = (stopReason = 'end_turn') => event('messageStop', { stopReason })
const METADATA = event('metadata', { usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 } })
const WHOLE = [
  START,
  delta('Hé'),
  delta('llo'),
  event('contentBlockStop', { contentBlockIndex: 0 }),
  stop(),
  METADATA,
]

const textOf = async (stream: ReadableStream<Uint8Array>) => new TextDecoder().decode(await readAll(stream))
const through = (chunks: readonly Uint8Array[], includeUsage = false, ending: 'close' | 'error' = 'close') =>
  toEventStream(streamOf(chunks, { ending }), HEAD, includeUsage)

interface Chunk {
  choices: { delta: Record<string, unknown>; finish_reason: string | null }[]
  usage?: unknown
}
const chunksOf = (text: string): Chunk[] =>
  text
    .split('\n\n')
    .filter(part => part.startsWith('data: {'))
    .map(part => JSON.parse(part.slice('data: '.length)))
const deltasOf = (text: string) => chunksOf(text).flatMap(({ choices }) => choices.map(({ delta }) => delta))

/** All that came before the error, and the error. */
const broken = async (stream: ReadableStream<Uint8Array>) => {
  const reader = stream.getReader()
  const parts: Uint8Array[] = []
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return { text: new TextDecoder().decode(joined(parts)), error: undefined }
      parts.push(value)
    }
  } catch (error) {
    return { text: new TextDecoder().decode(joined(parts)), error }
  }
}

const RECORDED = Uint8Array.from(
  Buffer.from((recorded['bedrock-runtime.ConverseStream'].reply.body as { base64: string }).base64, 'base64'),
)

describe('an answer that comes whole', () => {
  const answer = (content: object[], stopReason = 'end_turn', usage?: object) =>
    toCompletion(
      converseAnswer.parse({ output: { message: { role: 'assistant', content } }, stopReason, usage }),
      HEAD,
    )

  it('is a chat completion', () => {
    expect(
      answer([{ text: 'Hel' }, { text: 'lo' }], 'end_turn', { inputTokens: 3, outputTokens: 2 }),
    ).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 7,
      model: 'm',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 2,
        total_tokens: 5,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    })
  })

  it('has its calls, and its thoughts beside them', () => {
    const content = [
      { reasoningContent: { reasoningText: { text: 'hm', signature: 's' } } },
      { toolUse: { toolUseId: 'a', name: 'f', input: { x: 1 } } },
      { toolUse: { toolUseId: 'b', name: 'g', input: {} } },
    ]
    expect(answer(content, 'tool_use').choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: null,
        reasoning_content: 'hm',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
        ],
      },
    })
  })

  it('may be empty', () => {
    expect(answer([]).choices[0]?.message.content).toBe('')
  })

  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['tool_use', 'tool_calls'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['guardrail_intervened', 'content_filter'],
    ['content_filtered', 'content_filter'],
    ['something_new', 'stop'],
  ])('that ends with %s ends with %s', (reason, finish) => {
    expect(toFinish(reason)).toBe(finish)
  })

  it.each(['malformed_model_output', 'malformed_tool_use'])('%s is no answer', async reason => {
    expect(await errorOf(() => answer([{ text: 'x' }], reason))).toMatchObject({
      status: 502,
      nativeCode: reason,
    })
  })

  it.each([
    [{ inputTokens: 10, outputTokens: 5 }, 10, 15, { cached_tokens: 0 }],
    [{ inputTokens: 10, outputTokens: 5, cacheReadInputTokens: 7 }, 17, 22, { cached_tokens: 7 }],
    [
      { inputTokens: 10, outputTokens: 5, cacheReadInputTokens: 7, cacheWriteInputTokens: 2 },
      19,
      24,
      { cached_tokens: 7, cache_write_tokens: 2 },
    ],
  ])('%j counts the cache as prompt', (usage, prompt_tokens, total_tokens, prompt_tokens_details) => {
    expect(toUsage(usage)).toEqual({
      prompt_tokens,
      completion_tokens: 5,
      total_tokens,
      prompt_tokens_details,
    })
  })
})

describe('frames', () => {
  const read = (chunks: readonly Uint8Array[]) => {
    const reader = createFrameReader()
    return chunks.flatMap(chunk => [...reader.read(chunk)])
  }
  const payloads = (chunks: readonly Uint8Array[]) =>
    read(chunks).map(({ name, payload }) => ({ [name]: JSON.parse(new TextDecoder().decode(payload)) }))

  it('are read as AWS’s client reads them, wherever they are cut', () => {
    for (const chunks of everyCut(RECORDED))
      expect(payloads(chunks)).toEqual(recorded['ConverseStream.events'])
    fc.assert(
      fc.property(cuts(RECORDED.length), offsets => {
        expect(payloads(cutAt(RECORDED, offsets))).toEqual(recorded['ConverseStream.events'])
      }),
    )
  })

  it('with any byte wrong are never read as if they were right', () => {
    for (let index = 0; index < RECORDED.length; index++) {
      const wrong = RECORDED.slice()
      wrong[index] = (wrong[index] ?? 0) ^ 0x55
      const reader = createFrameReader()
      let isBroken = false
      try {
        for (const _ of reader.read(wrong));
      } catch {
        isBroken = true
      }
      expect(isBroken || reader.isInside, `byte ${index}`).toBe(true)
    }
  })

  it.each([0, 15, 0xffffffff])('of the length %i are none', length => {
    const bytes = new Uint8Array(16)
    new DataView(bytes.buffer).setUint32(0, length)
    expect(() => read([bytes])).toThrow()
  })

  it('can be as long as they like', () => {
    const long = delta('x'.repeat(1_000_000))
    expect(read(cutAt(long, [1, 5, 100_000, 999_999]))).toHaveLength(1)
  })
})

describe('an answer that is streamed', () => {
  it('begins with the role, ends with its reason and [DONE]', async () => {
    const text = await textOf(through(WHOLE))
    expect(deltasOf(text)).toEqual([
      { role: 'assistant', content: '', refusal: null },
      { content: 'Hé' },
      { content: 'llo' },
      {},
    ])
    expect(chunksOf(text).at(-1)).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 7,
      model: 'm',
      choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }],
    })
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(text.match(/\[DONE\]/g)).toHaveLength(1)
  })

  it('tells its usage only to who asked for it, in a last chunk of its own', async () => {
    const chunks = chunksOf(await textOf(through(WHOLE, true)))
    expect(chunks.at(-1)).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 7,
      model: 'm',
      choices: [],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 2,
        total_tokens: 5,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    })
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true)
    expect(chunksOf(await textOf(through(WHOLE))).every(chunk => !('usage' in chunk))).toBe(true)
  })

  it('is the same however it is cut', async () => {
    const expected = await textOf(through([RECORDED], true))
    expect(expected).toContain('[DONE]')
    for (const chunks of everyCut(RECORDED)) expect(await textOf(through(chunks, true))).toBe(expected)
  })

  it('has its calls piece by piece, each at its own place', async () => {
    const start = (contentBlockIndex: number, toolUseId: string, name: string) =>
      event('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId, name } } })
    const input = (contentBlockIndex: number, text: string) =>
      event('contentBlockDelta', { contentBlockIndex, delta: { toolUse: { input: text } } })
    const end = (contentBlockIndex: number) => event('contentBlockStop', { contentBlockIndex })
    const frames = [
      START,
      delta('hm'),
      end(0),
      start(1, 'a', 'f'),
      input(1, '{"x'),
      input(1, '":1}'),
      end(1),
      start(2, 'b', 'g'),
      end(2),
      stop('tool_use'),
      METADATA,
    ]
    const text = await textOf(through(frames))
    const call = (index: number, id: string, name: string) => ({
      tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }],
    })
    const piece = (index: number, text: string) => ({
      tool_calls: [{ index, function: { arguments: text } }],
    })
    expect(deltasOf(text).slice(2)).toEqual([
      call(0, 'a', 'f'),
      piece(0, '{"x'),
      piece(0, '":1}'),
      call(1, 'b', 'g'),
      // Without arguments they are an empty object, which clients can parse.
      piece(1, '{}'),
      {},
    ])
    expect(chunksOf(text).at(-1)?.choices[0]?.finish_reason).toBe('tool_calls')
  })

  it('has its thoughts apart', async () => {
    const thought = event('contentBlockDelta', {
      contentBlockIndex: 0,
      delta: { reasoningContent: { text: 'hm' } },
    })
    const signature = event('contentBlockDelta', {
      contentBlockIndex: 0,
      delta: { reasoningContent: { signature: 's' } },
    })
    expect(deltasOf(await textOf(through([START, thought, signature, stop(), METADATA])))[1]).toEqual({
      reasoning_content: 'hm',
    })
  })

  it('goes on past events nobody has told us about', async () => {
    const text = await textOf(
      through([START, event('somethingNew', { a: 1 }), event('toString'), stop(), METADATA]),
    )
    expect(text).toContain('[DONE]')
  })

  it.each([
    ['throttlingException', 429, 'rate_limit_exceeded'],
    ['validationException', 400, null],
    ['modelStreamErrorException', 424, 'server_error'],
    ['internalServerException', 500, 'server_error'],
    ['serviceUnavailableException', 503, 'server_is_overloaded'],
    ['somethingNewException', 500, null],
  ])('with %s inside a 200 ends as an error %i, after what came before', async (type, status, code) => {
    const chunk = joined([START, delta('Hé'), exception(type, { message: 'Not now' })])
    const { text, error } = await broken(through([chunk]))
    expect(deltasOf(text)).toContainEqual({ content: 'Hé' })
    expect(text).not.toContain('[DONE]')
    expect(error).toBeInstanceOf(ProviderFault)
    expect(error).toMatchObject({ status, code, said: 'Not now' })
  })

  it('with an error that has no shape is an error too', async () => {
    const bare = frame(
      { ':message-type': 'error', ':error-code': 'InternalServerException', ':error-message': 'oh' },
      '',
    )
    expect((await broken(through([START, bare]))).error).toMatchObject({ status: 500, said: 'oh' })
    expect(
      (await broken(through([START, exception('throttlingException', 'not json')]))).error,
    ).toMatchObject({
      status: 429,
      said: undefined,
    })
  })

  it.each([
    ['after nothing', []],
    ['in the middle', WHOLE.slice(0, 3)],
    ['inside a frame', [joined(WHOLE).slice(0, -3)]],
    ['inside the first frame', [START.slice(0, 3)]],
  ])('that ends %s is never whole (Portkey 20)', async (_, chunks) => {
    const { text, error } = await broken(through(chunks))
    expect(error).toBeInstanceOf(Error)
    expect(text).not.toContain('[DONE]')
  })

  it('whose connection breaks is never whole', async () => {
    const { text, error } = await broken(through(WHOLE.slice(0, 4), false, 'error'))
    expect(error).toMatchObject({ message: 'connection reset' })
    expect(deltasOf(text)).toContainEqual({ content: 'llo' })
  })

  it('with a wrong byte is never whole, nor is anything made up', async () => {
    const whole = joined(WHOLE)
    const right = await textOf(through([whole]))
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.integer({ min: 1, max: 255 }),
        cuts(whole.length),
        async (at, flip, offsets) => {
          const wrong = whole.slice()
          wrong[at] = (wrong[at] ?? 0) ^ flip
          const { text } = await broken(through(cutAt(wrong, offsets)))
          expect(text).not.toContain('[DONE]')
          expect(right.startsWith(text)).toBe(true)
        },
      ),
    )
  })

  it('whose output was malformed is an error', async () => {
    expect((await broken(through([START, stop('malformed_tool_use')]))).error).toMatchObject({ status: 502 })
  })

  it('that ends without its usage is whole all the same', async () => {
    expect(await textOf(through(WHOLE.slice(0, 5), true))).toContain('[DONE]')
  })

  it('that nobody wants any more is not wanted of Bedrock either (Portkey 20)', async () => {
    let reason: unknown
    const upstream = new ReadableStream<Uint8Array>({
      start: controller => controller.enqueue(START),
      cancel: why => {
        reason = why
      },
    })
    const reader = toEventStream(upstream, HEAD, false).getReader()
    await reader.read()
    await reader.cancel('gone')
    expect(reason).toBe('gone')
  })

  it('is passed on at once, and not read ahead', async () => {
    let asked = 0
    const upstream = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          controller.enqueue(WHOLE[asked] ?? START)
          asked++
        },
      },
      { highWaterMark: 0 },
    )
    const reader = toEventStream(upstream, HEAD, false).getReader()
    await reader.read()
    await new Promise(resolve => setTimeout(resolve, 5))
    expect(asked).toBe(1)
  })
})
