import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Config, ConfigValue, ConnectionConfig } from '../../shared/config.ts'
import { defineConfig } from '../../shared/config.ts'
import { resolveField } from '../../shared/credentials/index.ts'
import { ApiError } from '../../shared/openai/index.ts'
import { connect, connectionName, reconnect, type Wish } from '../../shared/providers/index.ts'
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

  it('must be one that there is', () => {
    for (const defaultConnection of ['other', 'toString']) {
      expect(() => defineConfig({ connections: { eu: { provider: 'openai' } }, defaultConnection })).toThrow(
        defaultConnection,
      )
    }
  })
})
