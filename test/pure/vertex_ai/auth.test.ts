/** Statements and exchanges as google-auth-library 11.3.4 makes them, and federation against the sandbox. */
import { generateKeyPairSync } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, importSPKI, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Sandbox, startSandbox } from '../../../sandbox/server.ts'
import {
  type ExternalAccount,
  federatedToken,
  type ServiceAccount,
  serviceAccountToken,
  type TokenCall,
} from '../../../shared/credentials/index.ts'
import { vertexAi } from '../../../shared/providers/vertex_ai/index.ts'
import { TransportError } from '../../../shared/transport.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const ACCOUNT: ServiceAccount = {
  type: 'service_account',
  client_email: 'sa@proj-x.iam.gserviceaccount.com',
  private_key: PEM,
}
/** Of the recording: 2026-11-20. */
const NOW = 1795189143_000

const answer = (status: number, body: unknown) => ({
  status,
  headers: new Headers(),
  bytes: new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
})
const GRANTED = answer(200, { access_token: 'ya29.FAKE', expires_in: 3599, token_type: 'Bearer' })
type Asked = Parameters<TokenCall>[0]
const endpoint = (reply: () => Awaited<ReturnType<TokenCall>>) => {
  const asked: Asked[] = []
  const call: TokenCall = async request => {
    asked.push(request)
    return reply()
  }
  return { asked, call, now: () => NOW }
}
const formOf = (asked: Asked | undefined) => new URLSearchParams(String(asked?.body))

