/** Gateway keys: made, listed and revoked by the admin key, kept as digests only. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { itIsJudged, type RawOptions, refusal, useBench } from './support/bench.ts'

const bench = useBench()

interface Key {
  id: string
  key: string
  owner: string
}

const admin = (path = '', options: RawOptions = {}) =>
  bench.raw(`/v1/keys${path}`, { key: bench.stack.adminKey, ...options })
const made = async (body: object = { name: 'k' }) => (await admin('', { body })).json as Key

describe('POST /v1/keys', () => {
  it('makes a key that works, and shows it once', async () => {
    const answer = await admin('', { body: { name: 'team a', owner: 'team-a@x.org' } })
    expect(answer.json).toEqual({
      id: expect.stringMatching(/^key_\w+$/),
      object: 'tunegate.key',
      name: 'team a',
      owner: 'team-a@x.org',
      redacted_value: expect.stringMatching(/^tg-…\w{4}$/),
      created_at: expect.any(Number),
      revoked_at: null,
      scopes: ['files', 'jobs', 'chat', 'models'],
      models: null,
      providers: null,
      expires_at: null,
      key: expect.stringMatching(/^tg-\w{43}$/),
    })
    const { key } = answer.json as Key
    expect((await (await bench.client(key)).models.list()).data.length).toBeGreaterThan(0)
    expect((await admin()).text).not.toContain(key)
  })

  it('makes a new owner when none is named, and no key twice', async () => {
    const keys = [await made(), await made(), await made()]
    expect(new Set(keys.map(({ key }) => key)).size).toBe(3)
    expect(new Set(keys.map(({ owner }) => owner)).size).toBe(3)
  })

  it.each([
    ['no name', {}, 'name'],
    ['an empty name', { name: '' }, 'name'],
    ['a long name', { name: 'x'.repeat(129) }, 'name'],
    ['an owner with a slash', { name: 'n', owner: 'a/b' }, 'owner'],
    ['an empty owner', { name: 'n', owner: '' }, 'owner'],
    ['a key of one’s own', { name: 'n', key: 'tg-1' }, 'key'],
  ])('refuses %s', async (_what, body, param) => {
    const before = bench.stored()
    expect(await admin('', { body })).toMatchObject({ status: 400, error: { param } })
    expect(bench.stored()).toEqual(before)
  })
})

describe('GET /v1/keys', () => {
  it('lists them newest first, page by page, without the keys', async () => {
    const keys = [await made(), await made(), await made()].toReversed()
    const page = await admin('?limit=2')
    expect(page.json).toMatchObject({
      object: 'list',
      has_more: true,
      data: [{ id: keys[0]?.id }, { id: keys[1]?.id }],
    })
    expect((await admin(`?limit=1&after=${keys[1]?.id}`)).json).toMatchObject({ data: [{ id: keys[2]?.id }] })
    for (const { key } of keys) expect((await admin('?limit=100')).text).not.toContain(key)
    expect((await admin('?limit=101')).error.param).toBe('limit')
  })
})

describe('DELETE /v1/keys/{id}', () => {
  it('revokes a key at once and for good; the list remembers it', async () => {
    const { id, key } = await made()
    const client = await bench.client(key)
    await client.files.list()
    expect((await admin(`/${id}`, { method: 'DELETE' })).json).toEqual({
      id,
      object: 'tunegate.key',
      deleted: true,
    })
    expect(await refusal(client.files.list())).toMatchObject({ status: 401, code: 'invalid_api_key' })
    const { data } = (await admin('?limit=100')).json as { data: { id: string; revoked_at: number | null }[] }
    expect(data.find(each => each.id === id)?.revoked_at).toEqual(expect.any(Number))
    expect((await admin(`/${id}`, { method: 'DELETE' })).status).toBe(200)
    expect(await refusal(client.files.list())).toMatchObject({ status: 401 })
  })

  it('answers 404 to a key that never was', async () => {
    expect(await admin('/key_none', { method: 'DELETE' })).toMatchObject({
      status: 404,
      error: { code: 'key_not_found', param: 'key_id' },
    })
  })
})

describe('who may manage keys', () => {
  it.each([
    ['POST', ''],
    ['GET', ''],
    ['DELETE', '/key_none'],
  ])('%s /v1/keys%s: the admin, and keys with the scope admin', async (method, path) => {
    const { key } = await made()
    const options = { method, ...(method === 'POST' && { body: { name: 'k' } }) }
    expect((await admin(path, options)).status).not.toBe(401)
    const before = bench.stored()
    for (const other of [null, 'tg-wrong', `${bench.stack.adminKey}x`])
      expect((await admin(path, { ...options, key: other })).status).toBe(401)
    expect(await admin(path, { ...options, key })).toMatchObject({
      status: 403,
      error: { code: 'insufficient_permissions' },
    })
    expect(bench.stored()).toEqual(before)
    const manager = (await made({ name: 'm', scopes: ['admin', 'files'] })) as Key
    expect([200, 404]).toContain((await admin(path, { ...options, key: manager.key })).status)
  })

  it('the admin key is no API key', async () => {
    const client = await bench.client(bench.stack.adminKey)
    expect(await refusal(client.files.list())).toMatchObject({ status: 401, code: 'invalid_api_key' })
  })
})

describe('the store', () => {
  it('has the SHA-256 of a key, and neither the key nor the admin’s nor the provider’s', async () => {
    const { key } = await made()
    const client = await bench.client(key)
    await client.chat.completions.create({
      model: 'gpt-4.1-mini',
      messages: [{ role: 'user', content: 'hi' }],
    })
    const sha256 = createHash('sha256').update(key).digest('hex')
    expect((await bench.records('key')).some(record => record.sha256 === sha256)).toBe(true)
    // The search itself works: the digest is found in the store, the secrets are not.
    expect(await bench.holding(sha256)).not.toEqual([])
    for (const secret of [key, key.slice(3), bench.stack.adminKey, bench.stack.sandbox.apiKey])
      expect(await bench.holding(secret)).toEqual([])
  })
})

itIsJudged(bench)
