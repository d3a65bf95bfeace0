import { describe, expect, it } from 'vitest'
import { capabilities } from '../../../shared/providers/azure/capabilities.ts'
import { checkCapabilities } from '../../../shared/training/plan.ts'
import { json } from '../support/context.ts'
import { KEYED, start } from './support.ts'

describe('models', () => {
  it.each([
    ['gpt-4.1-mini-2025-04-14.ft-0123456789abcdef0123456789abcdef', true],
    ['gpt-4.1-mini-2025-04-14.ft-0123456789abcdef0123456789abcdef-my-suffix', true],
    ['gpt-4.1-mini-2025-04-14', false],
    ['a.ft-of-mine', false],
    ['my-deployment', false],
  ])('%s is tuned: %s', async (name, expected) => {
    expect((await start(() => json({}))).provider.models.isTuned(name)).toBe(expected)
  })

  it('are the base models of the resource, in our shape', async () => {
    const data = [
      { id: 'gpt-4.1', object: 'model', created: 5, created_at: 4, owned_by: 'system', status: 'succeeded' },
      { id: 'gpt-4o', object: 'model', created_at: 4 },
      { id: 'gpt-4o-2024-08-06.ft-x', object: 'model', created_at: 4, fine_tune: 'ftjob-1' },
      { id: 'gpt-4o-2024-08-06.ft-0123456789abcdef', object: 'model', created_at: 4 },
    ]
    const { provider, channel, sent } = await start(() => json({ object: 'list', data }), KEYED.dated)
    expect(await provider.models.list(channel)).toEqual([
      { id: 'gpt-4.1', object: 'model', created: 5, owned_by: 'system' },
      { id: 'gpt-4o', object: 'model', created: 4, owned_by: 'azure' },
    ])
    expect(sent[0]?.path).toBe('/openai/models')
  })

  it('are deleted by name on v1', async () => {
    const { provider, channel, sent } = await start(() => json({}))
    await provider.models.delete(channel, 'm.ft-1')
    expect(sent.map(({ method, path }) => [method, path])).toEqual([['DELETE', '/openai/v1/models/m.ft-1']])
  })

  it('are deleted with their job on the dated surface', async () => {
    const { provider, channel, sent } = await start(
      ({ method }) =>
        method === 'GET' ? json({ id: 'm.ft-1', fine_tune: 'ftjob-1' }) : new Response(null, { status: 204 }),
      KEYED.dated,
    )
    await provider.models.delete(channel, 'm.ft-1')
    expect(sent.map(({ method, path }) => [method, path])).toEqual([
      ['GET', '/openai/models/m.ft-1'],
      ['DELETE', '/openai/fine_tuning/jobs/ftjob-1'],
    ])
  })

  it('that no job has made are not deleted', async () => {
    const { provider, channel, sent } = await start(() => json({ id: 'gpt-4.1' }), KEYED.dated)
    await expect(provider.models.delete(channel, 'gpt-4.1')).rejects.toMatchObject({ status: 400 })
    expect(sent.map(({ method }) => method)).toEqual(['GET'])
  })
})

describe('capabilities', () => {
  it.each([
    ['gpt-4.1', ['supervised', 'dpo']],
    ['gpt-4.1-mini-2025-04-14', ['supervised', 'dpo']],
    ['gpt-4.1-nano', ['supervised', 'dpo']],
    ['gpt-4o-2024-08-06', ['supervised', 'dpo']],
    ['gpt-4o-mini', ['supervised']],
    ['o4-mini', ['reinforcement']],
    ['gpt-5', ['reinforcement']],
    ['gpt-oss-20b', ['supervised']],
  ])('%s takes %j', (model, methods) => {
    for (const method of ['supervised', 'dpo', 'reinforcement'] as const) {
      const ask = () => checkCapabilities(capabilities, model, method, '2026-11-20')
      if (methods.includes(method)) expect(ask).not.toThrow()
      else expect(ask).toThrow(expect.objectContaining({ status: 400, param: 'method.type' }))
    }
  })

  it('know when it ends', () => {
    expect(checkCapabilities(capabilities, 'gpt-4.1', 'dpo', '2027-03-31')).toHaveLength(1)
    expect(checkCapabilities(capabilities, 'gpt-4.1', 'dpo', '2027-04-01')).toHaveLength(2)
    expect(capabilities.maxFileBytes).toBe(536_870_912)
  })
})
