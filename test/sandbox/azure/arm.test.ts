/** Deployments through ARM. */
import { describe, expect, it } from 'vitest'
import { refusal, tunedName } from '../support.ts'
import { accountsPath, answered, armUrl, SCOPES, specification, tune, useAzure } from './support.ts'

const bench = useAzure()

const HERE = 'sandbox-eastus/deployments'
const THERE = 'sandbox-sweden/deployments'

const base = (changes: { sku?: object; model?: object; properties?: object; extra?: object } = {}) => ({
  sku: { name: 'Standard', capacity: 1, ...changes.sku },
  properties: {
    model: { format: 'OpenAI', name: 'gpt-4.1-mini', version: '2025-04-14', ...changes.model },
    ...changes.properties,
  },
  ...changes.extra,
})

const chat = (model: string) =>
  bench.v1().chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }] })

describe('a deployment', () => {
  it('is accepted, then created, then there; only then it can be called', async () => {
    bench.azure.change({ deploymentPolls: 3 })
    const put = await bench.arm('PUT', `${HERE}/mine`, base())
    const id = `${accountsPath(bench.azure)}/${HERE}/mine`
    expect(put).toMatchObject({
      status: 201,
      json: { id, name: 'mine', ...base(), properties: { provisioningState: 'Accepted' } },
    })
    expect(await refusal(chat('mine'))).toMatchObject({ status: 404, code: 'DeploymentNotFound' })
    const states = []
    for (let poll = 0; poll < 2; poll++) states.push(await bench.arm('GET', `${HERE}/mine`))
    expect(states).toMatchObject([
      { status: 200, json: { properties: { provisioningState: 'Creating' } } },
      { status: 200, json: { properties: { provisioningState: 'Succeeded' } } },
    ])
    expect((await chat('mine')).model).toBe('gpt-4.1-mini-2025-04-14')
  })

  it('is the same when it is put again, and keeps answering', async () => {
    bench.azure.change({ deploymentPolls: 0 })
    await bench.arm('PUT', `${HERE}/mine`, base())
    bench.azure.change({ deploymentPolls: 2 })
    const again = await bench.arm('PUT', `${HERE}/mine`, base({ sku: { capacity: 5 } }))
    expect(again).toMatchObject({
      status: 200,
      json: { sku: { capacity: 5 }, properties: { provisioningState: 'Succeeded' } },
    })
    expect((await chat('mine')).choices).toHaveLength(1)
  })

  it('is rolled out anew with another model', async () => {
    bench.azure.change({ deploymentPolls: 0 })
    await bench.arm('PUT', `${HERE}/mine`, base())
    bench.azure.change({ deploymentPolls: 2 })
    const name = tunedName(await tune(bench.v1()))
    expect(await bench.deploy('mine', name)).toMatchObject({
      status: 200,
      json: { properties: { model: { name }, provisioningState: 'Accepted' } },
    })
  })

  it('is listed, and gone once deleted', async () => {
    await bench.arm('PUT', `${HERE}/mine`, base())
    const names = async (where: string) => {
      const { json } = await bench.arm('GET', where)
      return (json.value as { name: string }[]).map(({ name }) => name)
    }
    expect(await names(HERE)).toEqual(['gpt-4.1-mini', 'gpt-4.1', 'gpt-4o-mini', 'mine'])
    expect(await names(THERE)).toEqual(['gpt-4.1-mini', 'o4-mini'])
    expect((await bench.arm('DELETE', `${HERE}/mine`)).status).toBe(202)
    expect((await bench.arm('DELETE', `${HERE}/mine`)).status).toBe(204)
    expect((await bench.arm('GET', `${HERE}/mine`)).status).toBe(404)
    expect(await refusal(chat('mine'))).toMatchObject({ status: 404 })
  })

  it("serves its own account's models without saying so", async () => {
    const resource = 'sandbox-sweden'
    const name = tunedName(await tune(bench.v1({ resource })))
    expect(await bench.deploy('mine', name, { resource })).toMatchObject({
      status: 201,
      json: { id: `${accountsPath(bench.azure)}/${THERE}/mine` },
    })
  })

  it('may serve a model of another account, if it says which', async () => {
    bench.azure.change({ deploymentPolls: 0 })
    const name = tunedName(await tune(bench.v1({ resource: 'sandbox-sweden' })))
    expect(await bench.deploy('borrowed', name)).toMatchObject({
      status: 400,
      json: { error: { code: 'DeploymentModelNotSupported' } },
    })
    const source = `${accountsPath(bench.azure)}/sandbox-sweden`
    expect(await bench.deploy('borrowed', name, { source })).toMatchObject({ status: 201 })
    expect((await chat('borrowed')).model).toBe(name)
  })

  it('of the developer tier is for tuned models', async () => {
    const developer = { sku: { name: 'DeveloperTier', capacity: 1 } }
    const name = tunedName(await tune(bench.v1()))
    const put = (body: object) => bench.arm('PUT', `${HERE}/dev`, { ...body, ...developer })
    expect((await put(base())).status).toBe(400)
    expect((await put(specification(name))).status).toBe(201)
  })

  it('comes back after a reset only if it was made with the resource', async () => {
    await bench.arm('PUT', `${HERE}/mine`, base())
    await bench.arm('DELETE', `${HERE}/gpt-4.1-mini`)
    bench.reset()
    expect((await bench.arm('GET', `${HERE}/mine`)).status).toBe(404)
    expect((await chat('gpt-4.1-mini')).choices).toHaveLength(1)
  })
})

