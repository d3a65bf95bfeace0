/** Keys, Entra tokens, and API versions: who gets in, by which door. */
import { createRemoteJWKSet, jwtVerify } from 'jose'
import OpenAI, { AzureOpenAI } from 'openai'
import { describe, expect, it } from 'vitest'
import { refusal } from '../support.ts'
import { answered, FIRST, PREVIEW, SCOPES, useAzure } from './support.ts'

const bench = useAzure()

const DATED = `/files?api-version=${PREVIEW}`
const V1 = '/v1/files'

const status = async (path: string, headers: Record<string, string>): Promise<number> =>
  (await bench.raw('GET', path, undefined, headers)).status

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('the data plane', () => {
  it.each([V1, DATED])('wants a key or a token: %s', async path => {
    const refused: Record<string, string>[] = [
      {},
      { 'api-key': '' },
      { 'api-key': 'wrong' },
      { 'api-key': `${bench.azure.apiKey}x` },
      { 'api-key': bench.keyOf('sandbox-sweden') },
      bearer('wrong'),
      bearer('eyJhbGciOiJub25lIn0.e30.'),
      { authorization: `Basic ${bench.azure.apiKey}` },
      { authorization: bench.azure.apiKey },
    ]
    for (const headers of refused) {
      const { status, json } = await bench.raw('GET', path, undefined, headers)
      expect(status).toBe(401)
      expect(json).toMatchObject({ error: { code: '401', message: expect.any(String) } })
    }
    expect(await status(path, { 'api-key': bench.azure.apiKey })).toBe(200)
  })

  it('takes tokens for its own audience only', async () => {
    const tokens = {
      data: await bench.token(SCOPES.data),
      foundry: await bench.token(SCOPES.foundry),
      arm: await bench.token(SCOPES.arm),
    }
    const seen = async (path: string) => [
      await status(path, bearer(tokens.data)),
      await status(path, bearer(tokens.foundry)),
      await status(path, bearer(tokens.arm)),
    ]
    expect(await seen(V1)).toEqual([200, 200, 401])
    expect(await seen(DATED)).toEqual([200, 401, 401])
  })

  it('takes no token after its time, nor one that was changed', async () => {
    const good = await bench.token(SCOPES.data)
    const [head, body = '', signature] = good.split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    const changed = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp + 60 })).toString('base64url')
    expect(await status(V1, bearer([head, changed, signature].join('.')))).toBe(401)
    bench.azure.change({ tokenSeconds: -1 })
    expect(await status(V1, bearer(await bench.token(SCOPES.data)))).toBe(401)
    expect(await status(V1, bearer(good))).toBe(200)
  })

  it('does not take an assertion for a token', async () => {
    const assertion = await bench.azure.mintAssertion({ audience: 'https://cognitiveservices.azure.com' })
    expect(await status(V1, bearer(assertion))).toBe(401)
  })

  it('takes the key as a bearer token on v1, as the client sends it, but not on the dated surface', async () => {
    expect(await status(V1, bearer(bench.azure.apiKey))).toBe(200)
    expect(await status(DATED, bearer(bench.azure.apiKey))).toBe(401)
  })

  it('lets the official clients in with a token provider', async () => {
    const azureADTokenProvider = () => bench.token(SCOPES.data)
    const dated = new AzureOpenAI({
      endpoint: bench.azure.baseUrl(),
      apiVersion: FIRST,
      azureADTokenProvider,
      maxRetries: 0,
    })
    const v1 = new OpenAI({
      baseURL: `${bench.azure.baseUrl()}/openai/v1`,
      apiKey: azureADTokenProvider,
      maxRetries: 0,
    })
    for (const client of [dated, v1]) expect((await client.files.list()).data).toEqual([])
  })

  it('knows only its own resources and paths', async () => {
    const unknown = new OpenAI({
      baseURL: `${bench.azure.baseUrl('elsewhere')}/openai/v1`,
      apiKey: bench.azure.apiKey,
      maxRetries: 0,
    })
    expect(await refusal(unknown.files.list())).toMatchObject({ status: 404, code: '404' })
    expect(await bench.raw('GET', '/v1/nothing')).toMatchObject({
      status: 404,
      json: { error: { code: '404' } },
    })
    expect((await bench.raw('GET', `/nothing?api-version=${PREVIEW}`)).status).toBe(404)
    expect((await bench.raw('GET', '/v1/chat/completions')).status).toBe(404)
  })
})

describe('api-version', () => {
  it.each([
    ['/files', 404],
    ['/files?api-version=', 404],
    ['/files?api-version=2020-01-01', 400],
    ['/files?api-version=v1', 400],
    [`/files?api-version=${FIRST}`, 200],
    [DATED, 200],
    ['/v1/files?api-version=v1', 200],
    ['/v1/files?api-version=preview', 200],
    [`/v1/files?api-version=${FIRST}`, 400],
    ['/deployments/gpt-4.1-mini/chat/completions', 404],
  ])('GET %s is a %i', async (path, expected) => {
    expect(await status(path, { 'api-key': bench.azure.apiKey })).toBe(expected)
  })

  it('is needed for a chat by deployment too', async () => {
    const body = { messages: [{ role: 'user', content: 'hi' }] }
    const path = '/deployments/gpt-4.1-mini/chat/completions'
    expect((await bench.raw('POST', path, body)).status).toBe(404)
    expect((await bench.raw('POST', `${path}?api-version=2020-01-01`, body)).status).toBe(400)
    expect((await bench.raw('POST', `${path}?api-version=${FIRST}`, body)).status).toBe(200)
  })
})

