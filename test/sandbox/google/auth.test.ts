/** Who gets a token, and what it opens. */
import { generateKeyPairSync } from 'node:crypto'
import { AwsClient, IdentityPoolClient, JWT } from 'google-auth-library'
import { describe, expect, it } from 'vitest'
import { mintSubjectToken } from '../../../sandbox/google/auth/identity.ts'
import {
  CLOUD_PLATFORM,
  JWT_BEARER,
  serviceAccountClient,
  signedJwt,
  transporterTo,
  useGoogle,
} from './support.ts'

const google = useGoogle()

const BASE = '/aiplatform/v1/projects/sandbox-project/locations'
const JOBS = `${BASE}/us-central1/tuningJobs`

async function grant(fields: Record<string, string>) {
  const response = await fetch(google.sandbox.google.tokenUrl, {
    method: 'POST',
    body: new URLSearchParams(fields),
  })
  return { status: response.status, json: (await response.json()) as Record<string, unknown> }
}

const otherKey = (): string =>
  generateKeyPairSync('rsa', { modulusLength: 2048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()

const seconds = (): number => Math.floor(Date.now() / 1000)

describe('a service account', () => {
  it('exchanges its assertion by the official library', async () => {
    const { token, res } = await serviceAccountClient(google.sandbox).getAccessToken()
    expect(token).toMatch(/^ya29\./)
    expect(res).toBeNull()
    expect(await google.call('GET', JOBS)).toMatchObject({ status: 200, json: {} })
  })

  it('has a key file that the library takes as it is', async () => {
    const client = new JWT({ scopes: CLOUD_PLATFORM, transporter: transporterTo(google.sandbox) })
    client.fromJSON(google.sandbox.google.serviceAccount)
    expect((await client.getAccessToken()).token).toMatch(/^ya29\./)
    expect(client.projectId).toBe('sandbox-project')
  })

  it('may name the token URL of its key file as the audience', async () => {
    const assertion = await signedJwt(google.sandbox, { aud: google.sandbox.google.tokenUrl })
    expect(await grant({ grant_type: JWT_BEARER, assertion })).toEqual({
      status: 200,
      json: { access_token: expect.stringMatching(/^ya29\./), expires_in: 3599, token_type: 'Bearer' },
    })
  })

  it.each<[name: string, () => Promise<string>, error: string, why: RegExp]>([
    ['another key', () => signedJwt(google.sandbox, {}, { key: otherKey() }), 'invalid_grant', /Signature/],
    ['another account', () => signedJwt(google.sandbox, { iss: 'x@y.iam' }), 'invalid_grant', /not found/],
    [
      'another audience',
      () => signedJwt(google.sandbox, { aud: 'https://a.b' }),
      'invalid_grant',
      /audience/,
    ],
    ['another subject', () => signedJwt(google.sandbox, { sub: 'boss@y' }), 'invalid_grant', /subject/],
    ['a key id nobody has', () => signedJwt(google.sandbox, {}, { kid: 'x' }), 'invalid_grant', /key/],
    ['no scope', () => signedJwt(google.sandbox, { scope: '' }), 'invalid_scope', /scope/],
    [
      'an expired assertion',
      () => signedJwt(google.sandbox, { iat: seconds() - 4000, exp: seconds() - 400 }),
      'invalid_grant',
      /short-lived/,
    ],
    ['two hours', () => signedJwt(google.sandbox, { exp: seconds() + 7200 }), 'invalid_grant', /60 minutes/],
    [
      'a time to come',
      () => signedJwt(google.sandbox, { iat: seconds() + 900, exp: seconds() + 1000 }),
      'invalid_grant',
      /reasonable/,
    ],
    ['no JWT at all', async () => 'abc.def', 'invalid_grant', /decoded/],
    ['nothing', async () => '', 'invalid_request', /assertion/],
  ])('is refused with %s', async (_name, assertion, error, why) => {
    const { status, json } = await grant({ grant_type: JWT_BEARER, assertion: await assertion() })
    expect({ status, error: json.error }).toEqual({ status: 400, error })
    expect(json.error_description).toMatch(why)
  })

  it('must sign with RS256', async () => {
    const [, payload = '', signature = ''] = (await signedJwt(google.sandbox)).split('.')
    const header = Buffer.from('{"alg":"none"}').toString('base64url')
    const { status, json } = await grant({
      grant_type: JWT_BEARER,
      assertion: `${header}.${payload}.${signature}`,
    })
    expect({ status, json }).toMatchObject({ status: 400, json: { error: 'invalid_grant' } })
  })

  it('must name a grant that is known, in a form', async () => {
    expect(await grant({ grant_type: 'password' })).toMatchObject({
      status: 400,
      json: { error: 'unsupported_grant_type' },
    })
    expect(await google.call('POST', '/oauth2/token', { grant_type: JWT_BEARER })).toMatchObject({
      status: 400,
      json: { error: 'invalid_request' },
    })
  })

  it('may use a JWT of its own as the token, for one API or for scopes', async () => {
    const email = google.sandbox.google.serviceAccount.client_email
    const own = (claims: object, kid?: string) =>
      signedJwt(google.sandbox, { sub: email, ...claims }, kid === undefined ? {} : { kid })
    const status = async (path: string, jwt: string): Promise<number> =>
      (await google.call('GET', path, undefined, { authorization: `Bearer ${jwt}` })).status
    const kid = google.sandbox.google.serviceAccount.private_key_id
    const objects = '/storage/storage/v1/b/sandbox-bucket/o'
    const vertex = await own({ aud: 'https://us-central1-aiplatform.googleapis.com/', scope: undefined }, kid)
    const storage = await own({ aud: 'https://storage.googleapis.com/', scope: undefined }, kid)
    const scoped = await own({ aud: undefined }, kid)
    expect(await status(JOBS, vertex)).toBe(200)
    expect(await status(objects, vertex)).toBe(401)
    expect(await status(objects, storage)).toBe(200)
    expect(await status(JOBS, storage)).toBe(401)
    expect(await status(JOBS, scoped)).toBe(200)
    expect(await status(objects, scoped)).toBe(200)
    expect(await status(JOBS, await own({ aud: undefined }))).toBe(401)
    expect(await status(JOBS, await own({ aud: undefined, exp: seconds() - 1 }, kid))).toBe(401)
  })
})

describe('a federated identity', () => {
  const sts = (fields: Record<string, string>) =>
    fetch(google.sandbox.google.stsUrl, { method: 'POST', body: new URLSearchParams(fields) })

  const exchange = async (subject_token: string, changes: Record<string, string> = {}) => {
    const response = await sts({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience: google.sandbox.google.externalAccount().audience,
      scope: CLOUD_PLATFORM,
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token,
      ...changes,
    })
    return { status: response.status, json: (await response.json()) as Record<string, string> }
  }

  it('becomes the service account by the official library', async () => {
    const { token } = await new IdentityPoolClient(google.sandbox.google.externalAccount()).getAccessToken()
    const { status } = await google.call('GET', JOBS, undefined, { authorization: `Bearer ${token}` })
    expect(status).toBe(200)
    expect(google.sandbox.requests().map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        '/google/oidc/token',
        '/google/sts/v1/token',
        expect.stringMatching(/:generateAccessToken$/),
      ]),
    )
  })

  it('may come from AWS with a signed GetCallerIdentity', async () => {
    const config = google.sandbox.google.externalAccount()
    const client = new AwsClient({
      type: 'external_account',
      audience: config.audience.replace('sandbox-oidc', 'sandbox-aws'),
      subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request',
      token_url: config.token_url,
      service_account_impersonation_url: config.service_account_impersonation_url,
      aws_security_credentials_supplier: {
        getAwsRegion: async () => 'us-east-1',
        getAwsSecurityCredentials: async () => ({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }),
      },
    })
    expect((await client.getAccessToken()).token).toMatch(/^ya29\./)
  })

  const aws = (changes: object = {}, headers: Record<string, string> = {}): string => {
    const audience = google.sandbox.google.externalAccount().audience.replace('sandbox-oidc', 'sandbox-aws')
    const given = {
      authorization: `AWS4-HMAC-SHA256 Credential=AK/20261120/us-east-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'a'.repeat(64)}`,
      host: 'sts.us-east-1.amazonaws.com',
      'x-amz-date': '20261120T000000Z',
      'x-goog-cloud-target-resource': audience,
      ...headers,
    }
    return encodeURIComponent(
      JSON.stringify({
        url: 'https://sts.us-east-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15',
        method: 'POST',
        headers: Object.entries(given).map(([key, value]) => ({ key, value })),
        ...changes,
      }),
    )
  }

  it.each<[name: string, () => string, status: number]>([
    ['as it should be', () => aws(), 200],
    [
      'another host',
      () => aws({ url: 'https://evil.test/?Action=GetCallerIdentity&Version=2011-06-15' }),
      400,
    ],
    ['another action', () => aws({ url: 'https://sts.amazonaws.com?Action=GetSessionToken' }), 400],
    ['no target', () => aws({}, { 'x-goog-cloud-target-resource': '' }), 400],
    ['no signature', () => aws({}, { authorization: 'Bearer x' }), 400],
    ['no date', () => aws({}, { 'x-amz-date': '' }), 400],
    ['a GET', () => aws({ method: 'GET' }), 400],
    ['no JSON', () => 'x', 400],
  ])('with an AWS request: %s', async (_name, token, status) => {
    const audience = google.sandbox.google.externalAccount().audience.replace('sandbox-oidc', 'sandbox-aws')
    const subject_token_type = 'urn:ietf:params:aws:token-type:aws4_request'
    expect(await exchange(token(), { audience, subject_token_type })).toMatchObject({ status })
  })

  it.each<[name: string, Parameters<typeof mintSubjectToken>[0], Record<string, string>, error: string]>([
    ['another issuer', { issuer: 'https://evil.test' }, {}, 'invalid_grant'],
    ['another audience in the token', { audience: 'https://evil.test' }, {}, 'invalid_grant'],
    ['an expired token', { lifetimeSeconds: -1 }, {}, 'invalid_grant'],
    ['another provider', {}, { audience: '//iam.googleapis.com/projects/1' }, 'invalid_target'],
    ['another grant', {}, { grant_type: 'x' }, 'unsupported_grant_type'],
    ['an unknown kind of token', {}, { subject_token_type: 'x' }, 'invalid_request'],
    ['no scope', {}, { scope: '' }, 'invalid_request'],
  ])('is refused with %s', async (_name, minting, changes, error) => {
    expect(await exchange(await mintSubjectToken(minting), changes)).toMatchObject({
      status: 400,
      json: { error, error_description: expect.any(String) },
    })
  })

  it('has a token that opens nothing but the way to the account', async () => {
    const { json } = await exchange(await mintSubjectToken())
    const authorization = `Bearer ${json.access_token}`
    expect(json).toMatchObject({ token_type: 'Bearer', expires_in: 3599 })
    expect(await google.call('GET', JOBS, undefined, { authorization })).toMatchObject({
      status: 403,
      json: { error: { status: 'PERMISSION_DENIED' } },
    })
    const impersonate = (email: string, body: unknown) =>
      google.call(
        'POST',
        `/iamcredentials/v1/projects/-/serviceAccounts/${email}:generateAccessToken`,
        body,
        { authorization },
      )
    const email = google.sandbox.google.serviceAccount.client_email
    expect(await impersonate(email, { scope: [CLOUD_PLATFORM], lifetime: '60s' })).toMatchObject({
      status: 200,
      json: { accessToken: expect.any(String), expireTime: expect.stringMatching(/^\d{4}-.*:\d\dZ$/) },
    })
    expect(await impersonate('x@y', { scope: [CLOUD_PLATFORM] })).toMatchObject({ status: 403 })
    expect(await impersonate(email, { scope: [CLOUD_PLATFORM], lifetime: '3601s' })).toMatchObject({
      status: 400,
    })
    expect(await impersonate(email, {})).toMatchObject({ status: 400 })
  })

  it('needs the secret of the issuer', async () => {
    const { status } = await google.call('GET', '/oidc/token', undefined, { authorization: 'Bearer x' })
    expect(status).toBe(401)
  })
})

