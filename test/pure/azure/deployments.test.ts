import { describe, expect, it } from 'vitest'
import type { AzureConnection } from '../../../shared/config.ts'
import { toStatus } from '../../../shared/providers/azure/deployments.ts'
import type { NativeJob } from '../../../shared/providers/index.ts'
import { json } from '../support/context.ts'
import { DEPLOYER, granted, isTokenCall, start, thrownBy } from './support.ts'

const TUNE = 'gpt-4.1-mini-2025-04-14.ft-0123456789abcdef0123456789abcdef-x'
const job: NativeJob = {
  id: 'ftjob-1',
  nativeStatus: 'succeeded',
  status: 'succeeded',
  model: 'gpt-4.1-mini-2025-04-14',
  fineTunedModel: TUNE,
  finishedAt: 1,
  estimatedFinish: null,
  error: null,
  hyperparameters: {},
  method: null,
  resultFiles: [],
  trainedTokens: 1,
  seed: 1,
}

const PATH =
  '/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.CognitiveServices/accounts/account-1/deployments/tunegate-1'
const inState = (provisioningState: string) => ({
  id: PATH,
  name: 'tunegate-1',
  sku: { name: 'Standard', capacity: 10 },
  properties: { model: { format: 'OpenAI', name: TUNE, version: '1' }, provisioningState },
})
const startWith = (answer: () => Response, parts: Partial<AzureConnection> = {}) =>
  start(({ url }) => (isTokenCall(url) ? granted() : answer()), { ...DEPLOYER, ...parts })

describe('provisioning states', () => {
  it.each([
    ['Accepted', 'deploying'],
    ['Creating', 'deploying'],
    ['Updating', 'deploying'],
    ['Moving', 'deploying'],
    ['Succeeded', 'ready'],
    ['Failed', 'failed'],
    ['Canceled', 'failed'],
    ['Disabled', 'failed'],
    ['Deleting', 'deleted'],
    ['BrandNew', 'deploying'],
    ['constructor', 'deploying'],
  ])('%s is %s', async (native, status) => {
    expect(toStatus(native)).toBe(status)
    const { provider, channel } = await startWith(() => json(inState(native)))
    expect(await provider.deployments.get(channel, 'tunegate-1')).toEqual({
      id: 'tunegate-1',
      nativeStatus: native,
      status,
      model: 'tunegate-1',
      error: null,
    })
  })
})

describe('a deployment', () => {
  it('is put, with a tune’s one version', async () => {
    const { provider, channel, sent } = await startWith(() => json(inState('Accepted'), 201))
    const created = await provider.deployments.create(channel, job, 'tunegate-1')
    expect(created).toMatchObject({ id: 'tunegate-1', status: 'deploying', model: 'tunegate-1' })
    expect(sent[1]).toMatchObject({ method: 'PUT', path: PATH, query: { 'api-version': '2024-10-01' } })
    expect(sent[1]?.headers).toMatchObject({
      authorization: 'Bearer token-1',
      'content-type': 'application/json',
    })
    expect(JSON.parse(sent[1]?.body ?? '')).toEqual({
      sku: { name: 'Standard', capacity: 10 },
      properties: { model: { format: 'OpenAI', name: TUNE, version: '1' } },
    })
  })

  it('has the size that is configured', async () => {
    const parts = { deploymentSku: 'DeveloperTier', deploymentCapacity: '250' }
    const { provider, channel, sent } = await startWith(() => json(inState('Accepted')), parts)
    await provider.deployments.create(channel, job, 'tunegate-1')
    expect(JSON.parse(sent[1]?.body ?? '').sku).toEqual({ name: 'DeveloperTier', capacity: 250 })
  })

  it.each(['0', '-1', '1.5', 'many', '1e3', '0x10', ' 5'])(
    'has no capacity of %j',
    async deploymentCapacity => {
      const { provider, channel, sent } = await startWith(() => json(inState('Accepted')), {
        deploymentCapacity,
      })
      expect(await thrownBy(() => provider.deployments.create(channel, job, 'tunegate-1'))).toMatchObject({
        status: 400,
        param: 'deploymentCapacity',
      })
      expect(sent).toEqual([])
    },
  )

  it('needs a model', async () => {
    const { provider, channel, sent } = await startWith(() => json(inState('Accepted')))
    const unfinished: NativeJob = { ...job, status: 'running', fineTunedModel: null }
    expect(await thrownBy(() => provider.deployments.create(channel, unfinished, 'd1'))).toMatchObject({
      status: 400,
      code: 'invalid_state',
    })
    expect(sent).toEqual([])
  })

  it('is put again after a failure: it is the same one', async () => {
    let calls = 0
    const { provider, channel } = await startWith(() =>
      ++calls < 3 ? json({}, 503) : json(inState('Accepted')),
    )
    expect((await provider.deployments.create(channel, job, 'tunegate-1')).status).toBe('deploying')
    expect(calls).toBe(3)
  })

  it.each([200, 202, 204])('is taken down with a %i', async status => {
    const { provider, channel, sent } = await startWith(() => new Response(null, { status }))
    await provider.deployments.delete(channel, 'tunegate-1')
    expect(sent[1]).toMatchObject({
      method: 'DELETE',
      path: PATH,
      query: { 'api-version': '2024-10-01' },
      body: '',
    })
  })

  it('that is gone is a 404', async () => {
    const { provider, channel } = await startWith(() =>
      json({ error: { code: 'ResourceNotFound', message: 'no' } }, 404),
    )
    await expect(provider.deployments.get(channel, 'd1')).rejects.toMatchObject({
      name: 'ProviderFault',
      status: 404,
    })
  })
})
