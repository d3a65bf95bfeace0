/** Chat completions: the same call for base and tuned models, plain and streamed. */
import type OpenAI from 'openai'
import { beforeAll, describe, expect, it } from 'vitest'
import { isOnLambda, itIsJudged, type Owner, refusal, until, useBench } from './support/bench.ts'
import { ask, fileOf, isOver, jobWhen, LESSON, toJsonl, trained, uploaded } from './support/data.ts'

const bench = useBench()

type Params = OpenAI.ChatCompletionCreateParamsNonStreaming
type Streaming = OpenAI.ChatCompletionCreateParamsStreaming

const BASE = 'gpt-4.1-mini'
const QUESTION = { role: 'user', content: LESSON.question } as const
const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
} as const

let owner: Owner
let tuned: string

beforeAll(async () => {
  owner = await bench.owner()
  tuned = (await trained(owner.client)).fine_tuned_model
})

/** What differs between two answers to the same request. */
const comparable = (text: string) =>
  text.replace(/"id":"(chatcmpl-|call_)\w+"/g, '"id":"$1…"').replace(/"created":\d+/g, '"created":0')

/** The same request to the gateway and to the provider itself. */
const both = async (body: object) => {
  const { sandbox } = bench.stack
  const gateway = await bench.raw('/v1/chat/completions', { key: owner.key, body })
  const direct = await fetch(`${sandbox.openaiBaseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${sandbox.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { gateway, direct: { status: direct.status, headers: direct.headers, text: await direct.text() } }
}

const REQUESTS: [string, () => object][] = [
  ['a base model', () => ({ model: BASE, messages: [QUESTION] })],
  ['a tuned model', () => ({ model: tuned, messages: [QUESTION] })],
  ['n = 3', () => ({ model: tuned, messages: [QUESTION], n: 3 })],
  ['a tool call', () => ({ model: BASE, messages: [QUESTION], tools: [WEATHER], tool_choice: 'required' })],
  [
    'every setting',
    () => ({
      model: tuned,
      messages: [{ role: 'system', content: 'Ü 漢 🚲 \u0000 "' }, QUESTION],
      temperature: 0.3,
      top_p: 0.5,
      max_completion_tokens: 1,
      stop: ['x'],
      seed: 7,
      user: 'u',
      metadata: { a: 'b' },
      response_format: { type: 'text' },
    }),
  ],
]

describe('chat.completions.create', () => {
  it('answers with a base and a tuned model by the same call', async () => {
    expect(await ask(owner.client, tuned)).toBe(LESSON.answer)
    expect(await ask(owner.client, BASE)).not.toBe(LESSON.answer)
  })

  it.each(REQUESTS)('gives what the provider gives, byte for byte: %s', async (_what, body) => {
    const { gateway, direct } = await both(body())
    expect(direct.status).toBe(200)
    expect(gateway.status).toBe(200)
    expect(comparable(gateway.text)).toBe(comparable(direct.text))
    expect(gateway.headers.get('content-type')).toBe(direct.headers.get('content-type'))
  })

  it.each(REQUESTS)('streams what the provider streams, byte for byte: %s', async (_what, body) => {
    const streamed = { ...body(), stream: true, stream_options: { include_usage: true } }
    const { gateway, direct } = await both(streamed)
    expect(direct.text).toMatch(/data: \[DONE\]\n\n$/)
    expect(comparable(gateway.text)).toBe(comparable(direct.text))
    expect(gateway.headers.get('content-type')).toBe(direct.headers.get('content-type'))
  })

  it('sends the provider the very request', async () => {
    const body = { model: BASE, messages: [QUESTION], temperature: 0.25, user: 'ü' }
    const sent = bench.watch()
    await owner.client.chat.completions.create(body)
    expect(sent().map(({ path, body: got }) => [path, got])).toEqual([['/v1/chat/completions', body]])
  })

  it('takes the prefix openai/ and the gateway’s own fields off', async () => {
    const body = { messages: [QUESTION], n: 2 }
    const own = { provider: 'openai', custom_llm_provider: 'openai', timeout: 30 }
    const sent = bench.watch()
    for (const model of [BASE, tuned]) {
      const { choices } = await owner.client.chat.completions.create({
        ...body,
        ...own,
        model: `openai/${model}`,
      })
      expect(choices).toHaveLength(2)
    }
    expect(sent().map(({ body: got }) => got)).toEqual([
      { ...body, model: BASE },
      { ...body, model: tuned },
    ])
  })

  it("passes on the provider's pace, not its account or its cookies", async () => {
    const { response } = await owner.client.chat.completions
      .create({ model: BASE, messages: [QUESTION] })
      .withResponse()
    expect(response.headers.get('openai-processing-ms')).toMatch(/^\d+$/)
    expect(response.headers.get('openai-organization')).toBeNull()
    expect(response.headers.get('set-cookie')).toBeNull()
  })

  it("passes on the provider's refusal of a request, with its param", async () => {
    const params = { model: BASE, messages: [QUESTION], parallel_tool_calls: true }
    const error = await refusal(owner.client.chat.completions.create(params))
    expect(error).toMatchObject({ status: 400, param: 'parallel_tool_calls' })
    const unknown = { model: BASE, messages: [QUESTION], colour: 'red' } as Params
    expect(await refusal(owner.client.chat.completions.create(unknown))).toMatchObject({
      status: 400,
      param: 'colour',
      code: 'unknown_parameter',
    })
  })
})

describe('a streamed chat', () => {
  const collect = async (params: Omit<Streaming, 'stream'>) => {
    const chunks: OpenAI.ChatCompletionChunk[] = []
    for await (const chunk of await owner.client.chat.completions.create({ ...params, stream: true }))
      chunks.push(chunk)
    return chunks
  }

  it('spells out the same answer', async () => {
    const chunks = await collect({ model: tuned, messages: [QUESTION] })
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(LESSON.answer)
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
    expect(chunks.every(({ usage }) => usage == null)).toBe(true)
  })

  it('ends with the usage when asked', async () => {
    const messages = [QUESTION]
    const chunks = await collect({ model: tuned, messages, stream_options: { include_usage: true } })
    const { usage } = await owner.client.chat.completions.create({ model: tuned, messages })
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage })
  })

  it('has as many choices as n says', async () => {
    const chunks = await collect({ model: tuned, messages: [QUESTION], n: 3 })
    const texts = [0, 1, 2].map(index =>
      chunks
        .flatMap(({ choices }) => choices.filter(choice => choice.index === index))
        .map(({ delta }) => delta.content ?? '')
        .join(''),
    )
    expect(texts).toEqual([LESSON.answer, LESSON.answer, LESSON.answer])
  })

  it('arrives chunk by chunk, not at its end', async () => {
    await bench.set({ chunkMs: 60_000 })
    const stream = await owner.client.chat.completions.create({
      model: BASE,
      messages: [QUESTION],
      stream: true,
    })
    // The second chunk is a minute away: only a stream that is not held back gives the first.
    const first = await stream[Symbol.asyncIterator]().next()
    expect(first.value?.choices[0]?.delta.role).toBe('assistant')
    stream.controller.abort()
  })

  it.skipIf(isOnLambda)('stops at the provider when the client leaves', async () => {
    await bench.set({ chunkMs: 20 })
    const known = new Set((await bench.state()).streams.items.map(({ id }) => id))
    const stream = await owner.client.chat.completions.create({
      model: BASE,
      messages: [QUESTION],
      stream: true,
    })
    for await (const { choices } of stream) if (choices[0]?.delta.content) break
    const ended = await until(
      async () => (await bench.state()).streams.items.find(({ id }) => !known.has(id)),
      record => record?.open === false,
    )
    expect(ended?.end).toBe('client_gone')
  })
})

describe('tools', () => {
  it('go to the model and come back as calls', async () => {
    const params: Params = { model: BASE, messages: [QUESTION], tools: [WEATHER], tool_choice: 'required' }
    const { choices } = await owner.client.chat.completions.create(params)
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: null, tool_calls: [{ type: 'function', function: { name: 'get_weather' } }] },
    })
  })

  it('come back in pieces when streamed', async () => {
    const runner = owner.client.chat.completions.stream({
      model: BASE,
      messages: [QUESTION],
      tools: [WEATHER],
      tool_choice: 'required',
    })
    const message = await runner.finalMessage()
    expect(message.tool_calls?.[0]).toMatchObject({
      type: 'function',
      function: { name: 'get_weather', arguments: '{"city":""}' },
    })
  })

  it('are learned in training, called by the tuned model, and their results answered', async () => {
    const call = (id: string) => ({
      role: 'assistant',
      tool_calls: [{ id, type: 'function', function: { name: 'get_weather', arguments: '{"city":"Wien"}' } }],
    })
    const lines = Array.from({ length: 12 }, (_, index) => ({
      messages: [
        { role: 'user', content: 'how is the weather in Wien' },
        call(`call_${index}`),
        { role: 'tool', tool_call_id: `call_${index}`, content: 'sunny' },
        { role: 'assistant', content: 'It is sunny in Wien.' },
      ],
      tools: [WEATHER],
    }))
    const { id: training_file } = await uploaded(owner.client, fileOf(toJsonl(lines)))
    const { id } = await owner.client.fineTuning.jobs.create({ model: BASE, training_file })
    const { fine_tuned_model } = await jobWhen(owner.client, id, isOver)
    const model = fine_tuned_model ?? ''
    const question = { role: 'user', content: 'how is the weather in Wien' } as const
    const asked = await owner.client.chat.completions.create({
      model,
      messages: [question],
      tools: [WEATHER],
    })
    const message = asked.choices[0]?.message
    const toolCall = message?.tool_calls?.[0]
    expect(toolCall).toMatchObject({ function: { name: 'get_weather', arguments: '{"city":"Wien"}' } })
    if (!message || !toolCall) return
    const answered = await owner.client.chat.completions.create({
      model,
      messages: [question, message, { role: 'tool', tool_call_id: toolCall.id, content: 'sunny' }],
      tools: [WEATHER],
    })
    expect(answered.choices[0]?.message.content).toBe('It is sunny in Wien.')
  })
})

itIsJudged(bench)
