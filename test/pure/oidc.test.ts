/** Users of identity providers: whom their tokens let in, as whom, and what is never believed. */
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { ownerOf, scopesOf } from '../../shared/access/oidc.ts'
import { type Config, defineConfig, type OidcIssuer } from '../../shared/config.ts'
import { type Answered, startApp, type TestApp } from './support/app.ts'
import { json } from './support/context.ts'

const NOW = Date.UTC(2026, 10, 20) / 1000
const ISSUER = 'https://id.example.com/realms/shop'
const KEYS_URL = 'https://id.example.com/keys'
const AUDIENCE = 'tunegate'
const row: OidcIssuer = { issuer: ISSUER, audience: AUDIENCE, jwksUrl: KEYS_URL, scopes: ['chat', 'files'] }

const newKey = async (kid: string, alg = 'RS256') => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, kid, alg, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}
type Key = Awaited<ReturnType<typeof newKey>>
let [current, next, foreign, curve] = [] as unknown as [Key, Key, Key, Key]
beforeAll(async () => {
  ;[current, next, foreign, curve] = await Promise.all([
    newKey('current'),
    newKey('next'),
    newKey('current'),
    newKey('curve', 'ES256'),
  ])
})

/** The app, before an identity provider whose keys can be changed. */
const start = (config: Partial<Config> = { oidc: [row] }) => {
  const idp = { keys: [current.jwk, curve.jwk] as object[], isAway: false }
  const app = startApp(({ url }) => {
    if (idp.isAway && url.startsWith('https://id.')) return json({}, 503)
    if (url === KEYS_URL) return json({ keys: idp.keys })
    if (url === `${ISSUER}/.well-known/openid-configuration`)
      return json({ issuer: ISSUER, jwks_uri: KEYS_URL, authorization_endpoint: 'https://id.example.com/a' })
    return json({ id: 'x', object: 'list', data: [] })
  }, config)
  return { ...app, idp, fetched: () => app.sent.filter(({ url }) => url.startsWith('https://id.')).length }
}

const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', iat: NOW, exp: NOW + 600 }
const token = (more: object = {}, { privateKey, kid, alg }: Key = current, header: object = {}) =>
  new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg, kid, ...header }).sign(privateKey)

const chat = (app: TestApp, key: string): Promise<Answered> =>
  app.call('/v1/chat/completions', {
    key,
    body: { model: 'gpt-4.1', messages: [{ role: 'user', content: 'hi' }] },
  })
const upload = (app: TestApp, key: string) => {
  const form = new FormData()
  form.set('purpose', 'batch')
  form.set('file', new File(['x'], 'x.txt'))
  return app.call('/v1/files', { key, body: form })
}

describe('a user’s token', () => {
  it.each([
    ['RS256', () => current],
    ['ES256', () => curve],
  ])('signed by %s lets in, to the scopes of its issuer', async (_alg, key) => {
    const app = start()
    const jwt = await token({}, key())
    expect(await chat(app, jwt)).toMatchObject({ status: 200 })
    expect(await upload(app, jwt)).toMatchObject({ status: 200 })
    expect(await app.call('/v1/fine_tuning/jobs', { key: jwt })).toMatchObject({
      status: 403,
      error: { code: 'insufficient_permissions' },
    })
    expect(await app.call('/v1/keys', { key: jwt })).toMatchObject({ status: 403 })
  })

  it('makes an owner of its own of each user: no other user’s, no key’s', async () => {
    const app = start()
    const alice = await token()
    await upload(app, alice)
    const seen = async (key: string) => {
      const { data } = (await app.call('/v1/files', { key })).json as { data: unknown[] }
      return data.length
    }
    expect(await seen(alice)).toBe(1)
    expect(await seen(await token({ exp: NOW + 700 }))).toBe(1)
    expect(await seen(await token({ sub: 'bob' }))).toBe(0)
    const { items } = { items: [...app.platform.bucket.objects.keys()] }
    const owner = items[0]?.split('/')[1] ?? ''
    expect(owner).toMatch(/^~\w{8}~alice$/)
    const refused = await app.call('/v1/keys', { key: 'admin-of-the-tests', body: { name: 'k', owner } })
    expect(refused).toMatchObject({ status: 400, error: { param: 'owner' } })
    expect(await seen((await app.key({ owner: 'alice' })).key)).toBe(0)
  })

  it('is bound by its issuer’s lists', async () => {
    const app = start({ oidc: [{ ...row, models: ['gpt-4.1-mini'] }] })
    expect(await chat(app, await token())).toMatchObject({ status: 403, error: { param: 'model' } })
  })

  it('is good while its clock may differ, and no longer, though it was remembered', async () => {
    const app = start()
    const jwt = await token({ exp: NOW + 5 })
    expect(await chat(app, jwt)).toMatchObject({ status: 200 })
    app.platform.clock.time += 34_000
    expect(await chat(app, jwt)).toMatchObject({ status: 200 })
    expect(await chat(app, await token({ exp: NOW + 6 }))).toMatchObject({ status: 200 })
    app.platform.clock.time += 1000
    expect(await chat(app, jwt)).toMatchObject({ status: 401 })
    expect(await chat(app, await token({ exp: NOW + 5, jti: '2' }))).toMatchObject({ status: 401 })
  })

  it('finds its keys by the issuer’s discovery document where the configuration names no other', async () => {
    const { jwksUrl: _, ...discovered } = row
    const app = start({ oidc: [discovered] })
    expect(await chat(app, await token())).toMatchObject({ status: 200 })
    expect(app.fetched()).toBe(2)
  })

  it('finds none in the document of another issuer', async () => {
    const { jwksUrl: _, ...discovered } = row
    const lying = `${ISSUER}/`
    const app = start({ oidc: [{ ...discovered, issuer: lying }] })
    expect(await chat(app, await token({ iss: lying }))).toMatchObject({ status: 502 })
  })
})

