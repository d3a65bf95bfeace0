/** Signatures, held against another implementation of AWS's description: the sandbox's. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { signatureOf as expectedSignature, parseCredential, sha256 } from '../../../sandbox/aws/sigv4.ts'
import { S3_HEADERS } from '../../../shared/platform/index.ts'
import { authorise } from '../../../shared/providers/bedrock/auth.ts'
import { objectUrl, urlOf } from '../../../shared/providers/bedrock/hosts.ts'
import type { ProviderRequest, Settings } from '../../../shared/providers/provider.ts'
import { utf8 } from '../support/bytes.ts'
import { errorOf, NOW, recorded, SETTINGS } from './support.ts'

const sign = (request: ProviderRequest, settings: Settings = SETTINGS) =>
  authorise(settings, request, { now: () => NOW })

/** The signature that AWS would compute for what goes over the wire. */
const awsSignature = (request: ProviderRequest, headers: Record<string, string>, secret: string) => {
  const { url, body } = request
  const parts =
    /Credential=([^,]+), SignedHeaders=([^,]+), Signature=(.+)$/.exec(headers.authorization ?? '') ?? []
  const { scope } = parseCredential(parts[1] ?? '') ?? { scope: { date: '', region: '', service: '' } }
  const bytes = typeof body === 'string' ? utf8(body) : body instanceof Uint8Array ? body : new Uint8Array()
  const raw = {
    method: request.method,
    path: url.pathname,
    query: url.search.slice(1),
    headers: { ...headers, host: url.host },
    body: bytes as Uint8Array<ArrayBuffer>,
  }
  const isS3 = scope.service === 's3'
  const expected = expectedSignature(
    raw,
    {
      scope,
      timestamp: headers['x-amz-date'] ?? '',
      signedHeaders: (parts[2] ?? '').split(';'),
      payloadHash: isS3 ? 'UNSIGNED-PAYLOAD' : sha256(bytes),
      encodePath: isS3 ? 'once' : 'twice',
    },
    secret,
  )
  return { expected, given: parts[3], scope, signedHeaders: parts[2] }
}

const post = (url: URL, body: string): ProviderRequest => ({
  method: 'POST',
  url,
  body,
  headers: { 'content-type': 'application/json' },
  repeat: 'never',
})

describe('a signature', () => {
  const secret = SETTINGS.secretAccessKey ?? ''

  it.each(recorded.sigv4)('of $path is the one AWS computes', async ({ service, path, signedHeaders }) => {
    const host = service === 's3' ? 'bucket.s3' : path.startsWith('/model/') ? 'bedrock-runtime' : 'bedrock'
    const url = new URL(`https://${host}.us-east-1.amazonaws.com${path}`)
    const request: ProviderRequest =
      service === 's3' ? { method: 'PUT', url, headers: S3_HEADERS, repeat: 'always' } : post(url, '{}')
    const made = awsSignature(request, await sign(request), secret)
    expect(made.given).toBe(made.expected)
    expect(made.signedHeaders).toBe(signedHeaders)
    expect(made.scope).toEqual({ date: '20261120', region: 'us-east-1', service })
  })

  it('holds for any id in a path and any value in a query', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).filter(id => id !== '.' && id !== '..'),
        fc.string({ maxLength: 20, unit: 'grapheme' }),
        fc.string({ maxLength: 40 }),
        async (id, token, body) => {
          const request = post(
            urlOf(SETTINGS, 'bedrock', ['model-customization-jobs', id], { nextToken: token }),
            body,
          )
          const { expected, given } = awsSignature(request, await sign(request), secret)
          expect(given).toBe(expected)
        },
      ),
    )
  })

  it('holds for any key of an object', async () => {
    const segment = fc
      .string({ maxLength: 12, unit: 'grapheme' })
      .filter(text => !/^\.\.?$/.test(text) && !text.includes('/'))
    await fc.assert(
      fc.asyncProperty(fc.array(segment, { minLength: 1, maxLength: 4 }), async segments => {
        const url = objectUrl(SETTINGS, { bucket: 'bucket', key: segments.join('/') })
        const request: ProviderRequest = { method: 'GET', url, headers: S3_HEADERS, repeat: 'always' }
        const { expected, given } = awsSignature(request, await sign(request), secret)
        expect(given).toBe(expected)
      }),
    )
  })

  it('is told the service and the region: `bedrock` for the runtime too, `s3`, and what is configured', async () => {
    const settings = { ...SETTINGS, region: 'eu-west-3' }
    const runtime = await sign(post(urlOf(settings, 'runtime', ['model', 'm', 'converse']), '{}'), settings)
    expect(runtime.authorization).toContain('/20261120/eu-west-3/bedrock/aws4_request')
  })

  it('of a long-term key has no token, whoever left one in the environment', async () => {
    const settings = { ...SETTINGS, accessKeyId: 'AKIAFAKEFAKEFAKEFAKE' }
    const headers = await sign(post(urlOf(settings, 'bedrock', ['x']), '{}'), settings)
    expect(headers['x-amz-security-token']).toBeUndefined()
    expect((await sign(post(urlOf(SETTINGS, 'bedrock', ['x']), '{}')))['x-amz-security-token']).toBe(
      'FAKE-SESSION-TOKEN',
    )
  })

  it('takes no call of its own (Portkey 24: STS was asked on every request)', async () => {
    const request = post(urlOf(SETTINGS, 'bedrock', ['x']), '{}')
    const both = await Promise.all([sign(request), sign(request)])
    expect(both[0]).toEqual(both[1])
  })

  it('changes with the secret, though derived keys are kept', async () => {
    const request = post(urlOf(SETTINGS, 'bedrock', ['x']), '{}')
    const [one, other] = [await sign(request), await sign(request, { ...SETTINGS, secretAccessKey: 'other' })]
    expect(one.authorization).not.toBe(other.authorization)
  })
})

