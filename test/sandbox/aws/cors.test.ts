import {
  DeleteBucketCorsCommand,
  GetBucketCorsCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { describe, expect, it } from 'vitest'
import { refusal, useAws } from './support.ts'

const bench = useAws()
const Bucket = 'sandbox-bucket'
const ORIGIN = 'https://app.example.com'
const RULE = {
  AllowedOrigins: [ORIGIN, 'https://*.example.org'],
  AllowedMethods: ['PUT'],
  AllowedHeaders: ['if-none-match', 'x-amz-*'],
  ExposeHeaders: ['ETag'],
  MaxAgeSeconds: 600,
}
const allow = (rule: Partial<typeof RULE> = {}) =>
  bench.s3.send(
    new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [{ ...RULE, ...rule }] } }),
  )

const ask = async (headers: Record<string, string>, path = `/${Bucket}/some/key`) => {
  const answer = await fetch(bench.sandbox.aws.s3Url + path, { method: 'OPTIONS', headers })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, code: /<Message>(.*)<\/Message>/.exec(text)?.[1] }
}
const asked = (origin: string, method: string, headers?: string) => ({
  origin,
  'access-control-request-method': method,
  ...(headers !== undefined && { 'access-control-request-headers': headers }),
})

describe('the rules of a bucket', () => {
  it('are kept as they were given, until they are deleted', async () => {
    const get = () => bench.s3.send(new GetBucketCorsCommand({ Bucket }))
    expect(await refusal(get())).toMatchObject({ name: 'NoSuchCORSConfiguration', status: 404 })
    await allow()
    expect((await get()).CORSRules).toEqual([RULE])
    await bench.s3.send(new DeleteBucketCorsCommand({ Bucket }))
    expect(await refusal(get())).toMatchObject({ status: 404 })
  })

  it.each([
    [{ AllowedMethods: ['PATCH'] }, 'InvalidRequest'],
    [{ AllowedOrigins: ['https://*.example.*'] }, 'InvalidRequest'],
    [{ AllowedOrigins: [] }, 'MalformedXML'],
  ])('%j are refused', async (rule, name) => {
    expect(await refusal(allow(rule))).toMatchObject({ name, status: 400 })
  })
})

describe('a browser that asks first', () => {
  it('is told what it may do', async () => {
    await allow()
    const answer = await ask(asked(ORIGIN, 'PUT', 'if-none-match, X-Amz-Meta-A'))
    expect(answer.status).toBe(200)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'PUT',
      'access-control-allow-headers': 'if-none-match, x-amz-meta-a',
      'access-control-max-age': '600',
      vary: expect.stringContaining('Origin'),
    })
    expect((await ask(asked('https://a.example.org', 'PUT'))).status).toBe(200)
  })

  it.each([
    ['another origin', asked('https://evil.example.com', 'PUT')],
    ['an origin that only ends alike', asked(`${ORIGIN}.evil.com`, 'PUT')],
    ['another method', asked(ORIGIN, 'DELETE')],
    ['a header that is not allowed', asked(ORIGIN, 'PUT', 'content-type')],
  ])('is refused for %s', async (_what, headers) => {
    await allow()
    const answer = await ask(headers)
    expect(answer).toMatchObject({ status: 403, code: 'CORSResponse: This CORS request is not allowed.' })
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
  })

  it('is refused where there are no rules, and where it says nothing of itself', async () => {
    expect(await ask(asked(ORIGIN, 'PUT'))).toMatchObject({
      status: 403,
      code: 'CORSResponse: CORS is not enabled for this bucket.',
    })
    expect((await ask({})).status).toBe(400)
  })
})

describe('a presigned URL', () => {
  const Key = 'signed/ü key'
  const presign = (
    input: Partial<ConstructorParameters<typeof PutObjectCommand>[0]> = {},
    options: Parameters<typeof getSignedUrl>[2] = {},
  ) => getSignedUrl(bench.s3, new PutObjectCommand({ Bucket, Key, ...input }), { expiresIn: 60, ...options })
  const put = async (url: string, body: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(url, { method: 'PUT', body, headers })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }

  it('of the vendor’s takes one object, and tells a page of an allowed origin', async () => {
    await allow()
    const answer = await put(await presign(), 'hello', { origin: ORIGIN })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('access-control-allow-origin')).toBe(ORIGIN)
    expect(
      (await put(await presign(), 'x', { origin: 'https://evil.example.com' })).headers.get(
        'access-control-allow-origin',
      ),
    ).toBeNull()
  })

  it('holds for the size and the condition that were signed', async () => {
    const url = await presign(
      { ContentLength: 5, IfNoneMatch: '*' },
      {
        unhoistableHeaders: new Set(['if-none-match']),
        signableHeaders: new Set(['content-length', 'host', 'if-none-match']),
      },
    )
    const condition = { 'if-none-match': '*' }
    expect(new URL(url).searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;host;if-none-match')
    expect(await put(url, 'longer than that', condition)).toMatchObject({
      status: 403,
      text: expect.stringContaining('SignatureDoesNotMatch'),
    })
    expect((await put(url, 'hello')).status).toBe(403)
    expect((await put(url, 'hello', condition)).status).toBe(200)
    expect(await put(url, 'again', condition)).toMatchObject({
      status: 412,
      text: expect.stringContaining('PreconditionFailed'),
    })
  })

  it('ends', async () => {
    const url = await presign({}, { expiresIn: 60, signingDate: new Date(Date.now() - 61_000) })
    expect(await put(url, 'hello')).toMatchObject({
      status: 403,
      text: expect.stringContaining('Request has expired'),
    })
  })
})
