/** Chat by deployment, and what Azure adds to the answers. */
import { describe, expect, it } from 'vitest'
import { refusal } from '../support.ts'
import { PREVIEW, tune, useAzure } from './support.ts'

const bench = useAzure()

const question = [{ role: 'user', content: 'What can you do?' }] as const
const messages = () => [...question]

describe('the official clients', () => {
  it('reach a deployment by model on v1, by path on the dated surface', async () => {
    for (const client of [bench.v1(), bench.dated(), bench.dated({ deployment: 'gpt-4.1-mini' })]) {
      const completion = await client.chat.completions.create({ model: 'gpt-4.1-mini', messages: messages() })
      expect(completion).toMatchObject({
        model: 'gpt-4.1-mini-2025-04-14',
        choices: [{ finish_reason: 'stop', content_filter_results: { hate: { filtered: false } } }],
        prompt_filter_results: [{ prompt_index: 0 }],
      })
      expect(completion.usage?.total_tokens).toBeGreaterThan(0)
    }
  })

  it.each(['v1', 'dated'] as const)(
    'cope with the first chunk of a stream, which has no choices: %s',
    async surface => {
      const client = bench[surface]()
      const request = { model: 'gpt-4.1-mini', messages: messages() }
      const whole = await client.chat.completions.create(request)
      const chunks = []
      const stream = await client.chat.completions.create({
        ...request,
        stream: true,
        stream_options: { include_usage: true },
      })
      for await (const chunk of stream) chunks.push(chunk)
      expect(chunks[0]).toMatchObject({ choices: [], prompt_filter_results: [{ prompt_index: 0 }] })
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage })
      const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
      expect(text).toBe(whole.choices[0]?.message.content)
      expect(text).not.toBe('')

      const final = await client.chat.completions.stream(request).finalChatCompletion()
      expect(final.choices[0]?.message.content).toBe(text)
    },
  )

  it('may leave the model out of a dated body', async () => {
    const path = `/deployments/gpt-4.1-mini/chat/completions?api-version=${PREVIEW}`
    expect(await bench.raw('POST', path, { messages: messages() })).toMatchObject({
      status: 200,
      json: { model: 'gpt-4.1-mini-2025-04-14' },
    })
    // What it says instead means nothing: the path decides.
    expect(await bench.raw('POST', path, { model: 'elsewhere', messages: messages() })).toMatchObject({
      status: 200,
    })
  })
})

describe('a deployment', () => {
  it('that is unknown is a 404', async () => {
    for (const client of [bench.v1(), bench.dated()]) {
      const call = client.chat.completions.create({ model: 'none', messages: messages() })
      expect(await refusal(call)).toMatchObject({ status: 404, code: 'DeploymentNotFound' })
    }
  })

  it('goes by its own name, not that of its model', async () => {
    const job = await tune(bench.v1())
    const name = job.fine_tuned_model ?? ''
    for (const model of [name, 'gpt-4.1-mini-2025-04-14']) {
      const call = bench.v1().chat.completions.create({ model, messages: messages() })
      expect(await refusal(call)).toMatchObject({ status: 404, code: 'DeploymentNotFound' })
    }
  })

  it('belongs to one resource', async () => {
    const ask = (resource: string) =>
      bench.v1({ resource }).chat.completions.create({ model: 'gpt-4.1', messages: messages() })
    expect((await ask('sandbox-eastus')).model).toBe('gpt-4.1-2025-04-14')
    expect(await refusal(ask('sandbox-sweden'))).toMatchObject({ status: 404 })
  })
})

describe('a chat is refused', () => {
  it.each([
    ['without messages', {}, 'messages', 'missing_required_parameter'],
    ['with an unknown field', { messages: messages(), provider: 'azure' }, 'provider', 'unknown_parameter'],
    ['too hot', { messages: messages(), temperature: 3 }, 'temperature', 'decimal_above_max_value'],
  ])('%s, with OpenAI’s codes', async (_name, body, param, code) => {
    const calls = [
      bench.raw('POST', '/v1/chat/completions', { model: 'gpt-4.1-mini', ...body }),
      bench.raw('POST', `/deployments/gpt-4.1-mini/chat/completions?api-version=${PREVIEW}`, body),
    ]
    for (const answer of await Promise.all(calls)) {
      expect(answer.status).toBe(400)
      expect(answer.json.error).toMatchObject({ param, type: 'invalid_request_error' })
      expect((answer.json.error as { code: string }).code).toMatch(/parameter|value/)
      if (param !== 'temperature') expect(answer.json.error).toMatchObject({ code })
    }
  })
})

it('answers carry the ids and the region that support asks for', async () => {
  for (const path of ['/v1/models', '/v1/nothing', '/v1/files/none']) {
    const { headers } = await bench.raw('GET', path)
    expect(headers.get('apim-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers.get('x-ms-region')).toBe('eastus2')
  }
})

it('a fault hits Azure by its path', async () => {
  bench.fault({ kind: 'status', status: 429, path: '^/azure/sandbox-eastus/openai/v1/chat' })
  const ask = () => bench.v1().chat.completions.create({ model: 'gpt-4.1-mini', messages: messages() })
  expect(await refusal(ask())).toMatchObject({ status: 429 })
  expect((await ask()).choices).toHaveLength(1)
})
