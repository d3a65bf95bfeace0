/** Keys that may do less than everything: scopes, allow-lists, an end; and keys that make keys. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { tick } from '../../functions/schedule.ts'
import { KEYS } from '../../shared/access/index.ts'
import type { Config } from '../../shared/config.ts'
import { type ModelRecord, registerModel } from '../../shared/serving/index.ts'
import { createBatch, estimateJob, submitJob } from '../../shared/training/index.ts'
import { JOBS } from '../../shared/training/records.ts'
import { ADMIN_KEY, type Answered, startApp, type TestApp } from './support/app.ts'
import { json } from './support/context.ts'
import { addDataset, drain, OWNER } from './support/placing.ts'
import { createWorld } from './support/world.ts'

const NOW = Date.UTC(2026, 10, 20) / 1000
const messages = [{ role: 'user', content: 'hi' }]

const connections: Config['connections'] = {
  openai: { provider: 'openai', apiKey: 'sk-one', baseUrl: 'https://one.example/v1' },
  second: { provider: 'openai', apiKey: 'sk-two', baseUrl: 'https://two.example/v1' },
  other: { provider: 'openai_compatible', apiKey: 'sk-three', baseUrl: 'https://three.example/v1' },
  vertex_ai: { provider: 'vertex_ai', accessToken: 't', project: 'proj-x', endpoints: { 77: 'predict' } },
}

const start = (): TestApp =>
  startApp(
    ({ path }) =>
      path.endsWith('/models')
        ? json({
            object: 'list',
            data: [{ id: 'gpt-4.1' }, { id: 'gpt-4.1-mini' }].map(id => ({
              ...id,
              object: 'model',
              created: 1,
              owned_by: 'x',
            })),
          })
        : json({ id: 'x', predictions: [] }),
    { connections },
  )

const chat = (app: TestApp, key: string, model: string, more: object = {}): Promise<Answered> =>
  app.call('/v1/chat/completions', { key, body: { model, messages, ...more } })

const refusal = (param: string) => ({
  status: 403,
  error: { code: 'insufficient_permissions', type: 'permission_error', param },
})

describe('POST /v1/keys', () => {
  it('takes scopes, allow-lists and an end, and shows them', async () => {
    const app = start()
    const grants = {
      scopes: ['chat', 'files'],
      models: ['gpt-4.1-mini'],
      providers: ['openai', 'second'],
      expires_at: NOW + 60,
    }
    const made = await app.call('/v1/keys', { key: ADMIN_KEY, body: { name: 'k', ...grants } })
    const shown = { ...grants, scopes: ['files', 'chat'] }
    expect(made).toMatchObject({ status: 200, json: shown })
    expect((await app.call('/v1/keys', { key: ADMIN_KEY })).json).toMatchObject({ data: [shown] })
  })

  it('grants what is standard where nothing is said: everything but admin, and no end', async () => {
    const app = start()
    expect(await app.key()).toMatchObject({
      scopes: ['files', 'jobs', 'chat', 'models'],
      models: null,
      providers: null,
      expires_at: null,
    })
  })

  it.each<[string, object, string]>([
    ['an unknown scope', { scopes: ['root'] }, 'scopes[0]'],
    ['no scope at all', { scopes: [] }, 'scopes'],
    ['no model at all', { models: [] }, 'models'],
    ['an unknown provider', { providers: ['openai', 'opanai'] }, 'providers[1]'],
    ['an end that has been', { expires_at: NOW }, 'expires_at'],
    ['an end in milliseconds of the past', { expires_at: -1 }, 'expires_at'],
  ])('refuses %s', async (_what, grants, param) => {
    const app = start()
    const answer = await app.call('/v1/keys', { key: ADMIN_KEY, body: { name: 'k', ...grants } })
    expect(answer).toMatchObject({ status: 400, error: { param } })
    expect((await app.call('/v1/keys', { key: ADMIN_KEY })).json).toMatchObject({ data: [] })
  })
})

describe('a key of before there were scopes', () => {
  it('works on, with the standard ones', async () => {
    const app = start()
    const key = `tg-${'o'.repeat(43)}`
    const sha256 = createHash('sha256').update(key).digest('hex')
    await KEYS.create(app.platform.store, {
      ...{ id: 'key_old', sha256, owner: 'old', name: 'old', hint: 'oooo', created_at: 1, revoked_at: null },
    })
    expect(await chat(app, key, 'gpt-4.1')).toMatchObject({ status: 200 })
    expect(await app.call('/v1/files', { key })).toMatchObject({ status: 200 })
    expect(await app.call('/v1/keys', { key })).toMatchObject({ status: 403 })
    expect((await app.call('/v1/keys', { key: ADMIN_KEY })).json).toMatchObject({
      data: [{ id: 'key_old', scopes: ['files', 'jobs', 'chat', 'models'], models: null, expires_at: null }],
    })
  })
})

describe('a key that expires', () => {
  it('is no key from that second on, though it was just remembered as valid', async () => {
    const app = start()
    const { key } = await app.key({ expires_at: NOW + 60 })
    expect(await chat(app, key, 'gpt-4.1')).toMatchObject({ status: 200 })
    app.platform.clock.time += 59_999
    expect(await chat(app, key, 'gpt-4.1')).toMatchObject({ status: 200 })
    app.platform.clock.time += 1
    const sent = app.sent.length
    const over = { status: 401, error: { code: 'invalid_api_key' } }
    expect(await chat(app, key, 'gpt-4.1')).toMatchObject(over)
    expect(await app.call('/v1/files', { key })).toMatchObject(over)
    expect(app.sent).toHaveLength(sent)
  })
})

describe('a list of models', () => {
  it.each<[string, string[], string, object, number]>([
    ['the name', ['gpt-4.1-mini'], 'gpt-4.1-mini', {}, 200],
    ['the name with a prefix', ['gpt-4.1-mini'], 'openai/gpt-4.1-mini', {}, 200],
    ['the name at another connection', ['gpt-4.1-mini'], 'gpt-4.1-mini', { provider: 'second' }, 200],
    ['the dated name', ['gpt-4.1-mini'], 'gpt-4.1-mini-2025-04-14', {}, 200],
    ['the short name', ['gpt-4.1-mini-2025-04-14'], 'gpt-4.1-mini', {}, 200],
    ['a prefix’s form, by the bare name', ['openai/gpt-4.1-mini'], 'gpt-4.1-mini', {}, 200],
    ['a connection’s form, there', ['second/gpt-4.1-mini'], 'second/gpt-4.1-mini', {}, 200],
    ['a connection’s form, elsewhere', ['second/gpt-4.1-mini'], 'gpt-4.1-mini', {}, 403],
    ['another provider’s form', ['other/gpt-4.1-mini'], 'openai/gpt-4.1-mini', {}, 403],
    ['a name that only reads like that form', ['openai/gpt-4.1-mini'], 'other/openai/gpt-4.1-mini', {}, 403],
    ['such a name, with its prefix', ['other/openai/gpt-4.1-mini'], 'other/openai/gpt-4.1-mini', {}, 200],
    ['a longer name', ['gpt-4.1'], 'gpt-4.1-mini', {}, 403],
    ['a shorter name', ['gpt-4.1-mini'], 'gpt-4.1', {}, 403],
    ['a tune nobody knows, of an allowed base', ['gpt-4.1-mini'], 'ft:gpt-4.1-mini:x::1', {}, 403],
  ])('%s', async (_what, models, model, more, status) => {
    const app = start()
    const { key } = await app.key({ models })
    // The second time the way is known.
    for (let turn = 0; turn < 2; turn++)
      expect(await chat(app, key, model, more)).toMatchObject(status === 200 ? { status } : refusal('model'))
    expect(app.sent).toHaveLength(status === 200 ? 2 : 0)
  })

  it('holds for a tune by its own name or its base’s', async () => {
    const app = start()
    const tune: ModelRecord = {
      ...{ name: 'ft:gpt-4.1-mini:shop::1', owner: 'mine', connection: 'openai', account: 'openai' },
      ...{ native: 'ft:gpt-4.1-mini:shop::1', base_model: 'gpt-4.1-mini-2025-04-14', job: 'ftjob-1' },
      ...{ kind: 'model', created_at: 1, deleted_at: null },
    }
    await registerModel(app.context, tune)
    const may = async (models: string[]) =>
      (await chat(app, (await app.key({ owner: 'mine', models })).key, tune.name)).status
    expect(await may([tune.name])).toBe(200)
    expect(await may(['gpt-4.1-mini'])).toBe(200)
    expect(await may(['gpt-4.1'])).toBe(403)
    const { key } = await app.key({ owner: 'mine', models: ['gpt-4.1'] })
    expect(await app.call(`/v1/models/${tune.name}`, { key, method: 'DELETE' })).toMatchObject({
      status: 403,
    })
    expect((await app.call('/v1/models', { key })).json).toMatchObject({ data: [{ id: 'gpt-4.1' }] })
  })

  it('holds for predictions, by the endpoint', async () => {
    const app = start()
    const predict = async (models: string[] | null) => {
      const { key } = await app.key({ models })
      return app.call('/v1/vertex_ai/endpoints/77:predict', { key, body: { instances: [] } })
    }
    expect(await predict(['vertex_ai/endpoints/77'])).toMatchObject({ status: 200, error: {} })
    expect(await predict(['gpt-4.1'])).toMatchObject(refusal('model'))
    expect(app.sent).toHaveLength(1)
  })
})

describe('a list of providers', () => {
  it.each<[string, string[], object, number]>([
    ['a provider: its first connection', ['openai'], {}, 200],
    ['a provider: any of its connections', ['openai'], { provider: 'second' }, 200],
    ['a connection: itself', ['second'], { provider: 'second' }, 200],
    ['a connection: no other of its provider', ['second'], {}, 403],
    ['a connection: no other of its provider by name', ['second'], { provider: 'openai' }, 403],
    ['another provider', ['vertex_ai'], {}, 403],
    ['another provider by the model’s prefix', ['vertex_ai'], { model: 'openai/gpt-4.1' }, 403],
  ])('%s', async (_what, providers, more, status) => {
    const app = start()
    const { key } = await app.key({ providers })
    for (let turn = 0; turn < 2; turn++)
      expect(await chat(app, key, 'gpt-4.1', more)).toMatchObject(
        status === 200 ? { status } : refusal('provider'),
      )
    expect(app.sent).toHaveLength(status === 200 ? 2 : 0)
  })

  it('holds for predictions', async () => {
    const app = start()
    const { key } = await app.key({ providers: ['openai'] })
    const answer = await app.call('/v1/vertex_ai/endpoints/77:predict', { key, body: {} })
    expect(answer).toMatchObject(refusal('provider'))
    expect(app.sent).toEqual([])
  })

  it('leaves a dataset’s report to everyone: no account is used', async () => {
    const app = start()
    const { key } = await app.key({ providers: ['vertex_ai'] })
    const headers = { 'content-type': 'application/jsonl' }
    const path = '/v1/files/validate?model=gpt-4.1'
    expect(await app.call(path, { key, headers, body: '{}\n' })).toMatchObject({ status: 200 })
  })
})

describe('a way that one key has opened', () => {
  it('is open to no other that may not go it, and to all that may', async () => {
    const app = start()
    const [all, mini, big] = [
      await app.key(),
      await app.key({ models: ['gpt-4.1-mini'] }),
      await app.key({ models: ['gpt-4.1'] }),
    ]
    for (let turn = 0; turn < 3; turn++) {
      expect(await chat(app, all.key, 'gpt-4.1-mini')).toMatchObject({ status: 200 })
      expect(await chat(app, big.key, 'gpt-4.1-mini')).toMatchObject(refusal('model'))
      expect(await chat(app, mini.key, 'gpt-4.1-mini')).toMatchObject({ status: 200 })
    }
    expect(app.sent).toHaveLength(6)
  })
})

describe('jobs', () => {
  const MODEL = 'gpt-4.1-mini-2025-04-14'
  const BIG = 'gpt-4.1-2025-04-14'
  const setUp = async () => {
    const world = createWorld(['one', 'two'])
    await addDataset(world)
    const base = world.process().context
    const caller = (grants: { models?: string[]; providers?: string[] }) => ({
      ...{
        owner: OWNER,
        key: 'key_1',
        subject: null,
        scopes: ['jobs'] as const,
        models: null,
        providers: null,
      },
      ...grants,
    })
    return { world, base, caller }
  }
  const request = { model: MODEL, training_file: 'file-train' }

  it.each<[string, { models?: string[]; providers?: string[] }, object, string]>([
    ['the model', { models: [BIG] }, {}, 'model'],
    ['the default provider', { providers: ['two'] }, {}, 'provider'],
    ['the provider that is named', { providers: ['one'] }, { provider: 'two' }, 'provider'],
    [
      'a provider to fall back to',
      { providers: ['one'] },
      { fallback_providers: ['two'] },
      'fallback_providers[0]',
    ],
    [
      'a model to fall back to',
      { models: [MODEL] },
      { fallback_providers: [`two/${BIG}`] },
      'fallback_providers[0]',
    ],
  ])('are not made, estimated or put in a batch without leave for %s', async (_what, grants, more, param) => {
    const { world, base, caller } = await setUp()
    const context = { ...base, caller: caller(grants) }
    const job = { ...request, ...more }
    const forbidden = { status: 403, code: 'insufficient_permissions' }
    await expect(submitJob(context, OWNER, job)).rejects.toMatchObject({ ...forbidden, param })
    await expect(estimateJob(context, OWNER, job)).rejects.toMatchObject({ ...forbidden, param })
    await expect(createBatch(context, OWNER, { jobs: [job], max_parallel: 1 })).rejects.toMatchObject({
      ...forbidden,
      param: `jobs[0].${param}`,
    })
    expect(world.accounts.one?.jobs).toEqual([])
    expect(world.accounts.two?.jobs).toEqual([])
  })

  it('that leave the choice to the gateway go where the key may go, and say why not elsewhere', async () => {
    const { world, base, caller } = await setUp()
    const context = { ...base, caller: caller({ providers: ['two'] }) }
    const { estimates } = await estimateJob(context, OWNER, { ...request, provider: 'auto' })
    expect(estimates).toMatchObject([
      { connection: 'two', unsupported: null },
      { connection: 'one', unsupported: expect.stringContaining("providers of the caller's key") },
    ])
    const job = await submitJob(context, OWNER, { ...request, provider: 'auto' })
    expect(job).toMatchObject({ connection: 'two', targets: [{ connection: 'two' }] })
    expect(world.accounts.one?.jobs).toEqual([])
  })

  it('of a batch keep to it when they are started later', async () => {
    const { world, base, caller } = await setUp()
    const context = { ...base, caller: caller({ providers: ['two'] }) }
    await createBatch(context, OWNER, { jobs: [{ ...request, provider: 'auto' }], max_parallel: 1 })
    await drain(world, world.process().context)
    await tick(world.process().context)
    const { items } = await JOBS.list(world.platform.store, 'owner', OWNER, { limit: 10 })
    expect(items.map(({ targets }) => targets.map(({ connection }) => connection))).toEqual([['two']])
    expect(world.accounts.one?.jobs).toEqual([])
  })
})

describe('a key with the scope admin', () => {
  const manager = (app: TestApp, grants: object = {}) =>
    app.key({ owner: 'team', scopes: ['admin', 'chat', 'files'], ...grants })
  const make = (app: TestApp, key: string, body: object = {}) =>
    app.call('/v1/keys', { key, body: { name: 'made', ...body } })

  it('makes, lists and revokes keys of its own owner, and of no other', async () => {
    const app = start()
    const { key, id } = await manager(app)
    const foreign = await app.key({ owner: 'strangers' })
    const made = await make(app, key)
    expect(made).toMatchObject({ status: 200, json: { owner: 'team', scopes: ['files', 'chat'] } })
    const { data } = (await app.call('/v1/keys', { key })).json as { data: { id: string }[] }
    expect(data.map(each => each.id).toSorted()).toEqual([id, made.json.id].toSorted())
    expect(await make(app, key, { owner: 'strangers' })).toMatchObject(refusal('owner'))
    expect(await app.call(`/v1/keys/${foreign.id}`, { key, method: 'DELETE' })).toMatchObject({
      status: 404,
      error: { code: 'key_not_found' },
    })
    expect(await app.call('/v1/files', { key: foreign.key })).toMatchObject({ status: 200 })
    expect(await app.call(`/v1/keys/${made.json.id}`, { key, method: 'DELETE' })).toMatchObject({
      status: 200,
    })
    expect(await app.call('/v1/files', { key: String(made.json.key) })).toMatchObject({ status: 401 })
  })

  it('hands on what it may do itself where nothing else is asked', async () => {
    const app = start()
    const own = { models: ['gpt-4.1', 'gpt-4.1-mini'], providers: ['openai'], expires_at: NOW + 60 }
    const { key } = await manager(app, own)
    expect(await make(app, key)).toMatchObject({ status: 200, json: { ...own, scopes: ['files', 'chat'] } })
    const less = { models: ['gpt-4.1'], expires_at: NOW + 30, scopes: ['chat'] }
    expect(await make(app, key, less)).toMatchObject({ status: 200, json: { ...own, ...less } })
  })

  it.each<[string, object, string]>([
    ['another scope', { scopes: ['chat', 'jobs'] }, 'scopes'],
    ['another model', { models: ['gpt-4.1', 'o4-mini'] }, 'models'],
    ['all models', { models: null }, 'models'],
    ['another provider', { providers: ['second'] }, 'providers'],
    ['all providers', { providers: null }, 'providers'],
    ['a later end', { expires_at: NOW + 61 }, 'expires_at'],
    ['no end', { expires_at: null }, 'expires_at'],
  ])('makes no key with %s than it has', async (_what, body, param) => {
    const app = start()
    const { key } = await manager(app, { models: ['gpt-4.1'], providers: ['openai'], expires_at: NOW + 60 })
    expect(await make(app, key, body)).toMatchObject(refusal(param))
  })
})
