/** The short way of an ordinary completion leads where the whole way leads, or is not taken. */
import { describe, expect, it } from 'vitest'
import type { Context } from '../../shared/context.ts'
import { complete, deleteModel, type ModelRecord, registerModel } from '../../shared/serving/index.ts'
import { type Bench, json, startBench } from './support/context.ts'

const OWNER = 'owner'
const TUNE = 'ft:gpt-4.1-mini:shop::1'
const messages = [{ role: 'user', content: 'hi' }]

const tune: ModelRecord = {
  name: TUNE,
  owner: OWNER,
  connection: 'openai',
  account: 'openai',
  native: TUNE,
  base_model: 'gpt-4.1-mini',
  job: 'ftjob-1',
  kind: 'model',
  created_at: 1,
  deleted_at: null,
}

const start = async (answer = () => json({ id: 'x' })): Promise<Bench> => {
  const bench = startBench(answer, {
    requestCredentials: true,
    connections: {
      openai: { provider: 'openai', apiKey: 'sk-one', baseUrl: 'https://one.example/v1' },
      other: { provider: 'openai', apiKey: 'sk-two', baseUrl: 'https://two.example/v1' },
    },
  })
  await registerModel(bench.context, tune)
  return bench
}

const chat = (context: Context, fields: object = {}, owner = OWNER) =>
  complete(context, owner, JSON.stringify({ model: TUNE, messages, ...fields }))

describe.each([TUNE, 'gpt-4.1-mini'])('a second request under %s', model => {
  it('is sent like the first, with its own text', async () => {
    const { context, sent } = await start()
    for (const seed of [1, 2]) await chat(context, { model, seed })
    const [first, second] = sent
    expect(sent).toHaveLength(2)
    expect(JSON.parse(second?.body ?? '')).toEqual({ model, messages, seed: 2 })
    expect({ ...second, body: '' }).toEqual({ ...first, body: '' })
    expect(second?.headers).toMatchObject({
      authorization: 'Bearer sk-one',
      'content-type': 'application/json',
    })
  })
})

describe('a request in between', () => {
  it.each<[string, object, Partial<Context>, string]>([
    ['names a connection', { provider: 'other' }, {}, 'Bearer sk-two'],
    ['names a connection in a header', {}, { provider: 'other' }, 'Bearer sk-two'],
    ['brings a key', { provider: 'openai', api_key: 'sk-own' }, {}, 'Bearer sk-own'],
    ['brings a key in a header', {}, { credentials: { api_key: 'sk-own' } }, 'Bearer sk-own'],
  ])('that %s goes its own way', async (_what, fields, parts, authorization) => {
    const { context, sent } = await start()
    await chat(context, { model: 'gpt-4.1-mini' })
    await chat({ ...context, ...parts }, { model: 'gpt-4.1-mini', ...fields })
    await chat(context, { model: 'gpt-4.1-mini' })
    expect(sent.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer sk-one',
      authorization,
      'Bearer sk-one',
    ])
  })
})

describe('a way that is known', () => {
  it('is no way for another owner', async () => {
    const { context, sent } = await start()
    await chat(context)
    await expect(chat(context, {}, 'other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    await chat(context)
    expect(sent).toHaveLength(2)
  })

  it('ends with its model', async () => {
    const { context, sent } = await start()
    await chat(context)
    await deleteModel(context, OWNER, TUNE)
    const before = sent.length
    await expect(chat(context)).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    expect(sent).toHaveLength(before)
  })

  it('ends where the name becomes a tune of someone else', async () => {
    const { context, sent } = await start()
    const name = 'ft:gpt-4.1-mini:shop::2'
    await chat(context, { model: name })
    await registerModel(context, { ...tune, name, native: name, owner: 'other' })
    await expect(chat(context, { model: name })).rejects.toMatchObject({ status: 404 })
    expect(sent).toHaveLength(1)
  })

  it('tells a fault as the whole way does', async () => {
    const said = {
      error: { message: 'No.', type: 'invalid_request_error', param: null, code: 'model_not_found' },
    }
    let isGone = false
    const { context } = await start(() => (isGone ? json(said, 404) : json({ id: 'x' })))
    const model = 'gpt-4.1-mini'
    for (const name of [model, TUNE]) await chat(context, { model: name })
    isGone = true
    for (const name of [model, TUNE]) {
      const short = await chat(context, { model: name }).catch((error: unknown) => error)
      const whole = await chat(context, { model: name, provider: 'openai' }).catch((error: unknown) => error)
      expect(short).toBeInstanceOf(Error)
      expect(short).toMatchObject({ message: (whole as Error).message })
      expect((short as Error).constructor).toBe((whole as Error).constructor)
    }
  })
})
