import { describe, expect, it } from 'vitest'
import { stateOf } from '../../../shared/providers/azure/files.ts'
import { streamOf, utf8 } from '../support/bytes.ts'
import { json, type Sent } from '../support/context.ts'
import { FILE_ANSWER } from './recordings.ts'
import { KEYED, start } from './support.ts'

const BYTES = utf8('\uFEFF{"messages":[]}\n')
const upload = {
  name: 'file-ours.jsonl',
  purpose: 'fine-tune',
  size: BYTES.length,
  open: async () => streamOf([BYTES]),
}
/** Answers the upload with the first of these states, each look with the next, the last again and again. */
const inStates = (...states: Record<string, unknown>[]) => {
  let looks = 0
  return ({ method }: Sent) =>
    json(method === 'DELETE' ? {} : { ...FILE_ANSWER, ...states[Math.min(looks++, states.length - 1)] })
}

describe('states of a file', () => {
  it.each([
    ['uploaded', 'pending'],
    ['pending', 'pending'],
    ['running', 'pending'],
    ['processed', 'ready'],
    ['error', 'failed'],
    ['deleting', 'gone'],
    ['deleted', 'gone'],
    ['brand_new', 'pending'],
    ['constructor', 'pending'],
    [null, 'ready'],
    [undefined, 'ready'],
  ])('%s is %s', (status, expected) => {
    expect(stateOf({ status })).toBe(expected)
  })
})

describe('an upload', () => {
  it('is done when the file has been processed, with looks that grow rarer', async () => {
    const waiting = ['pending', 'pending', 'running', 'running', 'running', 'running', 'running', 'running']
    const states = [...waiting, 'processed'].map(status => ({ status }))
    const { provider, channel, sent, platform } = await start(inStates(...states), KEYED.dated)
    expect(await provider.files.upload(channel, upload)).toEqual({ id: 'file-abc123' })
    expect(platform.clock.slept).toEqual([200, 400, 800, 1600, 3200, 5000, 5000, 5000])
    expect(sent.map(({ method }) => method)).toEqual(['POST', ...waiting.map(() => 'GET')])
    expect(sent[1]).toMatchObject({
      path: '/openai/files/file-abc123',
      query: { 'api-version': '2025-04-01-preview' },
    })
  })

  it('takes no look at a file that is processed at once', async () => {
    const { provider, channel, sent } = await start(inStates({ status: 'processed' }))
    await provider.files.upload(channel, upload)
    expect(sent).toHaveLength(1)
  })

  it.each([
    [{ status: 'error', status_details: 'Line 3 is bad' }, "'file-ours.jsonl': Line 3 is bad."],
    [{ status: 'error' }, "'file-ours.jsonl'."],
    [{ status: 'deleted' }, "'file-ours.jsonl'."],
  ])('that ends in %j names the file, and leaves nothing behind', async (state, said) => {
    const { provider, channel, sent } = await start(inStates({ status: 'pending' }, state))
    await expect(provider.files.upload(channel, upload)).rejects.toMatchObject({
      status: 400,
      code: 'invalid_dataset',
      message: expect.stringContaining(said),
    })
    expect(sent.at(-1)).toMatchObject({ method: 'DELETE', path: '/openai/v1/files/file-abc123' })
  })

  it('is given up after five minutes', async () => {
    const { provider, channel, sent, platform } = await start(inStates({ status: 'running' }))
    const begun = platform.clock.time
    await expect(provider.files.upload(channel, upload)).rejects.toMatchObject({
      status: 504,
      code: 'provider_timeout',
      message: expect.stringMatching(/'file-ours.jsonl'.* 300 s.*'running'/),
    })
    expect(platform.clock.time - begun).toBeLessThanOrEqual(300_000)
    expect(platform.clock.time - begun).toBeGreaterThan(290_000)
    expect(sent.at(-1)?.method).toBe('DELETE')
  })

  it('tells why it failed even if what it left cannot be cleared away', async () => {
    const { provider, channel } = await start(({ method }) =>
      method === 'DELETE' ? json({}, 500) : json({ ...FILE_ANSWER, status: 'error' }),
    )
    await expect(provider.files.upload(channel, upload)).rejects.toMatchObject({ code: 'invalid_dataset' })
  })
})

describe('files', () => {
  it('of unknown size have none', async () => {
    const { provider, channel } = await start(() => json({ ...FILE_ANSWER, bytes: null }))
    expect(await provider.files.get(channel, 'f')).toEqual({
      filename: 't.jsonl',
      bytes: 0,
      createdAt: 1,
      purpose: 'fine-tune',
    })
  })

  it('that are only remembered are not found', async () => {
    const { provider, channel } = await start(() => json({ ...FILE_ANSWER, status: 'deleted' }))
    await expect(provider.files.get(channel, 'f')).rejects.toMatchObject({
      name: 'ProviderFault',
      status: 404,
    })
  })

  it('come in pages, or all at once without a word of it', async () => {
    const data = [FILE_ANSWER, { ...FILE_ANSWER, id: 'file-2', bytes: null }]
    const common = { filename: 't.jsonl', createdAt: 1, purpose: 'fine-tune' }
    const items = [
      { id: 'file-abc123', bytes: 10, ...common },
      { id: 'file-2', bytes: 0, ...common },
    ]
    const paged = await start(() => json({ object: 'list', data, has_more: true }))
    expect(await paged.provider.files.list(paged.channel, { limit: 2 })).toEqual({ items, hasMore: true })
    const all = await start(() => json({ object: 'list', data }))
    expect(await all.provider.files.list(all.channel, { limit: 2 })).toEqual({ items, hasMore: false })
  })
})

it('datasets begin with a byte order mark', async () => {
  const { provider } = await start(() => json({}))
  for (const method of ['supervised', 'dpo', 'reinforcement'] as const) {
    expect(provider.formatOf('gpt-4.1-mini', method)).toBe('openai_with_mark')
  }
})
