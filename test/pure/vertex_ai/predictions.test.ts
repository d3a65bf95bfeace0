import { describe, expect, it } from 'vitest'
import { vertexAi } from '../../../shared/providers/vertex_ai/index.ts'
import { fromPredict, toPredict } from '../../../shared/providers/vertex_ai/predictions.ts'
import { channelOf, SETTINGS, wire } from './support/channel.ts'

const MESSAGES = [{ role: 'user', content: 'hi' }]
const settings = { ...SETTINGS, endpoints: '{"9001":"predict","9002":"raw","9003":"chat"}' }
const PLACE = '/v1beta1/projects/proj-x/locations/us-central1/endpoints'

it('messages become an instance, sampling parameters', () => {
  const body = {
    model: 'm',
    messages: MESSAGES,
    temperature: 0,
    max_tokens: 5,
    top_p: 0.5,
    top_k: 3,
    stop: 'x',
    n: 2,
    stream: false,
  }
  expect(toPredict({ body, dropParams: false }).body).toEqual({
    instances: [
      {
        '@requestFormat': 'chatCompletions',
        messages: MESSAGES,
        temperature: 0,
        max_tokens: 5,
        top_p: 0.5,
        top_k: 3,
        stop: ['x'],
        n: 2,
      },
    ],
    parameters: {
      temperature: 0,
      max_tokens: 5,
      top_p: 0.5,
      top_k: 3,
      stop_sequences: ['x'],
      candidate_count: 2,
    },
  })
  expect(
    toPredict({ body: { model: 'm', messages: MESSAGES, max_completion_tokens: 7 }, dropParams: false }).body,
  ).toHaveProperty('parameters', {
    max_tokens: 7,
  })
  expect(toPredict({ body: { model: 'm', messages: MESSAGES }, dropParams: false }).body).not.toHaveProperty(
    'parameters',
  )
})
it('what has no place is refused or dropped', () => {
  const body = { model: 'm', messages: MESSAGES, tools: [] }
  expect(() => toPredict({ body, dropParams: false })).toThrow(expect.objectContaining({ param: 'tools' }))
  const { body: sent, dropped } = toPredict({ body, dropParams: true })
  expect(JSON.stringify(sent)).not.toContain('tools')
  expect(dropped).toEqual(['tools'])
})
it('bookkeeping without a place is told as dropped, not refused', () => {
  const body = { model: 'm', messages: MESSAGES, user: 'Ann', metadata: { a: 'b' }, seed: null }
  const { body: sent, dropped } = toPredict({ body, dropParams: false })
  expect(sent).toEqual(toPredict({ body: { model: 'm', messages: MESSAGES }, dropParams: false }).body)
  expect(dropped).toEqual(['user', 'metadata'])
})

describe('predictions become choices', () => {
  const texts = (predictions: unknown) =>
    (
      fromPredict({ predictions: predictions as never }, 'm', 0) as {
        choices: { message: { content: string } }[]
      }
    ).choices.map(({ message }) => message.content)
  it.each<[unknown, string[]]>([
    [['a'], ['a']],
    [['Prompt:\nhi\nOutput:\na'], ['a']],
    [['Output:\na'], ['Output:\na']],
    [[{ content: 'a' }], ['a']],
    [[{ generated_text: 'a' }], ['a']],
    [[{ candidates: [{ content: 'a' }, { content: 'b' }] }], ['a', 'b']],
    [[['a', 'b']], ['a', 'b']],
    [[{ other: 1 }], []],
  ])('%j', (predictions, expected) => expect(texts(predictions)).toEqual(expected))
  it('or are a completion already', () => {
    const completion = {
      id: 'c1',
      choices: [{ index: 0, message: { role: 'assistant', content: 'a' } }],
      usage: { total_tokens: 3 },
      model: 'other',
    }
    for (const predictions of [completion, [completion]])
      expect(fromPredict({ predictions: predictions as never }, 'm', 0)).toMatchObject({
        id: 'c1',
        model: 'm',
        object: 'chat.completion',
        usage: { total_tokens: 3 },
      })
  })
})

const ask = async (id: string, stream: boolean) => {
  const { channel, requests } = channelOf(() => ({ body: { predictions: ['a'] } }), settings)
  const body = { model: `endpoints/${id}`, messages: MESSAGES, stream }
  const answer = await vertexAi.chat.complete(channel, {
    text: JSON.stringify(body),
    body,
    dropParams: false,
  })
  return { request: requests[0] && wire(requests[0]), answer }
}

it.each([
  ['9001', false, `${PLACE}/9001:predict`],
  ['9001', true, `${PLACE}/9001:predict`],
  ['9002', false, `${PLACE}/9002:rawPredict`],
  ['9002', true, `${PLACE}/9002:streamRawPredict`],
  ['9003', false, `${PLACE}/9003/chat/completions`],
  ['9003', true, `${PLACE}/9003/chat/completions`],
])('endpoint %s, stream %s: %s', async (id, stream, path) => {
  const { request, answer } = await ask(id, stream)
  expect(request).toMatchObject({
    method: 'POST',
    host: 'us-central1-aiplatform.googleapis.com',
    path,
    body: expect.anything(),
  })
  expect(answer.kind).toBe(stream ? 'stream' : 'whole')
})
it('a prediction that was to be streamed is a stream of its own', async () => {
  const { answer } = await ask('9001', true)
  const text = answer.kind === 'stream' ? await new Response(answer.body).text() : ''
  expect(text).toContain('"content":"a"')
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
})

it.each([
  ['7', `${PLACE}/7`],
  ['endpoints/7', `${PLACE}/7`],
  ['p2/us-east1/endpoints/7', '/v1beta1/projects/p2/locations/us-east1/endpoints/7'],
  ['projects/p2/locations/us-east1/endpoints/7', '/v1beta1/projects/p2/locations/us-east1/endpoints/7'],
])('passes through to %s', async (endpoint, path) => {
  const configured = { ...SETTINGS, endpoints: JSON.stringify({ 7: 'raw' }) }
  const { channel, requests } = channelOf(() => ({ body: { predictions: [] } }), configured)
  await vertexAi.predictions?.send(channel, endpoint, 'rawPredict', 'anything')
  expect(requests[0]).toMatchObject({ method: 'POST', body: 'anything', repeat: 'never' })
  expect(requests[0]?.url.pathname).toBe(`${path}:rawPredict`)
})
it('opens no endpoint that is not configured', async () => {
  const { channel, requests } = channelOf(() => ({}))
  await expect(vertexAi.predictions?.send(channel, '8', 'predict', '{}')).rejects.toThrow(/'8'/)
  expect(requests).toEqual([])
})
it.each(['a/b', '../x', 'projects/p/locations/l/models/1', ''])('%j is no endpoint', async endpoint => {
  const { channel, requests } = channelOf(() => ({}))
  await expect(vertexAi.predictions?.send(channel, endpoint, 'predict', '{}')).rejects.toMatchObject({
    status: 400,
  })
  expect(requests).toEqual([])
})
