import { beforeAll, describe, expect, it } from 'vitest'
import { type Gateway, SANDBOX, startGateway } from '../support/gateway.ts'
import { providerVariables } from '../support/providers.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

describe('online prediction on Vertex AI', () => {
  let gateway: Gateway
  let key: string
  beforeAll(async () => {
    const variables = { ...(await providerVariables(SANDBOX)), VERTEX_ENDPOINTS: '{"9001":"predict"}' }
    gateway = startGateway({ variables })
    key = await gateway.key()
  })
  const send = (path: string, body: unknown, as: string | null = key) =>
    gateway.fetch(`/v1/vertex_ai/endpoints/${path}`, {
      method: 'POST',
      key: as,
      headers: JSON_TYPE,
      body: JSON.stringify(body),
    })

  it('passes a prediction through, both ways as it is', async () => {
    const answer = await send('9001:predict', {
      instances: [{ prompt: 'hello' }],
      parameters: { temperature: 0 },
    })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
    expect(await answer.json()).toMatchObject({ predictions: [expect.anything()] })
  })

  it.each(['rawPredict', 'streamRawPredict'])('passes %s through', async verb => {
    const answer = await send(`9001:${verb}`, { model: 'x', messages: [{ role: 'user', content: 'hello' }] })
    expect(answer.status).toBe(200)
    expect((await answer.text()).length).toBeGreaterThan(0)
  })

  it('answers a chat on it', async () => {
    const client = await gateway.client(key)
    const answer = await client.chat.completions.create({
      model: 'vertex_ai/endpoints/9001',
      messages: [{ role: 'user', content: 'hello' }],
    })
    expect(answer.choices[0]?.message.content).toBeTruthy()
  })

  it.each([
    ['9001:explain', 404],
    ['9001', 404],
    ['1234:predict', 400],
  ])('knows nothing of %s', async (path, status) => {
    const answer = await send(path, { instances: [] })
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status,
      body: { error: { message: expect.any(String), code: expect.any(String) } },
    })
  })

  it('is closed without a key', async () => {
    expect((await send('9001:predict', {}, null)).status).toBe(401)
  })
})
