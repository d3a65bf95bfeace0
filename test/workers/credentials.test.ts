import { adminSecretsStore } from 'cloudflare:test'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Config } from '../../shared/config.ts'
import { SANDBOX, sandbox, startGateway } from '../support/gateway.ts'
import { bindings } from '../support/ground-cloudflare.ts'

const keysSeen = async () => (await sandbox.requests()).map(({ headers }) => headers.authorization)
const chat = { model: 'gpt-4.1-mini', messages: [{ role: 'user' as const, content: 'hello' }] }

/** The credential with which a provider was called, by where it was to be found. */
describe('the credential chain, in workerd', () => {
  beforeEach(() => sandbox.reset())

  const REQUEST = { requestCredentials: true }
  const CONFIG: Partial<Config> = {
    connections: { openai: { provider: 'openai', apiKey: 'sk-from-config' } },
  }

  const SOURCES: {
    source: string
    config: Partial<Config>
    variables: Record<string, string>
    body: object
    seen: string
  }[] = [
    {
      source: 'the request',
      config: { ...REQUEST, ...CONFIG },
      variables: { OPENAI_API_KEY: 'sk-from-env' },
      body: { api_key: 'sk-from-request' },
      seen: 'sk-from-request',
    },
    {
      source: 'the configuration',
      config: CONFIG,
      variables: { OPENAI_API_KEY: 'sk-from-env' },
      body: {},
      seen: 'sk-from-config',
    },
    {
      source: 'an environment variable that the configuration names',
      config: { connections: { openai: { provider: 'openai', apiKey: { env: 'OTHER' } } } },
      variables: { OTHER: 'sk-from-other', OPENAI_API_KEY: 'sk-from-env' },
      body: {},
      seen: 'sk-from-other',
    },
    {
      source: 'the environment',
      config: {},
      variables: { OPENAI_API_KEY: 'sk-from-env' },
      body: {},
      seen: 'sk-from-env',
    },
  ]
  it.each(SOURCES)('takes the key from $source', async ({ config, variables, body, seen }) => {
    const client = await startGateway({ config, variables }).client()
    // Only one key is right at the sandbox: what counts is which one it was shown.
    await client.chat.completions.create({ ...chat, ...body }).catch(() => undefined)
    expect(await keysSeen()).toEqual([`Bearer ${seen}`])
  })

  it('takes the key from a Secrets Store binding as the last link', async () => {
    const admin = adminSecretsStore(bindings.FROM_STORE as never)
    await admin.create('sk-sandbox')
    const gateway = startGateway({ variables: { OPENAI_API_KEY: bindings.FROM_STORE } })
    const client = await gateway.client()
    const answer = await client.chat.completions.create(chat)
    expect(answer.choices).toHaveLength(1)
    expect(await keysSeen()).toEqual(['Bearer sk-sandbox'])
  })

  it('names the variable to set when no link has the key', async () => {
    const client = await startGateway({ variables: { OPENAI_API_KEY: undefined } }).client()
    await expect(client.chat.completions.create(chat)).rejects.toMatchObject({
      status: 500,
      code: 'connection_unconfigured',
      message: expect.stringContaining('OPENAI_API_KEY'),
    })
    expect(await keysSeen()).toEqual([])
  })

  it('refuses credentials of a request unless the deployment lets them in', async () => {
    const client = await startGateway().client()
    const call = client.chat.completions.create({ ...chat, ...{ api_key: 'sk-mine' } })
    await expect(call).rejects.toMatchObject({ status: 403, param: 'api_key', code: 'permission_denied' })
    expect(await keysSeen()).toEqual([])
  })

  it("never sends the deployment's key to a host of the caller's", async () => {
    const client = await startGateway({ config: REQUEST }).client()
    const call = client.chat.completions.create({ ...chat, ...{ api_base: `${SANDBOX}/v1` } })
    await expect(call).rejects.toMatchObject({ status: 400, param: 'api_base' })
    expect(await keysSeen()).toEqual([])
  })

  it.each([
    'http://api.openai.com/v1',
    'https://127.0.0.1/v1',
    'https://10.0.0.8/v1',
    'https://[::1]/v1',
    'https://metadata.internal/v1',
  ])('refuses the host %s', async api_base => {
    const called: string[] = []
    const gateway = startGateway({
      config: REQUEST,
      platform: {
        fetch: async request => {
          called.push(new Request(request).url)
          return new Response('{}')
        },
      },
    })
    const client = await gateway.client()
    const call = client.chat.completions.create({ ...chat, ...{ api_key: 'sk-mine', api_base } })
    await expect(call).rejects.toMatchObject({ status: 400, param: 'api_base', code: 'host_forbidden' })
    expect(called).toEqual([])
  })

  it("tells a refusal of the deployment's key from one of the caller's", async () => {
    const client = await startGateway({ variables: { OPENAI_API_KEY: 'sk-stale-secret' } }).client()
    await expect(client.chat.completions.create(chat)).rejects.toMatchObject({
      status: 401,
      code: 'provider_authentication_failed',
      message: expect.not.stringContaining('stale'),
    })
  })
})
