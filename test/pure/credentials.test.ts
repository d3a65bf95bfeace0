import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RequestContext, shareContext } from '../../functions/context.ts'
import type { Config, ConfigValue, ConnectionConfig } from '../../shared/config.ts'
import { defineConfig } from '../../shared/config.ts'
import { resolveField } from '../../shared/credentials/index.ts'
import { ApiError, type RequestCredentials } from '../../shared/openai/index.ts'
import { connect, connectionName, reconnect, type Wish } from '../../shared/providers/index.ts'
import { complete } from '../../shared/serving/index.ts'
import { json, startBench } from './support/context.ts'

describe('one field of a connection', () => {
  /** Each source gives a value of its own name, if it has one. */
  const resolve = async (has: {
    request?: boolean
    config?: 'literal' | 'env' | 'secret' | 'env missing' | 'secret missing'
    environment?: boolean
    secret?: boolean
    fallback?: boolean
  }) => {
    const asked: string[] = []
    const configured: Record<NonNullable<typeof has.config>, ConfigValue> = {
      literal: 'from the configuration',
      env: { env: 'NAMED_ENV' },
      secret: { secret: 'NAMED_SECRET' },
      'env missing': { env: 'MISSING' },
      'secret missing': { secret: 'MISSING' },
    }
    const environment: Record<string, string> = {
      NAMED_ENV: 'from the named variable',
      ...(has.environment && { KEY: 'from the environment' }),
    }
    const secrets: Record<string, string> = {
      NAMED_SECRET: 'from the named secret',
      ...(has.secret && { KEY: 'from the secrets' }),
    }
    const value = await resolveField(
      { name: 'KEY', kind: 'credential', ...(has.fallback && { fallback: 'the fallback' }) },
      has.request ? 'from the request' : undefined,
      has.config && configured[has.config],
      {
        environment: { get: name => environment[name] },
        secrets: {
          async get(name) {
            asked.push(name)
            return secrets[name]
          },
        },
      },
    )
    return { value, asked }
  }

  it.each([
    [{}, undefined],
    [{ fallback: true }, 'the fallback'],
    [{ secret: true, fallback: true }, 'from the secrets'],
    [{ environment: true, secret: true, fallback: true }, 'from the environment'],
    [{ config: 'literal', environment: true, secret: true, fallback: true }, 'from the configuration'],
    [{ config: 'env', environment: true, secret: true, fallback: true }, 'from the named variable'],
    [{ config: 'secret', environment: true, secret: true, fallback: true }, 'from the named secret'],
    [{ config: 'env missing', environment: true, secret: true }, 'from the environment'],
    [{ config: 'secret missing', secret: true }, 'from the secrets'],
    [{ config: 'secret missing', fallback: true }, 'the fallback'],
    [
      { request: true, config: 'literal', environment: true, secret: true, fallback: true },
      'from the request',
    ],
  ] as const)('%j: %s', async (has, expected) => {
    expect((await resolve(has)).value).toBe(expected)
  })

  it('asks no secret that is not needed', async () => {
    expect((await resolve({ request: true, config: 'secret' })).asked).toEqual([])
    expect((await resolve({ environment: true, secret: true })).asked).toEqual([])
    expect((await resolve({ config: 'secret' })).asked).toEqual(['NAMED_SECRET'])
  })

  it('comes from the first source that has it, whichever have', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          request: fc.boolean(),
          config: fc.constantFrom('literal' as const, undefined),
          environment: fc.boolean(),
          secret: fc.boolean(),
          fallback: fc.boolean(),
        }),
        async ({ config, ...has }) => {
          const order = [
            has.request && 'from the request',
            config && 'from the configuration',
            has.environment && 'from the environment',
            has.secret && 'from the secrets',
            has.fallback && 'the fallback',
          ]
          const { value } = await resolve({ ...has, ...(config && { config }) })
          expect(value).toBe(order.find(Boolean) || undefined)
        },
      ),
    )
  })
})

