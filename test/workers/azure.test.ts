/** Azure OpenAI in workerd: both surfaces of the sandbox, its Entra and its resource manager, with every credential. */
import type OpenAI from 'openai'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AzureConnection } from '../../shared/config.ts'
import { datasetFile, type Gateway, SANDBOX, sandbox, startGateway, until } from '../support/gateway.ts'

interface Access {
  resource: string
  apiKey: string
  baseUrl: string
  resources: { name: string; region: string; apiKey: string; baseUrl: string }[]
  tenantId: string
  clientId: string
  clientSecret: string
  subscriptionId: string
  resourceGroup: string
  loginUrl: string
  armUrl: string
  assertion: string
}
let access: Access

const control = async (path: string, body: unknown): Promise<unknown> => {
  const answer = await fetch(`${SANDBOX}/_sandbox/azure/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return answer.json()
}

beforeAll(async () => {
  access = (await (await fetch(`${SANDBOX}/_sandbox/azure`)).json()) as Access
})
const SETTINGS = { filePolls: 2, deploymentPolls: 2, tokenSeconds: 3599 }
beforeEach(async () => {
  await sandbox.reset()
  // A file can be used at once, but where waiting for it is what is tested.
  await control('settings', { ...SETTINGS, filePolls: 0 })
})

const MODEL = 'gpt-4.1-mini-2025-04-14'
const DATED = '2025-04-01-preview'
const messages = [{ role: 'user' as const, content: 'please help me with my refund' }]
const tools: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: {
      name: 'look_up',
      parameters: { type: 'object', properties: { intent: { type: 'string' } }, required: ['intent'] },
    },
  },
]

type Credential = 'key' | 'secret' | 'assertion'
const CREDENTIALS: readonly Credential[] = ['key', 'secret', 'assertion']
const SURFACES = ['v1', 'dated'] as const
const MATRIX = SURFACES.flatMap(surface => CREDENTIALS.map(credential => ({ surface, credential })))

/** A resource and the application that may deploy in it. */
const connection = (credential: Credential, changed: Partial<AzureConnection> = {}): AzureConnection => ({
  provider: 'azure',
  baseUrl: access.baseUrl,
  tenantId: access.tenantId,
  clientId: access.clientId,
  ...(credential === 'assertion'
    ? { federatedToken: access.assertion }
    : { clientSecret: access.clientSecret }),
  ...(credential === 'key' && { apiKey: access.apiKey }),
  loginUrl: access.loginUrl,
  armUrl: access.armUrl,
  subscriptionId: access.subscriptionId,
  resourceGroup: access.resourceGroup,
  account: access.resource,
  ...changed,
})

const start = (
  credential: Credential = 'key',
  changed: Partial<AzureConnection> = {},
  options: Parameters<typeof startGateway>[0] = {},
): Gateway =>
  startGateway({
    ...options,
    config: {
      ...options.config,
      connections: { azure: connection(credential, changed) },
      defaultConnection: 'azure',
    },
  })

const upload = async (client: OpenAI) =>
  (await client.files.create({ file: datasetFile(40), purpose: 'fine-tune' })).id

const create = async (client: OpenAI, body: Record<string, unknown> = {}) =>
  client.fineTuning.jobs.create({ model: MODEL, training_file: await upload(client), ...body })

interface Deployment {
  model: string
  status: string
  tunegate: { native_status: string | null }
}
const deployment = async (gateway: Gateway, key: string, job: string, init: RequestInit = {}) => {
  const path = `/v1/fine_tuning/jobs/${job}/${init.method === 'POST' ? 'deploy' : 'deployment'}`
  const answer = await gateway.fetch(path, { key, ...init })
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as Deployment
}
const deployed = async (gateway: Gateway, key: string, job: string): Promise<Deployment> => {
  let found = await deployment(gateway, key, job, { method: 'POST' })
  for (let tries = 0; found.status === 'deploying' && tries < 100; tries++) {
    found = await deployment(gateway, key, job)
  }
  return found
}

const isToken = ({ path }: { path: string }) => path.includes('/oauth2/v2.0/token')
const tokenCalls = async () => (await sandbox.requests()).filter(isToken)
/** Requests at the resource itself. */
const dataCalls = async () => (await sandbox.requests()).filter(({ path }) => path.includes('/openai/'))

describe.each(MATRIX)('the $surface surface, called with a $credential', ({ surface, credential }) => {
  const begin = () => start(credential, surface === 'dated' ? { apiVersion: DATED } : {})

  it('goes from a dataset to a tune that answers, and back', async () => {
    const gateway = begin()
    const key = await gateway.key()
    const client = await gateway.client(key)
    const job = await create(client, {
      suffix: 'bank_intents-1',
      validation_file: await upload(client),
      metadata: { team: 'support' },
      provider_options: { azure: { training_type: 'globalstandard', prompt_loss_weight: 0.1 } },
    })
    const done = await until(client, job.id, 'succeeded', 'failed')
    expect(done).toMatchObject({ status: 'succeeded', error: null, metadata: { team: 'support' } })
    const name = done.fine_tuned_model ?? ''
    expect(name).toMatch(/^ft:gpt-4\.1-mini-2025-04-14:azure:bank_intents-1:/)

    const events = await client.fineTuning.jobs.listEvents(job.id, { limit: 100 })
    expect(events.data.filter(({ type }) => type === 'metrics').length).toBeGreaterThan(1)
    const checkpoints = await client.fineTuning.jobs.checkpoints.list(job.id)
    expect(checkpoints.data.length).toBeGreaterThan(0)
    const results = await client.files.content(done.result_files[0] ?? '')
    expect(await results.text()).toMatch(/^step,train_loss,/)

    // Not before it is deployed, and then the error says so.
    const chat = { model: name, messages }
    await expect(client.chat.completions.create(chat)).rejects.toMatchObject({
      status: 409,
      code: 'model_not_deployed',
    })
    expect(await deployed(gateway, key, job.id)).toMatchObject({
      model: name,
      status: 'ready',
      tunegate: { native_status: 'Succeeded' },
    })

    const answer = await client.chat.completions.create(chat)
    expect(answer.choices[0]?.message.content).toBe('refund')
    // Azure's additional fields are still there.
    expect(answer).toHaveProperty('prompt_filter_results')
    let streamed = ''
    for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? ''
    }
    expect(streamed).toBe('refund')
    const called = await client.chat.completions.create({ ...chat, tools, tool_choice: 'required' })
    const [call] = called.choices[0]?.message.tool_calls ?? []
    expect(call).toMatchObject({ type: 'function', function: { name: 'look_up' } })

    await deployment(gateway, key, job.id, { method: 'DELETE' })
    await expect(client.chat.completions.create(chat)).rejects.toMatchObject({ code: 'model_not_deployed' })

    const calls = await dataCalls()
    expect(calls.length).toBeGreaterThan(10)
    for (const { path, headers } of calls) {
      expect(path.includes('/openai/v1/')).toBe(surface === 'v1')
      expect(headers['api-key']).toBe(credential === 'key' ? access.apiKey : undefined)
      expect(headers.authorization?.startsWith('Bearer ')).toBe(credential === 'key' ? undefined : true)
    }
    const [creation] = calls.filter(({ method, path }) => method === 'POST' && path.endsWith('/jobs'))
    expect(creation?.body).toMatchObject({
      trainingType: 'globalstandard',
      metadata: { team: 'support', tunegate_job: job.id },
      method: { type: 'supervised', supervised: { hyperparameters: { prompt_loss_weight: 0.1 } } },
    })
    // One token for each scope, for all of this.
    expect(await tokenCalls()).toHaveLength(credential === 'key' ? 1 : 2)
  })

  it('uploads a dataset as a form, waits until it has been processed, and deletes it', async () => {
    await control('settings', SETTINGS)
    const client = await begin().client()
    const id = await upload(client)
    await client.fineTuning.jobs.create({ model: MODEL, training_file: id })
    await client.files.delete(id)
    const calls = (await dataCalls()).filter(({ path }) => path.includes('/files'))
    expect(calls.map(({ method }) => method)).toEqual(['POST', 'GET', 'GET', 'DELETE'])
    expect(calls[0]?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
  })

  it('pauses, resumes and cancels', async () => {
    await sandbox.settings({ stepMs: 20 })
    try {
      const client = await begin().client()
      const job = await create(client)
      await until(client, job.id, 'running')
      const paused = await client.fineTuning.jobs.pause(job.id)
      expect(['queued', 'running']).toContain(paused.status)
      await until(client, job.id, 'queued')
      await client.fineTuning.jobs.resume(job.id)
      await until(client, job.id, 'running')
      await client.fineTuning.jobs.cancel(job.id)
      expect((await until(client, job.id, 'cancelled')).status).toBe('cancelled')
    } finally {
      await sandbox.settings({ stepMs: 0 })
    }
  })
})

describe('a job', () => {
  it('of DPO is trained as DPO (Portkey 10)', async () => {
    const client = await start().client()
    const line = JSON.stringify({
      input: { messages },
      preferred_output: [{ role: 'assistant', content: 'refund' }],
      non_preferred_output: [{ role: 'assistant', content: 'card_lost' }],
    })
    const file = new File([Array.from({ length: 12 }, () => line).join('\n')], 'dpo.jsonl')
    const { id } = await client.files.create({ file, purpose: 'fine-tune' })
    const method = { type: 'dpo' as const, dpo: { hyperparameters: { beta: 0.5 } } }
    const job = await client.fineTuning.jobs.create({ model: MODEL, training_file: id, method })
    const done = await until(client, job.id, 'succeeded', 'failed')
    expect(done).toMatchObject({ status: 'succeeded', method: { type: 'dpo' } })
    const [creation] = (await dataCalls()).filter(
      ({ method: verb, path }) => verb === 'POST' && path.endsWith('/jobs'),
    )
    expect(creation?.body).toMatchObject({ method })
  })

  it.each([
    [{ suffix: 'two words' }, 'suffix', 'invalid_value'],
    [{ suffix: 'x'.repeat(41) }, 'suffix', 'invalid_value'],
    [
      { provider_options: { azure: { training_type: 'spot' } } },
      'provider_options.azure.training_type',
      'invalid_value',
    ],
    [{ provider_options: { azure: { colour: 1 } } }, 'provider_options.azure.colour', 'unknown_parameter'],
    [{ integrations: [{ type: 'wandb', wandb: { project: 'p' } }] }, 'integrations', 'feature_unsupported'],
  ])('with %j is refused before anything is sent', async (body, param, code) => {
    const client = await start().client()
    await expect(create(client, body)).rejects.toMatchObject({ status: 400, param, code })
    expect(await dataCalls()).toEqual([])
  })

  it('is told what was dropped of it when that was asked for', async () => {
    const client = await start().client()
    const integrations = [{ type: 'wandb', wandb: { project: 'p' } }]
    const job = await create(client, { integrations, drop_params: true })
    const { data } = await client.fineTuning.jobs.listEvents(job.id, { limit: 1000 })
    expect(data.map(({ message }) => message).join()).toContain("Dropped: 'integrations'")
  })

  it('whose creation was answered by a 500 is found by its label, not made twice (Portkey 18)', async () => {
    for (const apiVersion of [undefined, DATED]) {
      await sandbox.reset()
      const client = await start('key', apiVersion ? { apiVersion } : {}).client()
      await sandbox.fault({
        method: 'POST',
        path: '/fine_tuning/jobs$',
        kind: 'effect-then-status',
        status: 500,
      })
      const job = await create(client)
      expect((await until(client, job.id, 'succeeded', 'failed')).status).toBe('succeeded')
      const creations = (await dataCalls()).filter(
        ({ method, path }) => method === 'POST' && path.endsWith('/jobs'),
      )
      expect(creations).toHaveLength(1)
    }
  })

  it('is refused where its label would be lost', async () => {
    const client = await start('key', { apiVersion: '2024-10-21' }).client()
    await expect(create(client)).rejects.toMatchObject({ status: 400, param: 'apiVersion' })
    expect((await dataCalls()).filter(({ path }) => path.includes('/jobs'))).toEqual([])
    expect((await client.fineTuning.jobs.list()).data).toEqual([])
  })
})

describe('tokens', () => {
  const chat = { model: 'gpt-4.1-mini', messages }

  it.each(['secret', 'assertion'] as const)(
    'by %s: one for many parallel requests (Portkey 24)',
    async credential => {
      const client = await start(credential).client()
      await Promise.all(Array.from({ length: 16 }, () => client.chat.completions.create(chat)))
      await client.chat.completions.create(chat)
      expect(await tokenCalls()).toHaveLength(1)
      expect(await dataCalls()).toHaveLength(17)
    },
  )

  it('are renewed when they have expired', async () => {
    const gateway = start('secret')
    const client = await gateway.client()
    await client.chat.completions.create(chat)
    // The gateway's clock goes on, not the sandbox's: what is asked for anew was thrown away here.
    gateway.platform.clock = { ...gateway.platform.clock, now: () => Date.now() + 3_500_000 }
    await client.chat.completions.create(chat)
    expect(await tokenCalls()).toHaveLength(2)
  })

  it('are not asked for where there is a key', async () => {
    const client = await start('key').client()
    await client.chat.completions.create(chat)
    expect(await tokenCalls()).toEqual([])
  })
})

describe('bad credentials', () => {
  const chat = { model: 'gpt-4.1-mini', messages }
  const assertion = async (changes: Record<string, unknown>) =>
    ((await control('assertion', changes)) as { assertion: string }).assertion

  const ROWS: [
    what: string,
    credential: Credential,
    changed: () => Promise<Partial<AzureConnection>>,
    param: string,
  ][] = [
    ['a wrong secret', 'secret', async () => ({ clientSecret: 'wrong~S3CR3T' }), 'clientSecret'],
    [
      'a wrong tenant',
      'secret',
      async () => ({ tenantId: '00000000-0000-4000-8000-000000000000' }),
      'tenantId',
    ],
    ['a wrong client', 'secret', async () => ({ clientId: 'nobody' }), 'clientId'],
    [
      'an expired assertion',
      'assertion',
      async () => ({ federatedToken: await assertion({ expiresInSeconds: -60 }) }),
      'federatedToken',
    ],
    [
      'another issuer',
      'assertion',
      async () => ({ federatedToken: await assertion({ issuer: 'https://x.test' }) }),
      'federatedToken',
    ],
    [
      'another subject',
      'assertion',
      async () => ({ federatedToken: await assertion({ subject: 'x' }) }),
      'federatedToken',
    ],
    [
      'another audience',
      'assertion',
      async () => ({ federatedToken: await assertion({ audience: 'x' }) }),
      'federatedToken',
    ],
    [
      'an assertion that is none',
      'assertion',
      async () => ({ federatedToken: 'not.a.token' }),
      'federatedToken',
    ],
  ]
  it.each(ROWS)(
    '%s: a 401 that names the setting, and asks once',
    async (_what, credential, changed, param) => {
      const parts = await changed()
      const client = await start(credential, parts).client()
      const call = client.chat.completions.create(chat).catch((error: unknown) => error)
      const error = await call
      expect(error).toMatchObject({ status: 401, code: 'provider_authentication_failed', param })
      const said = JSON.stringify(error)
      for (const value of Object.values(parts)) expect(said).not.toContain(value)
      expect(await tokenCalls()).toHaveLength(1)
      expect(await dataCalls()).toEqual([])
    },
  )

  it('a wrong key: refused by the provider, and not told as the caller’s', async () => {
    const client = await start('key', { apiKey: 'wrong-S3CR3T' }).client()
    await expect(client.chat.completions.create(chat)).rejects.toMatchObject({
      status: 401,
      code: 'provider_authentication_failed',
      message: expect.not.stringContaining('S3CR3T'),
    })
  })

  it.each(['subscriptionId', 'resourceGroup', 'account', 'tenantId'] as const)(
    'a deployment without %s: a 400 that names it',
    async field => {
      const gateway = start('key', { [field]: '' })
      const key = await gateway.key()
      const client = await gateway.client(key)
      const job = await create(client)
      await until(client, job.id, 'succeeded')
      const answer = await gateway.fetch(`/v1/fine_tuning/jobs/${job.id}/deploy`, { method: 'POST', key })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ error: { param: field, code: 'connection_unconfigured' } })
    },
  )

  it.each([
    [{ kind: 'status', status: 503 }, 502],
    [{ kind: 'reset' }, 502],
    [{ kind: 'garbage' }, 502],
  ])('a token endpoint with %j is named, and asked once', async (fault, status) => {
    await sandbox.fault({ path: '/oauth2/', times: 5, ...fault })
    const client = await start('secret').client()
    await expect(client.chat.completions.create(chat)).rejects.toMatchObject({
      status,
      message: expect.stringContaining('token endpoint'),
    })
    expect(await tokenCalls()).toHaveLength(1)
    expect(await dataCalls()).toEqual([])
  })
})

describe('a deployment', () => {
  it('that is not there: the error says which hop failed', async () => {
    for (const apiVersion of [undefined, DATED]) {
      const client = await start('key', apiVersion ? { apiVersion } : {}).client()
      await expect(
        client.chat.completions.create({ model: 'azure/nowhere', messages }),
      ).rejects.toMatchObject({
        status: 404,
        code: 'model_not_found',
        message: expect.stringContaining('no deployment of this name'),
      })
    }
  })

  it('under way: the error says how long', async () => {
    await control('settings', { deploymentPolls: 1000 })
    const gateway = start()
    const key = await gateway.key()
    const client = await gateway.client(key)
    const job = await create(client)
    const { fine_tuned_model } = await until(client, job.id, 'succeeded')
    const { status } = await deployment(gateway, key, job.id, { method: 'POST' })
    expect(status).toBe('deploying')
    await expect(
      client.chat.completions.create({ model: fine_tuned_model ?? '', messages }),
    ).rejects.toMatchObject({
      status: 409,
      code: 'model_not_deployed',
      message: expect.stringMatching(/being deployed for \d+ s now \((Accepted|Creating)\)/),
    })
  })

  it('has the size that is configured', async () => {
    const gateway = start('key', { deploymentSku: 'DeveloperTier', deploymentCapacity: '25' })
    const key = await gateway.key()
    const client = await gateway.client(key)
    const job = await create(client)
    await until(client, job.id, 'succeeded')
    expect((await deployed(gateway, key, job.id)).status).toBe('ready')
    const [put] = (await sandbox.requests()).filter(({ method }) => method === 'PUT')
    expect(put?.body).toMatchObject({ sku: { name: 'DeveloperTier', capacity: 25 } })
  })
})

it('two regions are two connections, each with its own key, files and models', async () => {
  const east = access.resources[0]
  const sweden = access.resources[1]
  if (!east || !sweden) throw new Error('the sandbox has two resources')
  const gateway = startGateway({
    config: {
      connections: {
        east: connection('key', {
          baseUrl: `${east.baseUrl}/openai/`,
          apiKey: east.apiKey,
          account: east.name,
        }),
        sweden: connection('key', {
          baseUrl: sweden.baseUrl,
          apiKey: sweden.apiKey,
          account: sweden.name,
          apiVersion: DATED,
        }),
      },
      defaultConnection: 'east',
    },
  })
  const key = await gateway.key()
  const client = await gateway.client(key)
  const training_file = await upload(client)
  const jobs = await Promise.all(
    ['east', 'sweden'].map(provider =>
      client.fineTuning.jobs.create({ model: MODEL, training_file, ...{ provider } }),
    ),
  )
  for (const [index, job] of jobs.entries()) {
    const region = [east, sweden][index]
    const done = await until(client, job.id, 'succeeded', 'failed')
    expect(done.status).toBe('succeeded')
    expect((await deployed(gateway, key, job.id)).status).toBe('ready')
    const answer = await client.chat.completions.create({ model: done.fine_tuned_model ?? '', messages })
    expect(answer.choices[0]?.message.content).toBe('refund')
    const calls = (await dataCalls()).filter(({ path }) => path.startsWith(`/azure/${region?.name}/`))
    expect(calls.some(({ path }) => path.endsWith('/chat/completions'))).toBe(true)
    expect(new Set(calls.map(({ headers }) => headers['api-key']))).toEqual(new Set([region?.apiKey]))
  }
  // The other region has this deployment, by its prefix; the first has not.
  const o4 = { model: 'sweden/o4-mini', messages }
  expect((await client.chat.completions.create(o4)).choices).toHaveLength(1)
  await expect(client.chat.completions.create({ ...o4, model: 'east/o4-mini' })).rejects.toMatchObject({
    status: 404,
  })
})

it('a request brings its own resource and key', async () => {
  const sweden = access.resources[1]
  const gateway = start('secret', {}, { config: { requestCredentials: true } })
  const client = await gateway.client()
  const own = { api_key: sweden?.apiKey, api_base: sweden?.baseUrl, api_version: DATED }
  const answer = await client.chat.completions.create({ model: 'o4-mini', messages, ...own })
  expect(answer.choices).toHaveLength(1)
  const [call, ...others] = await sandbox.requests()
  expect(others).toEqual([])
  expect(call).toMatchObject({
    path: '/azure/sandbox-sweden/openai/deployments/o4-mini/chat/completions',
    headers: { 'api-key': sweden?.apiKey },
  })
  expect(call?.headers.authorization).toBeUndefined()
})

it('lists base models, and this owner’s tunes', async () => {
  const client = await start().client()
  const { fine_tuned_model } = await until(client, (await create(client)).id, 'succeeded')
  const { data } = await client.models.list()
  const ids = data.map(({ id }) => id)
  expect(ids).toContain(MODEL)
  expect(ids).toContain(fine_tuned_model)
  expect(ids.filter(id => id.includes('.ft-'))).toEqual([])
  // Nothing but the tune is the owner's.
  const stranger = await start().client()
  expect((await stranger.models.list()).data.map(({ id }) => id)).not.toContain(fine_tuned_model)
})