describe('what is not believed', () => {
  const secretFrom = (key: Key) => new TextEncoder().encode(JSON.stringify(key.jwk))
  const attempts: [string, () => Promise<string> | string][] = [
    ['another audience', () => token({ aud: 'elsewhere' })],
    ['another issuer', () => token({ iss: 'https://evil.example.com' })],
    ['an issuer that begins alike', () => token({ iss: `${ISSUER}.evil.example.com` })],
    ['its end has been', () => token({ exp: NOW - 31 })],
    ['no end', () => token({ exp: undefined })],
    ['not yet', () => token({ nbf: NOW + 31 })],
    ['no subject', () => token({ sub: undefined })],
    ['an empty subject', () => token({ sub: '' })],
    ['a subject that is no text', () => token({ sub: 7 })],
    ['a key of that name that is another', () => token({}, foreign)],
    ['an unknown key', () => token({}, { ...foreign, kid: 'unknown' })],
    ['no signature', () => new UnsecuredJWT(claims).encode().replace(/\.$/, '.AAAA')],
    [
      'the public key as a shared secret',
      () =>
        new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'current' }).sign(secretFrom(current)),
    ],
    ['an algorithm that is not configured', () => token({}, current, { alg: 'RS512' }).catch(() => '')],
    ['keys it brings itself', () => token({}, foreign, { kid: 'own', jwk: foreign.jwk })],
    ['keys elsewhere', () => token({}, foreign, { kid: 'own', jku: 'https://evil.example.com/keys' })],
    [
      'a payload that was changed',
      async () =>
        (await token()).replace(
          /\.[\w-]+\./,
          `.${btoa(JSON.stringify({ ...claims, sub: 'root' })).replaceAll('=', '')}.`,
        ),
    ],
    ['no JSON', () => 'aaaa.bbbb.cccc'],
  ]

  it.each(attempts)('%s', async (_what, make) => {
    const app = start()
    const answer = await chat(app, (await make()) || 'a.b.c')
    expect(answer).toMatchObject({
      status: 401,
      error: { code: 'invalid_api_key', message: 'The token is not valid here.' },
    })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    // Nobody else is ever asked.
    expect(app.sent.filter(({ url }) => url !== KEYS_URL)).toEqual([])
  })

  it('any token, where no identity provider is configured: it is looked up as a key', async () => {
    const app = start({})
    expect(await chat(app, await token())).toMatchObject({
      status: 401,
      error: { message: expect.stringContaining('API key') },
    })
    expect(app.sent).toEqual([])
  })
})

