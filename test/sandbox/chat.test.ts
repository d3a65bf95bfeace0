/** Completions, plain and streamed. */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { trained, tunedName, upload, useSandbox } from './support.ts'

const bench = useSandbox()

const ANSWER = 'Your card was sent on Monday, and takes about 5 days.'
const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'where is my card' }]

async function talkative(): Promise<string> {
  const lines = Array.from({ length: 10 }, () => ({
    messages: [...messages, { role: 'assistant', content: ANSWER }],
  }))
  return tunedName(await trained(bench, { training_file: await upload(bench, lines) }))
}

const chat = (body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}) =>
  bench.client.chat.completions.create({ model: 'gpt-4.1-mini', messages, ...body })

describe('a completion', () => {
  it("has all of OpenAI's fields", async () => {
    const completion = await chat()
    expect(completion).toEqual({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'gpt-4.1-mini-2025-04-14',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: expect.any(String), refusal: null, annotations: [] },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: expect.objectContaining({
        prompt_tokens: expect.any(Number),
        completion_tokens: expect.any(Number),
      }),
      service_tier: 'default',
      system_fingerprint: expect.any(String),
    })
    const { prompt_tokens = 0, completion_tokens = 0, total_tokens } = completion.usage ?? {}
    expect(total_tokens).toBe(prompt_tokens + completion_tokens)
    expect(prompt_tokens).toBe(4 + 3 + 3) // four words, one message, one reply
  })

  it('is as long as max_completion_tokens or max_tokens allow', async () => {
    const model = await talkative()
    for (const limit of [{ max_completion_tokens: 4 }, { max_tokens: 4 }]) {
      const { choices, usage } = await chat({ model, ...limit })
      expect(choices[0]).toMatchObject({
        finish_reason: 'length',
        message: { content: 'Your card was sent' },
      })
      expect(usage?.completion_tokens).toBe(4)
    }
    const { choices } = await chat({ model, max_tokens: 1000 })
    expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: ANSWER } })
  })

  it('ends before a stop sequence', async () => {
    const { choices } = await chat({ model: await talkative(), stop: [' takes', ','] })
    expect(choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'Your card was sent on Monday' },
    })
  })

  it('comes n times, and is counted n times', async () => {
    const [one, three] = [await chat(), await chat({ n: 3 })]
    expect(three.choices.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(three.usage?.completion_tokens).toBe(3 * (one.usage?.completion_tokens ?? 0))
    expect(three.usage?.prompt_tokens).toBe(one.usage?.prompt_tokens)
  })

  it('of a base model keeps to a JSON schema', async () => {
    const schema = {
      type: 'object',
      properties: { answer: { type: 'string' }, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
      required: ['answer'],
    }
    const { choices } = await chat({
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema } },
    })
    expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({ answer: '' })
  })

  it('takes every kind of message and part', async () => {
    const { choices } = await chat({
      messages: [
        { role: 'developer', content: [{ type: 'text', text: 'Be brief.' }] },
        { role: 'system', content: 'Be kind.', name: 'house' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
          ],
        },
        { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
        { role: 'user', content: 'Please?' },
      ],
    })
    expect(choices[0]?.finish_reason).toBe('stop')
  })
})

describe('a stream', () => {
  it('brings the role, the words, the reason to stop, and the usage if asked', async () => {
    const model = await talkative()
    const whole = await chat({ model })
    const chunks: OpenAI.ChatCompletionChunk[] = []
    const stream = await bench.client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    for await (const chunk of stream) chunks.push(chunk)
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: 'assistant', content: '' })
    const words = chunks.slice(1, -2).map(({ choices }) => choices[0]?.delta.content)
    expect(words.join('')).toBe(ANSWER)
    expect(words).toHaveLength(whole.usage?.completion_tokens ?? 0)
    expect(chunks.at(-2)?.choices).toMatchObject([{ index: 0, delta: {}, finish_reason: 'stop' }])
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage })
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true)
  })

  it('is server-sent events that end in [DONE], without usage unless asked', async () => {
    const response = await fetch(`${bench.sandbox.openaiBaseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bench.sandbox.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages, stream: true }),
    })
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    expect(response.headers.get('x-request-id')).toMatch(/^req_/)
    const text = await response.text()
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(text).not.toContain('usage')
  })

  it('brings tool calls: the name first, the arguments in pieces', async () => {
    const stream = bench.client.chat.completions.stream({
      model: 'gpt-4o',
      messages,
      tools: [
        {
          type: 'function',
          function: {
            name: 'find',
            parameters: { type: 'object', properties: { q: { const: 'my lost card' } }, required: ['q'] },
          },
        },
      ],
      tool_choice: 'required',
    })
    const pieces: string[] = []
    stream.on('chunk', ({ choices }) => {
      const piece = choices[0]?.delta.tool_calls?.[0]?.function
      if (piece) pieces.push(piece.name ?? piece.arguments ?? '')
    })
    const message = await stream.finalMessage()
    expect(message.tool_calls).toMatchObject([
      { id: expect.stringMatching(/^call_/), function: { name: 'find', arguments: '{"q":"my lost card"}' } },
    ])
    expect(pieces[0]).toBe('find')
    expect(pieces.length).toBeGreaterThan(3)
  })

  it('interleaves nothing: each of n choices has its index', async () => {
    const stream = bench.client.chat.completions.stream({ model: 'gpt-4o', messages, n: 2 })
    const { choices } = await stream.finalChatCompletion()
    expect(choices.map(({ index }) => index)).toEqual([0, 1])
    expect(choices[0]?.message.content).toBe(choices[1]?.message.content)
  })

  it('is no longer generated when the client has left', async () => {
    await bench.set({ chunkMs: 60_000 })
    const stream = await bench.client.chat.completions.create({ model: 'gpt-4o', messages, stream: true })
    for await (const chunk of stream) {
      expect(chunk.choices[0]?.delta.role).toBe('assistant')
      expect((await bench.state()).streams).toMatchObject({
        open: 1,
        items: [{ chunks: 1, open: true, end: null }],
      })
      break
    }
    while ((await bench.state()).streams.open > 0) await new Promise(resolve => setTimeout(resolve, 2))
    await bench.set({ chunkMs: 0 })
    expect((await bench.state()).streams.items).toEqual([
      expect.objectContaining({ chunks: 1, open: false, end: 'client_gone' }),
    ])
  })

  it('that was read to its end is marked so', async () => {
    for await (const _ of await bench.client.chat.completions.create({
      model: 'gpt-4o',
      messages,
      stream: true,
    }));
    const { open, items } = (await bench.state()).streams
    expect(open).toBe(0)
    expect(items).toEqual([expect.objectContaining({ end: 'finished' })])
  })
})