describe('only the connection’s own hosts are signed for (Portkey 22, GitLab CVE-2026-75871)', () => {
  it.each([
    'https://evil.example/model/m/converse',
    'https://bedrock.us-east-1.amazonaws.com.evil.example/x',
    'https://bedrock.us-west-2.amazonaws.com/x',
    'https://sts.us-east-1.amazonaws.com/',
    'http://bedrock.us-east-1.amazonaws.com/x',
    'https://bedrock.us-east-1.amazonaws.com:8443/x',
  ])('not for %s', async href => {
    for (const settings of [SETTINGS, { ...SETTINGS, apiKey: 'bedrock-key' }])
      expect(await errorOf(() => sign(post(new URL(href), '{}'), settings))).toMatchObject({
        status: 400,
        code: 'host_forbidden',
      })
  })

  it.each([
    'https://evil.example/bucket/key',
    'https://a.b.s3.us-east-1.amazonaws.com/key',
    'https://bedrock.us-east-1.amazonaws.com/x',
    'https://xs3.us-east-1.amazonaws.com/key',
  ])('nor as S3 for %s', async href => {
    const request: ProviderRequest = {
      method: 'GET',
      url: new URL(href),
      headers: S3_HEADERS,
      repeat: 'always',
    }
    expect(await errorOf(() => sign(request))).toMatchObject({ code: 'host_forbidden' })
  })

  it('a configured path is part of the place', async () => {
    const settings = { ...SETTINGS, bedrockUrl: 'https://proxy.example/aws/bedrock' }
    await sign(post(new URL('https://proxy.example/aws/bedrock/x'), '{}'), settings)
    const error = await errorOf(() =>
      sign(post(new URL('https://proxy.example/aws/bedrock-2/x'), '{}'), settings),
    )
    expect(error).toMatchObject({ code: 'host_forbidden' })
  })
})

describe('a credential that cannot be right', () => {
  const SECRET = 'not-to-be-told'
  it.each([
    ['accessKeyId', { accessKeyId: `${SECRET}\n` }],
    ['secretAccessKey', { secretAccessKey: `${SECRET} ` }],
    ['sessionToken', { sessionToken: `${SECRET}\r\nx-evil: 1` }],
    ['apiKey', { apiKey: `${SECRET}é` }],
    ['region', { region: `${SECRET}/#` }],
    ['region', { region: 'us-east-1.evil.example' }],
    ['region', { region: '-us' }],
    ['bedrockUrl', { bedrockUrl: SECRET }],
  ] as [string, Settings][])('names %s and tells nothing of it', async (param, changed) => {
    const settings = { ...SETTINGS, ...changed }
    const error = await errorOf(() =>
      sign(post(new URL('https://bedrock.us-east-1.amazonaws.com/x'), ''), settings),
    )
    expect(error).toMatchObject({ status: 400, code: 'connection_unconfigured', param })
    expect(error.message).not.toContain(SECRET)
    expect(error.message).toMatch(/\((AWS|BEDROCK)_[A-Z0-9_]+\)/)
  })

  it('S3 needs access keys: an API key is not shown to it', async () => {
    const settings = { region: 'us-east-1', apiKey: 'bedrock-key' }
    const url = objectUrl(settings, { bucket: 'bucket', key: 'k' })
    const error = await errorOf(() =>
      sign({ method: 'GET', url, headers: S3_HEADERS, repeat: 'always' }, settings),
    )
    expect(error).toMatchObject({ status: 400, param: 'accessKeyId' })
  })
})