describe('an issuer’s keys', () => {
  it('are fetched once for many', async () => {
    const app = start()
    for (const sub of ['a', 'b', 'c', 'd'])
      expect(await chat(app, await token({ sub }))).toMatchObject({ status: 200 })
    expect(app.fetched()).toBe(1)
  })

  it('are fetched anew for a new one, which junk cannot make us do again and again', async () => {
    const app = start()
    await chat(app, await token())
    app.idp.keys = [next.jwk]
    expect(await chat(app, await token({}, next))).toMatchObject({ status: 200 })
    expect(app.fetched()).toBe(2)
    for (const kid of ['junk-1', 'junk-2', 'junk-3'])
      expect(await chat(app, await token({}, { ...foreign, kid }))).toMatchObject({ status: 401 })
    expect(app.fetched()).toBe(2)
  })

  it('that cannot be had are no fault of the caller', async () => {
    const app = start()
    app.idp.isAway = true
    const jwt = await token()
    expect(await chat(app, jwt)).toMatchObject({ status: 502, error: { code: 'provider_unreachable' } })
    app.idp.isAway = false
    expect(await chat(app, jwt)).toMatchObject({ status: 200 })
  })

  it('are asked for at public addresses only', async () => {
    const app = start({ oidc: [{ ...row, jwksUrl: 'https://169.254.169.254/keys' }] })
    expect(await chat(app, await token())).toMatchObject({ status: 502 })
    expect(app.sent).toEqual([])
  })
})

describe('owners', () => {
  it.each([
    ['of two subjects', {}, { sub: 'a' }, {}, { sub: 'b' }],
    ['of two issuers', {}, { sub: 'a' }, { issuer: 'https://b.example.com' }, { sub: 'a' }],
    ['of two claims', {}, { sub: 'a' }, { owner: 'oid' }, { oid: 'a' }],
    ['of odd subjects', {}, { sub: 'a|b' }, {}, { sub: 'a/b' }],
    [
      'of claims that come apart differently',
      { owner: '{tid}-{oid}' },
      { tid: 'a-b', oid: 'c' },
      { owner: '{tid}-{oid}' },
      { tid: 'a', oid: 'b-c' },
    ],
  ])('%s are two', async (_what, one, first, other, second) => {
    const owners = await Promise.all([
      ownerOf({ ...row, ...one }, first),
      ownerOf({ ...row, ...other }, second),
    ])
    expect(new Set(owners).size).toBe(2)
    for (const owner of owners) expect(owner).toMatch(/^~\w{8}~[\w.@~-]+$/)
  })

  it('stay what they are', async () => {
    const owner = { ...row, owner: 'org-{tid}.{oid}' }
    expect(await ownerOf(owner, { tid: 't1', oid: 'o1' })).toBe(
      await ownerOf(owner, { tid: 't1', oid: 'o1', sub: 'x' }),
    )
    expect(await ownerOf(owner, { tid: 't1', oid: 'o1' })).toMatch(/~org-t1\.o1$/)
  })

  it.each([{}, { tid: 7, oid: 'x' }, { tid: '', oid: 'x' }])('are not made of %j', async payload => {
    await expect(ownerOf({ ...row, owner: '{tid}-{oid}' }, payload)).rejects.toMatchObject({ status: 401 })
  })
})

describe('scopes', () => {
  const map = { trainer: ['files', 'jobs'], reader: ['chat'], boss: ['admin'] } as const
  it.each<[string, OidcIssuer['scopes'], Record<string, unknown>, string[]]>([
    ['fixed', ['chat'], { scope: 'admin' }, ['chat']],
    ['words of a text', { claim: 'scope' }, { scope: 'openid chat jobs' }, ['jobs', 'chat']],
    ['words of a list', { claim: 'roles' }, { roles: ['chat', 7, 'files'] }, ['files', 'chat']],
    [
      'words that stand for some',
      { claim: 'roles', map },
      { roles: ['trainer', 'reader'] },
      ['files', 'jobs', 'chat'],
    ],
    ['words that stand for nothing', { claim: 'roles', map }, { roles: ['chat', 'constructor'] }, []],
    ['no such claim', { claim: 'roles' }, {}, []],
    ['a claim that is neither', { claim: 'roles' }, { roles: { chat: true } }, []],
    ['what every object has', { claim: 'constructor' }, {}, []],
  ])('%s', (_what, scopes, payload, granted) => {
    expect(scopesOf({ scopes }, payload)).toEqual(granted)
  })
})

describe('a configuration', () => {
  it.each([
    ['oidc[0].algorithms', { algorithms: ['RS256', 'HS256'] }],
    ['oidc[0].algorithms', { algorithms: ['none'] }],
    ['oidc[0].issuer', { issuer: 'shop' }],
    ['oidc[0].jwksUrl', { jwksUrl: '/keys' }],
    ['oidc[0].audience', { audience: '' }],
    ['oidc[0].owner', { owner: '{tid}{oid}' }],
    ['oidc[0].owner', { owner: '{tid}x{oid}' }],
    ['oidc[0].owner', { owner: '{tid' }],
  ])('is refused for %s: %j', (place, wrong) => {
    expect(() => defineConfig({ oidc: [{ ...row, ...wrong }] })).toThrow(place)
  })
})
