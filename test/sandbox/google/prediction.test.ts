/** A custom endpoint, called in each of the ways that custom models are called. */
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { useGoogle } from './support.ts'

const google = useGoogle()

const BASE = '/aiplatform/v1/projects/sandbox-project/locations/us-central1/endpoints/9001'
const post = (verb: string, body: unknown) => google.call('POST', `${BASE}${verb}`, body)
const messages = [{ role: 'user', content: 'hello world' }]

describe('predict', () => {
  it('gives a prediction for each instance', async () => {
    const instances = ['one', { prompt: 'two' }, { inputs: 'three' }, { content: 'four' }, { messages }]
    expect(await post(':predict', { instances })).toMatchObject({
      status: 200,
      json: {
        predictions: [
          'You said: one',
          'You said: two',
          'You said: three',
          'You said: four',
          'You said: hello world',
        ],
        deployedModelId: '7001',
        model: 'projects/100000000001/locations/us-central1/models/8001',
        modelDisplayName: 'sandbox-echo',
      },
    })
  })

  it('keeps to its parameters', async () => {
    const predict = async (parameters: object) => {
      const { json } = await post(':predict', { instances: ['one two'], parameters })
      return (json as { predictions: unknown[] }).predictions
    }
    expect(await predict({ max_tokens: 2, temperature: 0, top_p: 1, top_k: 4 })).toEqual(['You said'])
    expect(await predict({ stop_sequences: [' two'] })).toEqual(['You said: one'])
    expect(await predict({ candidate_count: 2, max_tokens: 1 })).toEqual([
      { candidates: [{ content: 'You' }, { content: 'You' }] },
    ])
  })

  it.each<[name: string, body: unknown, message: string]>([
    ['no instances', {}, 'instances'],
    ['an empty list', { instances: [] }, 'instances'],
    ['an instance without text', { instances: ['x', {}] }, 'instances[1]'],
    ['an unknown field', { instances: ['x'], model: 'm' }, '"model"'],
    ['an unknown parameter', { instances: ['x'], parameters: { stop: [] } }, '"stop" at \'parameters\''],
  ])('refuses %s', async (_name, body, message) => {
    expect(await post(':predict', body)).toMatchObject({
      status: 400,
      json: { error: { status: 'INVALID_ARGUMENT', message: expect.stringContaining(message) } },
    })
  })
})

describe('rawPredict', () => {
  it('gives the container’s own answer', async () => {
    const { json, headers } = await post(':rawPredict', { anything: [1, { goes: true }] })
    expect(json).toEqual({ echo: { anything: [1, { goes: true }] } })
    expect(headers.get('x-vertex-ai-endpoint-id')).toBe('9001')
    expect((await post(':rawPredict', { messages })).json).toMatchObject({ object: 'chat.completion' })
  })

  it('streams, if the container does', async () => {
    const { text, headers } = await post(':streamRawPredict', { messages, stream: true })
    expect(headers.get('content-type')).toContain('text/event-stream')
    expect(text.split('\n\n').filter(Boolean).at(-1)).toBe('data: [DONE]')
  })
})

describe('chat/completions', () => {
  const client = async () =>
    new OpenAI({
      baseURL: `${google.sandbox.origin}/google${BASE}`,
      apiKey: await google.token(),
      maxRetries: 0,
    })

  it('speaks to the official OpenAI client', async () => {
    const completion = await (await client()).chat.completions.create({
      model: '',
      messages: [{ role: 'user', content: 'hi' }],
    })
    expect(completion.choices[0]?.message.content).toEqual(expect.any(String))
  })

  it('streams, and calls tools', async () => {
    const stream = (await client()).chat.completions.stream({
      model: '',
      messages: [{ role: 'user', content: 'hi' }],
      tools: [{ type: 'function', function: { name: 'find', parameters: { type: 'object' } } }],
      tool_choice: 'required',
    })
    const { tool_calls } = await stream.finalMessage()
    expect(tool_calls).toMatchObject([{ function: { name: 'find', arguments: '{}' } }])
  })

  it('refuses in Google’s words', async () => {
    expect(await post('/chat/completions', { messages, contents: [] })).toMatchObject({
      status: 400,
      json: {
        error: { code: 400, status: 'INVALID_ARGUMENT', message: expect.stringContaining('contents') },
      },
    })
  })
})

describe('the endpoint', () => {
  it('is there after a reset, and only in its region', async () => {
    google.sandbox.reset()
    expect(await post(':predict', { instances: ['x'] })).toMatchObject({ status: 200 })
    const elsewhere = BASE.replace('us-central1', 'europe-west4')
    expect(await google.call('POST', `${elsewhere}:predict`, { instances: ['x'] })).toMatchObject({
      status: 404,
    })
    expect(await google.call('GET', BASE)).toMatchObject({
      status: 200,
      json: { displayName: 'sandbox-echo' },
    })
    expect(await google.call('DELETE', BASE)).toMatchObject({ status: 400 })
  })

  it('does not speak Gemini, and has no neighbours', async () => {
    expect(await post(':generateContent', { contents: [] })).toMatchObject({
      status: 400,
      json: { error: { status: 'FAILED_PRECONDITION' } },
    })
    const other = BASE.replace('9001', '9002')
    expect(await google.call('POST', `${other}:predict`, { instances: ['x'] })).toMatchObject({ status: 404 })
  })
})