describe('an access token', () => {
  const objects = '/storage/storage/v1/b/sandbox-bucket/o'

  it.each([
    ['none', undefined],
    ['one that nobody issued', 'Bearer ya29.nobody'],
    ['another scheme', 'Basic abc'],
  ])('is needed everywhere: %s', async (_name, authorization) => {
    for (const path of [JOBS, objects]) {
      const response = await fetch(`${google.sandbox.origin}/google${path}`, {
        ...(authorization && { headers: { authorization } }),
      })
      expect(response.status).toBe(401)
    }
  })

  it('is refused in the words of each API', async () => {
    const headers = { authorization: 'Bearer ya29.nobody' }
    expect(await google.call('GET', JOBS, undefined, headers)).toMatchObject({
      json: { error: { code: 401, status: 'UNAUTHENTICATED', details: [{ reason: expect.any(String) }] } },
    })
    expect(await google.call('GET', objects, undefined, headers)).toMatchObject({
      json: { error: { code: 401, errors: [{ reason: 'authError', domain: 'global' }] } },
    })
  })

  it('opens only what its scope says', async () => {
    const scope = 'https://www.googleapis.com/auth/devstorage.read_only'
    const { json } = await grant({
      grant_type: JWT_BEARER,
      assertion: await signedJwt(google.sandbox, { scope }),
    })
    const headers = { authorization: `Bearer ${String(json.access_token)}` }
    const upload = '/storage/upload/storage/v1/b/sandbox-bucket/o?uploadType=media&name=x'
    expect(await google.call('GET', objects, undefined, headers)).toMatchObject({ status: 200 })
    expect(await google.call('POST', upload, 'x', headers)).toMatchObject({ status: 403 })
    expect(await google.call('GET', JOBS, undefined, headers)).toMatchObject({
      status: 403,
      json: { error: { details: [{ reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT' }] } },
    })
  })

  it('lasts as long as the setting says', async () => {
    await google.control('POST', '/google/settings', { tokenLifeSeconds: 0 })
    const { json } = await grant({ grant_type: JWT_BEARER, assertion: await signedJwt(google.sandbox) })
    await google.control('POST', '/google/settings', { tokenLifeSeconds: 3599 })
    expect(json.expires_in).toBe(0)
    const headers = { authorization: `Bearer ${String(json.access_token)}` }
    expect(await google.call('GET', JOBS, undefined, headers)).toMatchObject({ status: 401 })
  })

  it('outlives a reset, but not that all are revoked', async () => {
    const headers = { authorization: `Bearer ${await google.token()}` }
    google.sandbox.reset()
    expect(await google.call('GET', JOBS, undefined, headers)).toMatchObject({ status: 200 })
    await google.control('DELETE', '/google/tokens')
    expect(await google.call('GET', JOBS, undefined, headers)).toMatchObject({ status: 401 })
  })
})

it('tells a test in another process where everything is', async () => {
  const { google: access, origin } = google.sandbox
  expect(await google.control('GET', '/google')).toEqual({
    serviceAccount: access.serviceAccount,
    project: 'sandbox-project',
    projectNumber: '100000000001',
    bucket: 'sandbox-bucket',
    aiplatformUrl: `${origin}/google/aiplatform`,
    storageUrl: `${origin}/google/storage`,
    tokenUrl: `${origin}/google/oauth2/token`,
    stsUrl: `${origin}/google/sts/v1/token`,
    iamCredentialsUrl: `${origin}/google/iamcredentials`,
    customEndpoint: '9001',
    externalAccount: access.externalAccount(),
  })
})