describe('a connection', () => {
  const settingsOf = async (
    config: Partial<Config>,
    wish: Wish = {},
    variables: Record<string, string> = {},
  ) => {
    const { context, platform } = startBench(() => json({}), config)
    platform.variables = variables
    const { channel, account } = await connect(context, 'openai', wish)
    return { settings: channel.settings, account }
  }
  const account: ConnectionConfig = {
    provider: 'openai',
    apiKey: 'sk-deployment',
    organization: 'org-deployment',
    project: 'proj-deployment',
  }
  const open: Partial<Config> = { connections: { openai: account }, requestCredentials: true }

  it('is resolved field by field', async () => {
    const { settings } = await settingsOf(
      { connections: { openai: { provider: 'openai', organization: 'org-config' } } },
      {},
      { OPENAI_API_KEY: 'sk-env', OPENAI_ORG_ID: 'org-env', OPENAI_PROJECT_ID: 'proj-env' },
    )
    expect(settings).toEqual({
      apiKey: 'sk-env',
      organization: 'org-config',
      project: 'proj-env',
      baseUrl: 'https://api.openai.com/v1',
    })
  })

  it("with the caller's key has nothing of the deployment's account", async () => {
    const { settings, account: whose } = await settingsOf(
      open,
      { api_key: 'sk-caller', api_base: 'https://other.example/v1' },
      { OPENAI_ORG_ID: 'org-env' },
    )
    expect(settings).toEqual({ apiKey: 'sk-caller', baseUrl: 'https://other.example/v1' })
    expect(whose).toMatch(/^openai#[0-9a-f]{12}$/)
    expect(whose).not.toContain('sk-caller')
  })

  it('with different keys is of different accounts, with the same of the same', async () => {
    const [one, again, two] = await Promise.all(
      ['sk-1', 'sk-1', 'sk-2'].map(async api_key => (await settingsOf(open, { api_key })).account),
    )
    expect(one).toBe(again)
    expect(one).not.toBe(two)
  })

  it("never sends the deployment's key to a host of the caller (GitLab CVE-2026-75871)", async () => {
    await expect(settingsOf(open, { api_base: 'https://evil.example' })).rejects.toMatchObject({
      status: 400,
      param: 'api_base',
    })
  })

  it.each([
    { api_key: 'sk-caller' },
    { api_base: 'https://evil.example' },
    { api_key: 'k', api_base: 'https://evil.example' },
  ])('takes nothing from requests unless the deployment says so: %j', async wish => {
    await expect(settingsOf({ connections: { openai: account } }, wish)).rejects.toMatchObject({
      status: 403,
      code: 'permission_denied',
    })
  })

  it("does not remember the caller's key for the next one", async () => {
    const { context } = startBench(() => json({}), open)
    await connect(context, 'openai', { api_key: 'sk-caller' })
    expect((await connect(context, 'openai')).channel.settings.apiKey).toBe('sk-deployment')
    await connect(context, 'openai', { api_key: 'sk-caller' })
    expect((await connect(context, 'openai')).channel.settings.apiKey).toBe('sk-deployment')
  })

  it('without a key says which is missing', async () => {
    await expect(settingsOf({})).rejects.toMatchObject({
      status: 500,
      code: 'connection_unconfigured',
      message: expect.stringContaining('OPENAI_API_KEY'),
    })
  })

  it('is found again with the same key only', async () => {
    const { context } = startBench(() => json({}), open)
    const { account: whose } = await connect(context, 'openai', { api_key: 'sk-caller' })
    const refused = { status: 409, code: 'credentials_required' }
    await expect(reconnect(context, 'openai', whose)).rejects.toMatchObject(refused)
    await expect(
      reconnect({ ...context, credentials: { api_key: 'sk-other' } }, 'openai', whose),
    ).rejects.toMatchObject(refused)
    const found = await reconnect({ ...context, credentials: { api_key: 'sk-caller' } }, 'openai', whose)
    expect(found.account).toBe(whose)
    expect((await reconnect(context, 'openai', 'openai')).channel.settings.apiKey).toBe('sk-deployment')
  })
})

describe('the name of a connection', () => {
  const config = defineConfig({
    connections: { eu: { provider: 'openai' }, us: { provider: 'openai' } },
    defaultConnection: 'us',
  })
  it.each([
    [{}, undefined, 'us'],
    [{}, 'eu', 'eu'],
    [{ provider: 'eu' }, undefined, 'eu'],
    [{ provider: 'us' }, 'eu', 'us'],
    [{ custom_llm_provider: 'eu' }, 'us', 'eu'],
    // A provider's own name is its first connection.
    [{ provider: 'openai' }, undefined, 'eu'],
    [{}, 'openai', 'eu'],
  ])('%j, prefix %s: %s', (wish, prefix, expected) => {
    expect(connectionName({ config }, wish, prefix)).toBe(expected)
  })

  it.each(['vertex', 'constructor', '__proto__', 'toString'])(
    'of %s is unknown, and the known ones are named',
    provider => {
      expect(() => connectionName({ config }, { provider })).toThrow(ApiError)
      expect(() => connectionName({ config }, { custom_llm_provider: provider })).toThrow(/eu, us/)
    },
  )

  it.each([
    ['body over header', { provider: 'eu' }, 'us', 'asia', 'eu'],
    ['alias over header', { custom_llm_provider: 'eu' }, 'us', 'asia', 'eu'],
    ['header over prefix', {}, 'us', 'eu', 'us'],
    ['prefix over default', {}, undefined, 'eu', 'eu'],
    ["a provider's name in the header", {}, 'openai', undefined, 'eu'],
  ])('is taken from %s', (_, wish, provider, prefix, expected) => {
    expect(connectionName({ config, provider }, wish, prefix)).toBe(expected)
  })

  it('of the header is refused when it is unknown', () => {
    expect(() => connectionName({ config, provider: 'vertex' }, {})).toThrow(/'vertex'.*eu, us/)
  })

  it.each([
    ['', {}, undefined],
    ['', { 'x-tunegate-provider': 'eu' }, 'eu'],
    ['?provider=us', {}, 'us'],
    ['?provider=us', { 'x-tunegate-provider': 'eu' }, 'eu'],
    ['?custom_llm_provider=us', {}, 'us'],
    ['?custom_llm_provider=us&provider=eu', {}, 'eu'],
    ['?limit=3', {}, undefined],
    ['?a=b&provider=a%20b', {}, 'a b'],
  ])('is read from %j with %j: %s', (query, headers, expected) => {
    const { context, platform } = startBench(() => json({}))
    const shared = shareContext(context.config, context.caches, platform)
    const request = new Request(`http://gateway.test/v1/models${query}`, { headers })
    expect(new RequestContext(shared, request).provider).toBe(expected)
    expect(new RequestContext(shared, request).detached().provider).toBe(expected)
  })

  it('must be one that there is', () => {
    for (const defaultConnection of ['other', 'toString']) {
      expect(() => defineConfig({ connections: { eu: { provider: 'openai' } }, defaultConnection })).toThrow(
        defaultConnection,
      )
    }
  })
})

describe('two connections of one provider', () => {
  const start = (parts: Partial<Config> = {}) =>
    startBench(() => json({ id: 'x' }), {
      connections: {
        eu: { provider: 'openai', apiKey: 'sk-eu', baseUrl: 'https://eu.example/v1' },
        us: { provider: 'openai', apiKey: 'sk-us', baseUrl: 'https://us.example/v1' },
      },
      defaultConnection: 'us',
      ...parts,
    })
  const messages = [{ role: 'user', content: 'hi' }]

  it.each([
    ['the default', { model: 'm' }, undefined, 'us', 'm'],
    ['the prefix', { model: 'eu/m' }, undefined, 'eu', 'm'],
    ["the provider's prefix", { model: 'openai/m' }, undefined, 'eu', 'm'],
    ['the header', { model: 'm' }, 'eu', 'eu', 'm'],
    ['the header over the prefix', { model: 'eu/m' }, 'us', 'us', 'm'],
    ['the body over the header', { model: 'm', provider: 'eu' }, 'us', 'eu', 'm'],
    ['the body over the prefix', { model: 'us/m', provider: 'eu' }, undefined, 'eu', 'm'],
    ['a prefix that is none', { model: 'asia/m' }, undefined, 'us', 'asia/m'],
  ])('are told apart by %s: key, host and model', async (_, fields, provider, name, model) => {
    const { context, sent } = start()
    await complete({ ...context, provider }, 'owner', JSON.stringify({ ...fields, messages }))
    expect(sent).toHaveLength(1)
    expect(sent[0]?.url).toBe(`https://${name}.example/v1/chat/completions`)
    expect(sent[0]?.headers.authorization).toBe(`Bearer sk-${name}`)
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({ model, messages })
  })

  it('are two accounts', async () => {
    const { context } = start()
    const [eu, us] = await Promise.all(['eu', 'us'].map(name => connect(context, name)))
    expect([eu?.account, us?.account]).toEqual(['eu', 'us'])
    expect(eu?.channel.settings.apiKey).toBe('sk-eu')
    expect((await connect(context, 'us')).channel.settings.apiKey).toBe('sk-us')
  })

  it("keep a caller's key apart by the connection it was for", async () => {
    const { context } = start({ requestCredentials: true })
    const [eu, us] = await Promise.all(
      ['eu', 'us'].map(name => connect(context, name, { api_key: 'sk-caller' })),
    )
    expect(eu?.account).toMatch(/^eu#/)
    expect(us?.account).toMatch(/^us#/)
  })
})

describe('credentials of a request, for each provider', () => {
  const start = () =>
    startBench(() => json({}), {
      connections: {
        openai: { provider: 'openai', apiKey: 'sk-deployment' },
        azure: {
          provider: 'azure',
          apiKey: 'azure-deployment',
          baseUrl: 'https://deployment.openai.azure.com',
          tenantId: 't',
          clientId: 'c',
          clientSecret: 'azure-deployment-secret',
        },
        vertex: {
          provider: 'vertex_ai',
          credentials: '{"private_key":"vertex-deployment"}',
          project: 'deployment-project',
          location: 'us-central1',
          bucket: 'deployment-bucket',
        },
        bedrock: {
          provider: 'bedrock',
          accessKeyId: 'AKIADEPLOYMENT',
          secretAccessKey: 'aws-deployment',
          sessionToken: 'aws-deployment-session',
          region: 'us-west-2',
          roleArn: 'arn:aws:iam::1:role/deployment',
          bucket: 'deployment-bucket',
        },
      },
      requestCredentials: true,
    })

  it.each<[string, Wish, string]>([
    ['openai', { api_base: 'https://a.example/v1' }, 'api_base'],
    ['azure', { api_base: 'https://a.openai.azure.com' }, 'api_base'],
    ['azure', { api_version: '2024-10-21' }, 'api_version'],
    ['vertex', { vertex_project: 'p' }, 'vertex_project'],
    ['vertex', { vertex_location: 'l' }, 'vertex_location'],
    ['bedrock', { aws_region_name: 'eu-west-1' }, 'aws_region_name'],
  ])('%s: %j is only taken together with a credential', async (name, wish, param) => {
    const { context } = start()
    await expect(connect(context, name, wish)).rejects.toMatchObject({
      status: 400,
      param,
      message: expect.stringContaining('together with a credential'),
    })
  })

  it.each<[string, Wish, string]>([
    ['openai', { api_key: 'k', vertex_project: 'p' }, 'vertex_project'],
    ['openai', { api_key: 'k', api_version: '1' }, 'api_version'],
    ['openai', { aws_access_key_id: 'k' }, 'aws_access_key_id'],
    ['azure', { api_key: 'k', aws_region_name: 'r' }, 'aws_region_name'],
    ['vertex', { vertex_credentials: {}, api_version: '1' }, 'api_version'],
    [
      'bedrock',
      { aws_access_key_id: 'a', aws_secret_access_key: 's', vertex_location: 'l' },
      'vertex_location',
    ],
  ])('%s: what it has no use for is refused (%j)', async (name, wish, param) => {
    const { context } = start()
    await expect(connect(context, name, wish)).rejects.toMatchObject({
      status: 400,
      param,
      message: expect.stringContaining(`'${param}'`),
    })
  })

  it.each<[string, Wish]>([
    ['openai', { api_key: 'caller' }],
    ['azure', { api_key: 'caller' }],
    ['vertex', { vertex_credentials: { private_key: 'caller' }, vertex_project: 'p', vertex_location: 'l' }],
    ['bedrock', { aws_access_key_id: 'caller', aws_secret_access_key: 'caller' }],
    [
      'bedrock',
      { aws_access_key_id: 'caller', aws_secret_access_key: 'caller', aws_region_name: 'eu-west-1' },
    ],
  ])("%s: nothing of the deployment's account goes along with %j, only places", async (name, wish) => {
    const { context } = start()
    const found = await connect(context, name, wish).catch((error: unknown) => error)
    if (found instanceof ApiError) {
      // What the caller has to bring as well is named, and is not taken from the deployment.
      expect(found).toMatchObject({ status: 400, code: 'connection_unconfigured' })
      return
    }
    const { channel, provider, account } = found as Awaited<ReturnType<typeof connect>>
    expect(account).toMatch(new RegExp(`^${name}#[0-9a-f]{12}$`))
    for (const [field, spec] of Object.entries(provider.fields)) {
      if (spec.kind !== 'place') expect(channel.settings[field] ?? '', field).not.toMatch(/deployment/i)
    }
  })

  it.each<[string, Wish]>([
    ['bedrock', { aws_access_key_id: 'caller' }],
    ['bedrock', { aws_secret_access_key: 'caller' }],
    ['bedrock', { aws_session_token: 'caller' }],
  ])('%s: half of a credential (%j) is not made whole with the deployment’s', async (name, wish) => {
    const { context } = start()
    await expect(connect(context, name, wish)).rejects.toMatchObject({
      status: 400,
      code: 'connection_unconfigured',
    })
  })

  const HEADERS: [string, RequestCredentials][] = [
    ['openai', { api_key: 'caller' }],
    [
      'bedrock',
      { aws_access_key_id: 'caller', aws_secret_access_key: 'caller', aws_region_name: 'eu-west-1' },
    ],
    ['vertex', { vertex_credentials: '{"private_key":"caller"}', vertex_project: 'p', vertex_location: 'l' }],
  ]
  it.each(HEADERS)('%s: an account is found again by the headers of the same', async (name, credentials) => {
    const { context, platform } = start()
    const made = await connect(context, name, credentials).catch((error: unknown) => error)
    // Where more has to be brought than requests can, nothing can have been made.
    if (made instanceof ApiError) return expect(made.code).toBe('connection_unconfigured')
    const { account } = made as Awaited<ReturnType<typeof connect>>
    const headers = Object.fromEntries(
      Object.entries(credentials).map(([field, value]) => [
        `x-tunegate-${field.replaceAll('_', '-')}`,
        String(value),
      ]),
    )
    const shared = shareContext(context.config, context.caches, platform)
    const again = new RequestContext(shared, new Request('http://gateway.test/', { headers }))
    expect(again.credentials).toEqual(credentials)
    expect((await reconnect(again, name, account)).account).toBe(account)
    const refused = { status: 409, code: 'credentials_required' }
    const others: RequestCredentials[] = [
      { api_key: 'other' },
      { aws_access_key_id: 'other', aws_secret_access_key: 'other' },
      { vertex_credentials: 'other' },
    ]
    for (const other of others)
      await expect(reconnect({ ...context, credentials: other }, name, account)).rejects.toMatchObject(
        refused,
      )
    await expect(reconnect(context, name, account)).rejects.toMatchObject(refused)
  })
})