describe('Entra', () => {
  it('gives a token to the client with its secret', async () => {
    const { status, json } = await bench.login()
    expect(status).toBe(200)
    expect(json).toMatchObject({ token_type: 'Bearer', expires_in: 3599, access_token: expect.any(String) })
  })

  it('publishes the key that federated assertions are signed with', async () => {
    const keys = createRemoteJWKSet(new URL(`${bench.azure.loginUrl}/federation/keys`))
    const { payload } = await jwtVerify(await bench.azure.mintAssertion({ subject: 'me' }), keys)
    expect(payload).toMatchObject({ sub: 'me', aud: 'api://AzureADTokenExchange' })
    await expect(jwtVerify(await bench.token(SCOPES.data), keys)).rejects.toThrow()
  })

  it('gives a token to the federated identity', async () => {
    const { status, json } = await bench.login({
      client_secret: undefined,
      client_assertion: await bench.azure.mintAssertion(),
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      scope: SCOPES.arm,
    })
    expect(status).toBe(200)
    expect(json.access_token).toEqual(expect.any(String))
  })

  it.each([
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
    ['no credential at all', { client_secret: undefined }, 401, 'invalid_client', 7000218],
    ['an unknown client', { client_id: 'nobody' }, 400, 'unauthorized_client', 700016],
    ['no client', { client_id: undefined }, 400, 'invalid_request', 900144],
    ['another grant', { grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
    ['no grant', { grant_type: undefined }, 400, 'invalid_request', 900144],
    ['no scope', { scope: undefined }, 400, 'invalid_request', 900144],
    ['a scope that is no default', { scope: 'https://ai.azure.com/read' }, 400, 'invalid_scope', 1002012],
    ['two scopes', { scope: `${SCOPES.data} ${SCOPES.arm}` }, 400, 'invalid_scope', 1002012],
    ['a scope of elsewhere', { scope: 'https://elsewhere/.default' }, 400, 'invalid_resource', 500011],
  ])('refuses %s', async (_name, changes, expected, error, number) => {
    const { status, json } = await bench.login(changes)
    expect(status).toBe(expected)
    expect(json).toMatchObject({
      error,
      error_codes: [number],
      error_description: expect.stringContaining(`AADSTS${number}:`),
    })
    expect(JSON.stringify(json)).not.toContain(bench.azure.clientSecret)
  })

  it('refuses an unknown tenant', async () => {
    expect(await bench.login({}, 'elsewhere')).toMatchObject({
      status: 400,
      json: { error: 'invalid_request', error_codes: [90002] },
    })
  })

  it('refuses JSON in place of a form', async () => {
    const { loginUrl, tenantId, clientId, clientSecret } = bench.azure
    const response = await fetch(`${loginUrl}/${tenantId}/oauth2/v2.0/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ grant_type: 'client_credentials', client_id: clientId, clientSecret }),
    })
    expect(await answered(response)).toMatchObject({ status: 400, json: { error_codes: [900144] } })
  })

  const ASSERTED = {
    client_secret: undefined,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  }

  it.each([
    ['that has expired', { expiresInSeconds: -60 }, 700024],
    ['for another audience', { audience: 'https://elsewhere' }, 700212],
    ['of another issuer', { issuer: 'https://elsewhere' }, 700211],
    ['of another subject', { subject: 'someone:else' }, 700213],
  ])('refuses an assertion %s', async (_name, changes, number) => {
    const client_assertion = await bench.azure.mintAssertion(changes)
    expect(await bench.login({ ...ASSERTED, client_assertion })).toMatchObject({
      status: 401,
      json: { error: 'invalid_client', error_codes: [number] },
    })
  })

  it('refuses an assertion with another signature, or of another form or type', async () => {
    const [head, body] = (await bench.azure.mintAssertion()).split('.')
    const [, , other] = (await bench.token(SCOPES.data)).split('.')
    expect(await bench.login({ ...ASSERTED, client_assertion: [head, body, other].join('.') })).toMatchObject(
      {
        status: 401,
        json: { error_codes: [700027] },
      },
    )
    expect(await bench.login({ ...ASSERTED, client_assertion: 'nonsense' })).toMatchObject({
      status: 401,
      json: { error_codes: [50027] },
    })
    const client_assertion = await bench.azure.mintAssertion()
    for (const client_assertion_type of [undefined, 'jwt']) {
      expect(
        await bench.login({ client_secret: undefined, client_assertion, client_assertion_type }),
      ).toMatchObject({
        status: 400,
        json: { error: 'invalid_request' },
      })
    }
  })
})

describe('/_sandbox/azure', () => {
  const control = async (path: string, body?: unknown) =>
    answered(
      await fetch(`${bench.origin}/_sandbox/azure${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    )

  it('says all that a client in another runtime needs', async () => {
    const { json } = await control('')
    const { baseUrl, mintAssertion: _, change: __, ...facts } = bench.azure
    expect(json).toEqual({ ...facts, baseUrl: baseUrl(), assertion: expect.any(String) })
    const { assertion } = (await control('/assertion', { expiresInSeconds: -60 })).json
    const login = (client_assertion: unknown) =>
      bench.login({
        client_secret: undefined,
        client_assertion: String(client_assertion),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      })
    expect((await login(json.assertion)).status).toBe(200)
    expect((await login(assertion)).status).toBe(401)
  })

  it('changes the settings, known ones only', async () => {
    expect(await control('/settings', { filePolls: 7 })).toMatchObject({
      status: 200,
      json: { filePolls: 7, deploymentPolls: 2, tokenSeconds: 3599 },
    })
    expect((await control('/settings', { polls: 7 })).status).toBe(400)
    expect((await control('/settings', { filePolls: -1 })).status).toBe(400)
  })
})
