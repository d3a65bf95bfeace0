import { describe, expect, it } from 'vitest'
import type { AzureConnection } from '../../../shared/config.ts'
import { connect } from '../../../shared/providers/index.ts'
import { streamOf, utf8 } from '../support/bytes.ts'
import { json, startBench } from '../support/context.ts'
import { FILE_ANSWER, JOB_ANSWER } from './recordings.ts'
import {
  APPLICATION,
  ASSERTION,
  DEPLOYER,
  granted,
  isTokenCall,
  KEYED,
  RESOURCE,
  SECRET,
  start,
  TENANT,
  thrownBy,
} from './support.ts'

const { clientSecret: _, ...WITHOUT_PROOF } = APPLICATION
const FEDERATED: AzureConnection = { ...WITHOUT_PROOF, federatedToken: ASSERTION }
const deployment = { name: 'd1', properties: { provisioningState: 'Succeeded' } }

/** Answers the provider well and the token endpoint as told. */
const withTokens = (
  token: () => Response,
  connection: AzureConnection,
  prepare?: Parameters<typeof start>[2],
) =>
  start(
    ({ url }) => {
      if (isTokenCall(url)) return token()
      return json(url.includes('/deployments/') ? deployment : JOB_ANSWER)
    },
    connection,
    prepare,
  )

const oauthError = (number: number, error = 'invalid_client', status = 401) =>
  json(
    {
      error,
      error_description: `AADSTS${number}: It was '${SECRET}' or ${ASSERTION}. Trace ID: x`,
      error_codes: [number],
    },
    status,
  )

