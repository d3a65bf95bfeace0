import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProviderFault } from '../../../shared/providers/provider.ts'
import { fromCallId } from '../../../shared/providers/vertex_ai/chat/call-id.ts'
import { toCompletion, toFinishReason, toUsage } from '../../../shared/providers/vertex_ai/chat/response.ts'
import { toChunkStream } from '../../../shared/providers/vertex_ai/chat/stream.ts'
import type { GenerateResponse } from '../../../shared/providers/vertex_ai/chat/wire.ts'
import { cutAt, cuts, everyCut, readAll, streamOf, utf8 } from '../support/bytes.ts'

const NOW = Date.UTC(2026, 10, 20)
const candidate = (parts: object[], finishReason = 'STOP', index?: number) => ({
  content: { role: 'model', parts },
  finishReason,
  ...(index !== undefined && { index }),
})
const completion = (response: object) => toCompletion(response as GenerateResponse, 'm', NOW)

describe('completions', () => {
  it('are what the recording says', () => {
    const answer = completion({
      candidates: [
        candidate([{ text: 'Hi' }, { functionCall: { name: 'get_weather', args: { city: 'Oslo' } } }]),
      ],
      usageMetadata: {
        promptTokenCount: 5,
        candidatesTokenCount: 2,
        thoughtsTokenCount: 0,
        totalTokenCount: 7,
      },
      modelVersion: 'gemini-3.5-flash',
      createTime: '2026-11-20T00:00:00Z',
      responseId: 'resp1',
    })
    expect(answer).toEqual({
      id: 'chatcmpl-resp1',
      object: 'chat.completion',
      created: NOW / 1000,
      model: 'm',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Hi',
            refusal: null,
            tool_calls: [
              {
                id: expect.stringMatching(/^call_/),
                type: 'function',
                function: { name: 'get_weather', arguments: '{"city":"Oslo"}' },
              },
            ],
          },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 2,
        total_tokens: 7,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
    })
  })
  it('keep thoughts to themselves, signatures in ids, and one choice for each candidate', () => {
    const answer = completion({
      candidates: [
        candidate([
          { text: 'hm', thought: true },
          { functionCall: { id: 'n1', name: 'f' }, thoughtSignature: 'c2ln' },
        ]),
        candidate([{ text: 'a' }, { text: 'b' }], 'MAX_TOKENS', 1),
      ],
    })
    const [first, second] = answer.choices
    expect(first?.message.content).toBeNull()
    const [call] =
      (first?.message as { tool_calls: { id: string; function: object }[] } | undefined)?.tool_calls ?? []
    expect(fromCallId(call?.id ?? '')).toEqual({ native: 'n1', signature: 'c2ln' })
    expect(call?.function).toEqual({ name: 'f', arguments: '{}' })
    expect(second).toMatchObject({ index: 1, message: { content: 'ab' }, finish_reason: 'length' })
  })
  it('of a blocked question are filtered content', () => {
    expect(completion({ promptFeedback: { blockReason: 'SAFETY' } }).choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: null, refusal: null },
        logprobs: null,
        finish_reason: 'content_filter',
      },
    ])
  })
  it.each([{}, { candidates: [] }, { candidates: [candidate([], 'OTHER')] }])('%j is no answer', response => {
    expect(() => completion(response)).toThrow(expect.objectContaining({ status: 502, refused: false }))
  })
  it('of a candidate without content are empty, not broken', () => {
    expect(completion({ candidates: [{ finishReason: 'SAFETY' }] }).choices[0]).toMatchObject({
      message: { content: '' },
      finish_reason: 'content_filter',
    })
  })
})