describe('a deployment is refused', () => {
  const { sku: _, ...withoutSku } = base()
  it.each([
    ['without a body', '', 'InvalidRequestContent'],
    ['with half a body', '{"sku":', 'InvalidRequestContent'],
    ['without a SKU', withoutSku, 'InvalidRequestContent'],
    ['with an unknown SKU', base({ sku: { name: 'Huge' } }), 'InvalidRequestContent'],
    ['without capacity', base({ sku: { capacity: undefined } }), 'InvalidRequestContent'],
    ['with no capacity', base({ sku: { capacity: 0 } }), 'InvalidRequestContent'],
    ['with capacity in words', base({ sku: { capacity: '1' } }), 'InvalidRequestContent'],
    ['in another format', base({ model: { format: 'openai' } }), 'InvalidRequestContent'],
    ['without a version', base({ model: { version: undefined } }), 'InvalidRequestContent'],
    ['with an unknown property', base({ properties: { scale: 1 } }), 'InvalidRequestContent'],
    ['with an unknown field', base({ extra: { model: 'x' } }), 'InvalidRequestContent'],
    ['for another version', base({ model: { version: '1' } }), 'DeploymentModelNotSupported'],
    ['for an unknown model', base({ model: { name: 'gpt-9' } }), 'DeploymentModelNotSupported'],
    ['for a dated name', base({ model: { name: 'gpt-4.1-mini-2025-04-14' } }), 'DeploymentModelNotSupported'],
    ['from an unknown source', base({ model: { source: '/subscriptions/x' } }), 'InvalidResourceProperties'],
  ])('%s', async (_name, body, code) => {
    expect(await bench.arm('PUT', `${HERE}/mine`, body)).toMatchObject({
      status: 400,
      json: { error: { code, message: expect.any(String) } },
    })
    expect((await bench.arm('GET', `${HERE}/mine`)).status).toBe(404)
  })

  it('while the tune is not there yet', async () => {
    const { status, json } = await bench.deploy('mine', `gpt-4.1-mini-2025-04-14.ft-${'0'.repeat(32)}`)
    expect(status).toBe(400)
    expect(json).toMatchObject({ error: { code: 'DeploymentModelNotSupported' } })
  })

  it('under a name that is none', async () => {
    expect(await bench.arm('PUT', `${HERE}/a%20b`, base())).toMatchObject({
      status: 400,
      json: { error: { code: 'InvalidResourceName' } },
    })
  })
})

describe('ARM', () => {
  const get = async (url: string, headers: Record<string, string>) => answered(await fetch(url, { headers }))
  const good = () => armUrl(bench.azure, HERE)
  const armBearer = async () => ({ authorization: `Bearer ${await bench.token(SCOPES.arm)}` })

  it('wants a token of its own', async () => {
    expect(await get(good(), {})).toMatchObject({
      status: 401,
      json: { error: { code: 'AuthenticationFailed' } },
    })
    const refused = [
      await bench.token(SCOPES.data),
      await bench.token(SCOPES.foundry),
      bench.azure.apiKey,
      await bench.azure.mintAssertion(),
    ]
    for (const token of refused) {
      expect(await get(good(), { authorization: `Bearer ${token}` })).toMatchObject({
        status: 401,
        json: { error: { code: 'InvalidAuthenticationToken' } },
      })
    }
    expect((await get(good(), { 'api-key': bench.azure.apiKey })).status).toBe(401)
    expect((await get(good(), await armBearer())).status).toBe(200)
  })

  it.each([
    ['another subscription', (url: string, s: string) => url.replace(s, 'other'), 403, 'AuthorizationFailed'],
    [
      'another resource group',
      (url: string) => url.replace('sandbox-rg', 'other'),
      404,
      'ResourceGroupNotFound',
    ],
    ['another account', (url: string) => url.replace('sandbox-eastus', 'other'), 404, 'ResourceNotFound'],
    [
      'another kind of thing',
      (url: string) => url.replace('/deployments', '/other'),
      404,
      'InvalidResourceType',
    ],
    ['no version', (url: string) => url.replace(/\?.*/, ''), 400, 'MissingApiVersionParameter'],
    [
      'another version',
      (url: string) => url.replace('2024-10-01', '2020-01-01'),
      400,
      'NoRegisteredProviderFound',
    ],
  ])('has nothing under %s', async (_name, change, status, code) => {
    const url = change(good(), bench.azure.subscriptionId)
    expect(url).not.toBe(good())
    expect(await get(url, await armBearer())).toMatchObject({ status, json: { error: { code } } })
  })

  it('has two versions of deployments', async () => {
    const url = good().replace('2024-10-01', '2024-10-21')
    expect((await get(url, await armBearer())).status).toBe(200)
  })
})