describe('a token request', () => {
  it.each([
    ['a secret', APPLICATION, { client_secret: SECRET }],
    [
      'the assertion of another issuer',
      FEDERATED,
      {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: ASSERTION,
      },
    ],
    [
      'a secret before an assertion',
      { ...APPLICATION, federatedToken: ASSERTION },
      { client_secret: SECRET },
    ],
  ])('shows %s', async (_name, connection, proof) => {
    const { provider, channel, sent } = await withTokens(() => granted(), connection)
    await provider.jobs.get(channel, 'ftjob-1')
    expect(sent[0]).toMatchObject({
      method: 'POST',
      url: `https://login.microsoftonline.com/${TENANT}/oauth2/v2.0/token`,
    })
    expect(sent[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded')
    expect(Object.fromEntries(new URLSearchParams(sent[0]?.body))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'the-client',
      scope: 'https://cognitiveservices.azure.com/.default',
      ...proof,
    })
    expect(sent[1]?.headers).toMatchObject({ authorization: 'Bearer token-1' })
    expect(sent[1]?.headers['api-key']).toBeUndefined()
  })

  it('goes to another cloud where one is configured', async () => {
    const { provider, channel, sent } = await start(
      ({ url }) => (url.includes('oauth2') ? granted() : json(JOB_ANSWER)),
      { ...APPLICATION, loginUrl: 'https://login.chinacloudapi.example/base/' },
    )
    await provider.jobs.get(channel, 'ftjob-1')
    expect(sent[0]?.url).toBe(`https://login.chinacloudapi.example/base/${TENANT}/oauth2/v2.0/token`)
  })

  it.each(['evil.com/x', '../common', 'a#b', 'a?b', '@evil.com', '..', 'a b'])(
    'never goes elsewhere: the tenant %j is refused unsent',
    async tenantId => {
      const { provider, channel, sent } = await withTokens(() => granted(), { ...APPLICATION, tenantId })
      await expect(provider.jobs.get(channel, 'x')).rejects.toMatchObject({ status: 401, param: 'tenantId' })
      expect(sent).toEqual([])
    },
  )
})

describe('tokens', () => {
  it('are asked for once, however many calls wait (Portkey 24, LiteLLM 3)', async () => {
    const { provider, channel, sent } = await withTokens(
      () => granted(),
      APPLICATION,
      // Nobody's patience ends while the token is on its way.
      ({ platform }) => {
        platform.clock.sleep = () => new Promise(() => undefined)
      },
    )
    await Promise.all(Array.from({ length: 20 }, (_each, n) => provider.jobs.get(channel, `ftjob-${n}`)))
    await provider.jobs.cancel(channel, 'ftjob-1')
    expect(sent.filter(({ url }) => isTokenCall(url))).toHaveLength(1)
    expect(sent).toHaveLength(22)
  })

  it('are renewed before they expire', async () => {
    let count = 0
    const bench = await withTokens(() => granted(`token-${++count}`), APPLICATION)
    const seen = async () => {
      await bench.provider.jobs.get(bench.channel, 'ftjob-1')
      return bench.sent.at(-1)?.headers.authorization
    }
    expect(await seen()).toBe('Bearer token-1')
    bench.platform.clock.time += 3000_000
    expect(await seen()).toBe('Bearer token-1')
    bench.platform.clock.time += 400_000
    expect(await seen()).toBe('Bearer token-2')
  })

  it('differ by scope: the resource manager gets its own, the resource never sees it', async () => {
    const scopes: string[] = []
    const { provider, channel, sent } = await start(({ url, body }) => {
      if (!isTokenCall(url)) return json(url.includes('/deployments/') ? deployment : JOB_ANSWER)
      const scope = new URLSearchParams(body).get('scope') ?? ''
      scopes.push(scope)
      return granted(scope)
    }, DEPLOYER)
    await provider.jobs.get(channel, 'ftjob-1')
    await provider.deployments.get(channel, 'd1')
    await provider.jobs.get(channel, 'ftjob-1')
    expect(scopes).toEqual([
      'https://cognitiveservices.azure.com/.default',
      'https://management.azure.com/.default',
    ])
    const calls = sent.filter(({ url }) => !isTokenCall(url))
    expect(calls.map(({ url, headers }) => [new URL(url).origin, headers.authorization])).toEqual([
      [RESOURCE, 'Bearer https://cognitiveservices.azure.com/.default'],
      ['https://management.azure.com', 'Bearer https://management.azure.com/.default'],
      [RESOURCE, 'Bearer https://cognitiveservices.azure.com/.default'],
    ])
  })

  it('are only for the resource manager where there is a key; the key never goes there', async () => {
    const { provider, channel, sent } = await withTokens(() => granted(), { ...DEPLOYER, apiKey: 'key-1' })
    await provider.jobs.get(channel, 'ftjob-1')
    await provider.deployments.get(channel, 'd1')
    expect(sent.map(({ headers }) => headers['api-key'])).toEqual(['key-1', undefined, undefined])
    expect(sent[0]?.headers.authorization).toBeUndefined()
    expect(sent[2]?.headers.authorization).toBe('Bearer token-1')
  })

  it('leave an upload a form (Portkey 25: with a token it became JSON)', async () => {
    const { provider, channel, sent } = await start(
      ({ url }) => (isTokenCall(url) ? granted() : json(FILE_ANSWER)),
      APPLICATION,
    )
    const bytes = utf8('\uFEFF{}')
    const open = async () => streamOf([bytes])
    await provider.files.upload(channel, { name: 'a.jsonl', purpose: 'fine-tune', size: bytes.length, open })
    expect(sent[1]?.headers).toMatchObject({ authorization: 'Bearer token-1' })
    expect(sent[1]?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
    expect(sent[1]?.body).toContain('name="purpose"')
  })
})

describe('bad credentials', () => {
  const ROWS: [
    what: string,
    connection: AzureConnection,
    answer: () => Response,
    param: string,
    number: string,
  ][] = [
    ['a wrong secret', APPLICATION, () => oauthError(7000215), 'clientSecret', 'AADSTS7000215'],
    ['an expired secret', APPLICATION, () => oauthError(7000222), 'clientSecret', 'AADSTS7000222'],
    [
      'a wrong tenant',
      APPLICATION,
      () => oauthError(90002, 'invalid_request', 400),
      'tenantId',
      'AADSTS90002',
    ],
    [
      'a tenant that is no name',
      APPLICATION,
      () => oauthError(900023, 'invalid_request', 400),
      'tenantId',
      'AADSTS900023',
    ],
    [
      'a wrong client',
      APPLICATION,
      () => oauthError(700016, 'unauthorized_client', 400),
      'clientId',
      'AADSTS700016',
    ],
    ['an expired assertion', FEDERATED, () => oauthError(700024), 'federatedToken', 'AADSTS700024'],
    [
      'an assertion of another subject',
      FEDERATED,
      () => oauthError(700213),
      'federatedToken',
      'AADSTS700213',
    ],
    [
      'an assertion with a wrong signature',
      FEDERATED,
      () => oauthError(700027),
      'federatedToken',
      'AADSTS700027',
    ],
    [
      'something new about the secret',
      APPLICATION,
      () => oauthError(7999999),
      'clientSecret',
      'AADSTS7999999',
    ],
    [
      'something new about the assertion',
      FEDERATED,
      () => oauthError(7999999),
      'federatedToken',
      'AADSTS7999999',
    ],
    [
      'an error without a list of numbers',
      APPLICATION,
      () => json({ error: 'invalid_client', error_description: 'AADSTS7000215: no' }, 401),
      'clientSecret',
      'AADSTS7000215',
    ],
  ]
  it.each(ROWS)(
    '%s: a 401 that names the setting and nothing of it',
    async (_what, connection, answer, param, number) => {
      const { provider, channel, sent } = await withTokens(answer, connection)
      const error = await thrownBy(() => provider.jobs.get(channel, 'ftjob-1'))
      expect(error).toMatchObject({ status: 401, code: 'provider_authentication_failed', param })
      const said = `${(error as Error).message} ${(error as Error).stack} ${JSON.stringify(error)}`
      expect(said).toContain(number)
      expect(said).toContain(param)
      for (const secret of [SECRET, ASSERTION, 'Trace ID']) expect(said).not.toContain(secret)
      // Asked once, and the provider not at all.
      expect(sent).toHaveLength(1)
    },
  )

  it('are asked for again with the next call: a failure is not remembered', async () => {
    const answers = [oauthError(7000215), granted()]
    const { provider, channel } = await withTokens(() => answers.shift() ?? granted(), APPLICATION)
    await thrownBy(() => provider.jobs.get(channel, 'ftjob-1'))
    expect((await provider.jobs.get(channel, 'ftjob-1')).id).toBe('ftjob-abc123')
  })
})

describe('a token endpoint that fails', () => {
  const ROWS: [what: string, answer: () => Response, status: number, code: string][] = [
    ['500', () => json({}, 500), 502, 'provider_error'],
    ['503 in OAuth’s shape', () => oauthError(90033, 'temporarily_unavailable', 503), 502, 'provider_error'],
    ['429', () => json({ error: 'slow' }, 429), 502, 'provider_error'],
    ['503 that blames the client', () => oauthError(7000215, 'invalid_client', 503), 502, 'provider_error'],
    ['429 that blames the client', () => oauthError(7000215, 'invalid_client', 429), 502, 'provider_error'],
    ['404 of something else', () => new Response('<html>', { status: 404 }), 502, 'provider_error'],
    ['an invalid scope', () => oauthError(1002012, 'invalid_scope', 400), 502, 'provider_error'],
    ['a 200 without a token', () => json({ token_type: 'Bearer' }), 502, 'provider_invalid_answer'],
    [
      'a redirect',
      () => new Response(null, { status: 302, headers: { location: 'https://x.example' } }),
      502,
      'provider_unreachable',
    ],
    [
      'a broken connection',
      () => {
        throw new TypeError('reset')
      },
      502,
      'provider_unreachable',
    ],
  ]
  it.each(ROWS)(
    '%s: says so, is asked once, and is not taken for the provider',
    async (_what, answer, status, code) => {
      const { provider, channel, sent } = await withTokens(answer, APPLICATION)
      const error = await thrownBy(() => provider.jobs.get(channel, 'ftjob-1'))
      expect(error).toMatchObject({
        name: 'ApiError',
        status,
        code,
        message: expect.stringContaining('token endpoint'),
      })
      expect(sent).toHaveLength(1)
    },
  )
})

describe('a connection that lacks something', () => {
  const { baseUrl: __, ...NOWHERE } = KEYED.v1
  const ROWS: [AzureConnection, string, string][] = [
    [NOWHERE, 'baseUrl', 'AZURE_OPENAI_ENDPOINT'],
    [{ provider: 'azure', baseUrl: RESOURCE }, 'apiKey', 'AZURE_OPENAI_API_KEY'],
    [
      { provider: 'azure', baseUrl: RESOURCE, clientId: 'c', clientSecret: 's' },
      'tenantId',
      'AZURE_TENANT_ID',
    ],
    [{ provider: 'azure', baseUrl: RESOURCE, tenantId: 't' }, 'clientId', 'AZURE_CLIENT_ID'],
    [WITHOUT_PROOF, 'clientSecret', 'AZURE_CLIENT_SECRET'],
  ]
  it.each(ROWS)('%j: names %s and %s', async (connection, setting, variable) => {
    const error = await thrownBy(() => start(() => json({}), connection))
    expect(error).toMatchObject({ status: 500, code: 'connection_unconfigured' })
    expect((error as Error).message).toContain(setting)
    expect((error as Error).message).toContain(variable)
  })

  it.each([
    ['tenantId', { ...KEYED.v1, subscriptionId: 's', resourceGroup: 'g', account: 'a' }],
    ['subscriptionId', { ...DEPLOYER, subscriptionId: '' }],
    ['resourceGroup', { ...DEPLOYER, resourceGroup: '' }],
    ['account', { ...DEPLOYER, account: '' }],
  ] satisfies [string, AzureConnection][])(
    'cannot deploy without %s: a 400 that names it',
    async (setting, connection) => {
      const { provider, channel, sent } = await withTokens(() => granted(), connection)
      const error = await thrownBy(() => provider.deployments.get(channel, 'd1'))
      expect(error).toMatchObject({ status: 400, code: 'connection_unconfigured', param: setting })
      expect((error as Error).message).toMatch(/AZURE_/)
      expect(sent).toEqual([])
    },
  )
})

it('calls with a key of the request get nothing of the deployment’s application', async () => {
  const bench = startBench(() => json(deployment), {
    connections: { azure: DEPLOYER },
    defaultConnection: 'azure',
    requestCredentials: true,
  })
  const { provider, channel } = await connect(bench.context, 'azure', { api_key: 'key-of-the-caller' })
  await provider.jobs.get(channel, 'ftjob-1').catch(() => undefined)
  expect(bench.sent[0]?.headers['api-key']).toBe('key-of-the-caller')
  await expect(provider.deployments?.get(channel, 'd1')).rejects.toMatchObject({ status: 400 })
  expect(bench.sent).toHaveLength(1)
})