describe("a service account's exchange", () => {
  it('is the recorded one', async () => {
    const { asked, ...tools } = endpoint(() => GRANTED)
    expect(await serviceAccountToken(ACCOUNT, tools)).toEqual({
      value: 'ya29.FAKE',
      expiresAt: NOW + 3599_000,
    })
    expect(asked[0]).toMatchObject({
      method: 'POST',
      url: new URL('https://oauth2.googleapis.com/token'),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    const form = formOf(asked[0])
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const assertion = form.get('assertion') ?? ''
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS256' })
    expect(decodeJwt(assertion)).toEqual({
      iss: 'sa@proj-x.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      aud: 'https://oauth2.googleapis.com/token',
      exp: 1795192743,
      iat: 1795189143,
    })
    const key = await importSPKI(publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'RS256')
    await expect(jwtVerify(assertion, key, { currentDate: new Date(NOW) })).resolves.toBeDefined()
  })
  it("goes to the key's own token endpoint, which is then its audience", async () => {
    const { asked, ...tools } = endpoint(() => GRANTED)
    await serviceAccountToken({ ...ACCOUNT, token_uri: 'https://token.example/t' }, tools)
    expect(asked[0]?.url.href).toBe('https://token.example/t')
    expect(decodeJwt(formOf(asked[0]).get('assertion') ?? '').aud).toBe('https://token.example/t')
  })
  it.each<[string, () => Awaited<ReturnType<TokenCall>>, object]>([
    [
      'invalid_grant',
      () => answer(400, { error: 'invalid_grant', error_description: 'SECRET' }),
      { status: 401, code: 'provider_authentication_failed' },
    ],
    ['another refusal', () => answer(403, 'SECRET'), { status: 401, code: 'provider_authentication_failed' }],
    ['a 500', () => answer(500, 'SECRET'), { status: 502, code: 'provider_error' }],
    ['a 429', () => answer(429, 'SECRET'), { status: 502, code: 'provider_error' }],
    ['no token', () => answer(200, { access_token: '' }), { status: 502, code: 'provider_invalid_answer' }],
    ['no JSON', () => answer(200, '<SECRET>'), { status: 502, code: 'provider_invalid_answer' }],
    [
      'a time-out',
      () => {
        throw new TransportError('timeout')
      },
      { status: 504, code: 'provider_timeout' },
    ],
    [
      'a broken connection',
      () => {
        throw new TransportError('unreachable')
      },
      { status: 502, code: 'provider_unreachable' },
    ],
  ])('that gets %s', async (_, reply, error) => {
    const { asked, ...tools } = endpoint(reply)
    const failed = serviceAccountToken(ACCOUNT, tools)
    await expect(failed).rejects.toMatchObject({ ...error, param: 'vertex_credentials' })
    await expect(failed).rejects.not.toThrow(/SECRET|BEGIN/)
    expect(asked).toHaveLength(1)
  })
})

describe('a connection', () => {
  it('needs credentials or a token', () => {
    expect(vertexAi.missing({})).toBe('credentials')
    expect(vertexAi.missing({ credentials: '{}' })).toBeUndefined()
    expect(vertexAi.missing({ accessToken: 'x' })).toBeUndefined()
  })
  it.each(['a\nb', 'a b', 'ü'])('takes no token like %j', async accessToken => {
    const tools = { tokens: { get: async () => 'x' }, call: async () => GRANTED, now: () => NOW }
    await expect(async () => vertexAi.authorise({ accessToken }, {} as never, tools)).rejects.toMatchObject({
      status: 400,
    })
  })
  it('tells token caches apart by all that a token is made of, and shows none of it', async () => {
    const keys: string[] = []
    const tools = {
      tokens: { get: async (key: string) => `token ${keys.push(key)}` },
      call: async () => GRANTED,
      now: () => NOW,
    }
    const settings = (more: object) => ({ credentials: JSON.stringify({ ...ACCOUNT, ...more }) })
    for (const each of [
      settings({}),
      settings({}),
      settings({ private_key: 'other' }),
      { ...settings({}), awsAccessKeyId: 'A' },
    ])
      await vertexAi.authorise(each, {} as never, tools)
    expect(new Set(keys).size).toBe(3)
    expect(keys[0]).toBe(keys[1])
    expect(keys.join()).toMatch(/^(google [0-9a-f]{64},?){4}$/)
  })
})

describe('federation', () => {
  let sandbox: Sandbox
  beforeAll(async () => {
    sandbox = await startSandbox()
  })
  afterAll(() => sandbox.close())

  const OIDC = () => sandbox.google.externalAccount() as unknown as ExternalAccount
  const AWS = (): ExternalAccount => ({
    ...OIDC(),
    audience: OIDC().audience.replace('sandbox-oidc', 'sandbox-aws'),
    subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request',
    credential_source: { environment_id: 'aws1', url: 'http://169.254.169.254/latest' },
  })
  const IDENTITY = {
    accessKeyId: 'AKIASANDBOX',
    secretAccessKey: 'HUSH',
    sessionToken: 'HUSH-TOO',
    region: 'eu-west-1',
  }
  const NOBODY = {
    accessKeyId: undefined,
    secretAccessKey: undefined,
    sessionToken: undefined,
    region: undefined,
  }

  /** All that goes out, and nothing else may. */
  const federate = async (account: ExternalAccount, aws = NOBODY as typeof IDENTITY | typeof NOBODY) => {
    const asked: Asked[] = []
    const call: TokenCall = async request => {
      asked.push(request)
      const { method, url, headers, body } = request
      const response = await own(url, { method, headers, ...(typeof body === 'string' && { body }) })
      return {
        status: response.status,
        headers: response.headers,
        bytes: new Uint8Array(await response.arrayBuffer()),
      }
    }
    const own = globalThis.fetch
    globalThis.fetch = () => Promise.reject(new Error('the library must not call by itself'))
    try {
      return { token: await federatedToken(account, { call, now: Date.now, aws }), asked }
    } finally {
      globalThis.fetch = own
    }
  }

  it('by a URL is the recorded exchange, all of it through the transport', async () => {
    const { token, asked } = await federate(OIDC())
    expect(token.value).toMatch(/^ya29/)
    expect(token.expiresAt).toBeGreaterThan(Date.now() + 3_000_000)
    expect(asked.map(({ method, url }) => `${method} ${url.pathname.replace('/google/', '')}`)).toEqual([
      'GET oidc/token',
      'POST sts/v1/token',
      expect.stringMatching(
        /^POST iamcredentials\/v1\/projects\/-\/serviceAccounts\/.+:generateAccessToken$/,
      ),
    ])
    const { subject_token, ...form } = Object.fromEntries(formOf(asked[1]))
    expect(subject_token).toMatch(/^eyJ/)
    expect(form).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience: OIDC().audience,
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    })
    expect(JSON.parse(String(asked[2]?.body))).toEqual({
      scope: ['https://www.googleapis.com/auth/cloud-platform'],
      lifetime: '3600s',
    })
  })
  it("of AWS shows the connection's identity, signed, and asks no machine for it", async () => {
    const { token, asked } = await federate(AWS(), IDENTITY)
    expect(token.value).toMatch(/^ya29/)
    expect(asked.map(({ url }) => url.pathname.split('/').at(-1))).toEqual([
      'token',
      expect.stringContaining(':generateAccessToken'),
    ])
    const subject = decodeURIComponent(formOf(asked[0]).get('subject_token') ?? '')
    expect(subject).toContain('sts.eu-west-1.amazonaws.com')
    expect(subject).toContain('Credential=AKIASANDBOX/')
    expect(subject).not.toMatch(/HUSH(?!-TOO)/)
  })
  it.each<[string, () => ExternalAccount, number]>([
    ['by a file', () => ({ ...OIDC(), credential_source: { file: '/etc/passwd' } }), 400],
    ['by a program', () => ({ ...OIDC(), credential_source: { executable: { command: 'id' } } }), 400],
    ['by a certificate', () => ({ ...OIDC(), credential_source: { certificate: {} } }), 400],
    ['of AWS by nobody', AWS, 400],
    [
      'whose source refuses',
      () => ({
        ...OIDC(),
        credential_source: { ...OIDC().credential_source, headers: { authorization: 'Bearer HUSH' } },
      }),
      401,
    ],
    [
      'with another pool',
      () => ({
        ...OIDC(),
        audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/x/providers/y',
      }),
      401,
    ],
    [
      'as another account',
      () => ({
        ...OIDC(),
        service_account_impersonation_url: `${OIDC().service_account_impersonation_url}`.replace(
          'tunegate@',
          'nobody@',
        ),
      }),
      401,
    ],
  ])('%s is refused', async (_, account, status) => {
    const failed = federate(account())
    await expect(failed).rejects.toMatchObject({
      status,
      code: 'provider_authentication_failed',
      param: 'vertex_credentials',
    })
    await expect(failed).rejects.not.toThrow(/HUSH|sandbox-oidc-request|eyJ/)
  })
})