it.each([
  ['STOP', 'stop'],
  ['FINISH_REASON_UNSPECIFIED', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['LANGUAGE', 'content_filter'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['IMAGE_PROHIBITED_CONTENT', 'content_filter'],
  ['SOMETHING_NEW', 'stop'],
  ['constructor', 'stop'],
])('%s is %s', (reason, expected) => expect(toFinishReason(reason, false)).toBe(expected))
it.each([
  'MALFORMED_FUNCTION_CALL',
  'UNEXPECTED_TOOL_CALL',
  'TOO_MANY_TOOL_CALLS',
  'MALFORMED_RESPONSE',
  'OTHER',
])('%s is a failure', reason => expect(() => toFinishReason(reason, true)).toThrow(ProviderFault))
it('a reason other than STOP stands, calls or none', () => {
  expect([toFinishReason('STOP', true), toFinishReason('MAX_TOKENS', true)]).toEqual(['tool_calls', 'length'])
})

it.each<[object, number[]]>([
  [{}, [0, 0, 0, 0, 0]],
  [
    { promptTokenCount: 10, candidatesTokenCount: 3, thoughtsTokenCount: 4, totalTokenCount: 17 },
    [10, 7, 17, 0, 4],
  ],
  [{ promptTokenCount: 10, toolUsePromptTokenCount: 2, cachedContentTokenCount: 6 }, [12, 0, 12, 6, 0]],
])('usage %j', (usage, [prompt, whole, total, cached, reasoning]) => {
  expect(toUsage(usage)).toEqual({
    prompt_tokens: prompt,
    completion_tokens: whole,
    total_tokens: total,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  })
})

const COMMON = { responseId: 'r1', createTime: '2026-11-20T00:00:00Z' }
const EVENTS = [
  {
    candidates: [{ content: { parts: [{ text: 'Grüße — ' }] } }],
    usageMetadata: { trafficType: 'ON_DEMAND' },
    ...COMMON,
  },
  { candidates: [{ content: { parts: [{ text: 'hm', thought: true }] } }], ...COMMON },
  { candidates: [{ content: { parts: [{ text: '🌍\n"x"' }] } }], ...COMMON },
  {
    candidates: [
      {
        content: {
          parts: [
            { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln' },
            { functionCall: { name: 'g' } },
          ],
        },
      },
    ],
    ...COMMON,
  },
  {
    candidates: [{ content: { parts: [{ text: '' }] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 },
    ...COMMON,
  },
]
const sse = (events: readonly object[], end = '\r\n') =>
  events.map(event => `data: ${JSON.stringify(event)}${end}${end}`).join('')

interface Chunk {
  id: string
  created: number
  model: string
  choices: { index: number; delta: Record<string, unknown>; finish_reason: string | null }[]
  usage?: unknown
}
const transform = async (pieces: readonly Uint8Array[], includeUsage = true) => {
  const stream = toChunkStream(streamOf(pieces), { model: 'm', includeUsage, now: NOW })
  return new TextDecoder().decode(await readAll(stream))
}
const chunksOf = (text: string): Chunk[] =>
  text
    .split('\n\n')
    .filter(line => line.startsWith('data: {'))
    .map(line => JSON.parse(line.slice('data: '.length)))
/** Ids of calls are drawn anew each time. */
const comparable = (text: string) => text.replace(/call_[0-9a-f]{32}/g, 'call_x')

describe('streams', () => {
  it('become chunks, event by event', async () => {
    const text = await transform([utf8(sse(EVENTS))])
    const chunks = chunksOf(text)
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`))).toEqual(
      new Set([`chatcmpl-r1 ${NOW / 1000} m`]),
    )
    const call = (index: number, name: string, args: string) => ({
      index,
      id: expect.stringMatching(/^call_/),
      type: 'function',
      function: { name, arguments: args },
    })
    expect(chunks.map(({ choices }) => choices[0])).toEqual([
      { index: 0, delta: { role: 'assistant', content: 'Grüße — ' }, logprobs: null, finish_reason: null },
      { index: 0, delta: { content: '🌍\n"x"' }, logprobs: null, finish_reason: null },
      {
        index: 0,
        delta: { tool_calls: [call(0, 'f', '{"a":1}'), call(1, 'g', '{}')] },
        logprobs: null,
        finish_reason: null,
      },
      { index: 0, delta: {}, logprobs: null, finish_reason: 'tool_calls' },
      undefined,
    ])
    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 2 })
    expect(chunks[0]?.usage).toBeNull()
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })
  it('have no usage unless it is asked for', async () => {
    const text = await transform([utf8(sse(EVENTS))], false)
    expect(text).not.toContain('usage')
    expect(chunksOf(text)).toHaveLength(4)
  })
  it.each(['\r\n', '\n', '\r'])('are the same wherever they are cut (line ends %j)', async end => {
    const bytes = utf8(sse(EVENTS, end))
    const whole = comparable(await transform([utf8(sse(EVENTS))]))
    for (const pieces of everyCut(bytes)) expect(comparable(await transform(pieces))).toBe(whole)
    await fc.assert(
      fc.asyncProperty(cuts(bytes.length), async offsets => {
        expect(comparable(await transform(cutAt(bytes, offsets)))).toBe(whole)
      }),
    )
  })
  it('take an event over several lines, and skip what else an event may hold', async () => {
    const lines = JSON.stringify(EVENTS.at(-1), null, 1).split('\n')
    const odd = `: hello\r\nevent: message\r\nid: 1\r\n${lines.map(line => `data: ${line}\r\n`).join('')}\r\n`
    const whole = await transform([utf8(sse(EVENTS.slice(-1)))])
    for (const pieces of everyCut(utf8(odd))) expect(await transform(pieces)).toBe(whole)
  })
  it('pass each event on before the next has come', async () => {
    const stream = toChunkStream(streamOf([utf8(sse(EVENTS.slice(0, 1)))], { ending: 'stall' }), {
      model: 'm',
      includeUsage: false,
      now: NOW,
    })
    const { value } = await stream.getReader().read()
    expect(new TextDecoder().decode(value)).toContain('Grüße')
  })
  it('keep choices apart', async () => {
    const events = [
      {
        candidates: [
          { content: { parts: [{ text: 'a' }] } },
          { index: 1, content: { parts: [{ text: 'b' }] }, finishReason: 'MAX_TOKENS' },
        ],
      },
      { candidates: [{ content: { parts: [{ text: 'c' }] }, finishReason: 'STOP' }] },
    ]
    const reasons = chunksOf(await transform([utf8(sse(events))], false)).flatMap(({ choices }) => choices)
    expect(
      reasons
        .filter(({ finish_reason }) => finish_reason)
        .map(({ index, finish_reason }) => [index, finish_reason]),
    ).toEqual([
      [0, 'stop'],
      [1, 'length'],
    ])
    expect(reasons.filter(({ delta }) => delta.role)).toHaveLength(2)
  })
  it('that begin with a call say that there is no text', async () => {
    const events = [
      { candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }] }, finishReason: 'STOP' }] },
    ]
    expect(chunksOf(await transform([utf8(sse(events))]))[0]?.choices[0]?.delta).toMatchObject({
      role: 'assistant',
      content: null,
    })
  })
  it('of a blocked question end as filtered', async () => {
    const text = await transform([
      utf8(sse([{ promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 5 } }])),
    ])
    expect(chunksOf(text).map(({ choices }) => choices[0]?.finish_reason)).toEqual([
      null,
      'content_filter',
      undefined,
    ])
    expect(text).toContain('[DONE]')
  })

  const ERROR = { error: { code: 429, message: 'quota is gone', status: 'RESOURCE_EXHAUSTED' } }
  it.each<[string, string]>([
    ['as bare JSON over several lines', JSON.stringify(ERROR, null, 2)],
    ['as bare JSON in an array', JSON.stringify([ERROR], null, 2)],
    ['as an event', `data: ${JSON.stringify(ERROR)}\r\n\r\n`],
    ['as an event without its end', `data: ${JSON.stringify(ERROR)}`],
  ])('fail with an error in the middle, %s, wherever it is cut', async (_, error) => {
    for (const pieces of everyCut(utf8(sse(EVENTS.slice(0, 1)) + error))) {
      const stream = toChunkStream(streamOf(pieces), { model: 'm', includeUsage: true, now: NOW })
      await expect(readAll(stream)).rejects.toMatchObject({
        status: 429,
        code: 'rate_limit_exceeded',
        said: 'quota is gone',
        refused: false,
      })
    }
  })
  it('fail when the model gives up', async () => {
    const events = [...EVENTS.slice(0, 1), { candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }]
    await expect(transform([utf8(sse(events))])).rejects.toMatchObject({
      status: 502,
      nativeCode: 'MALFORMED_FUNCTION_CALL',
    })
  })
  it.each([0, 1, 4])('that end after %i events, before a reason to, do not look whole', async count => {
    expect(await transform([utf8(sse(EVENTS.slice(0, count)))])).not.toContain('[DONE]')
  })
  it('that end within an event do not look whole', async () => {
    const bytes = utf8(sse(EVENTS))
    const last = utf8(`data: ${JSON.stringify(EVENTS.at(-1))}`)
    for (let cut = 1; cut < last.length; cut += 7)
      expect(await transform([bytes.slice(0, bytes.length - last.length - 4 + cut)])).not.toContain('[DONE]')
  })
  it('that break off break off', async () => {
    const upstream = streamOf([utf8(sse(EVENTS))], { ending: 'error', cause: new Error('reset') })
    await expect(
      readAll(toChunkStream(upstream, { model: 'm', includeUsage: true, now: NOW })),
    ).rejects.toThrow('reset')
  })
  it('that are left are left upstream', async () => {
    let left: unknown
    const upstream = new ReadableStream<Uint8Array>({
      cancel(reason) {
        left = reason
      },
    })
    await toChunkStream(upstream, { model: 'm', includeUsage: true, now: NOW }).cancel('gone')
    expect(left).toBe('gone')
  })
})
