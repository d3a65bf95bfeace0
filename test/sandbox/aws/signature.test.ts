import { ListModelCustomizationJobsCommand } from '@aws-sdk/client-bedrock'
import {
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { AwsClient } from 'aws4fetch'
import { describe, expect, it } from 'vitest'
import { type RawRequest, type Signing, sha256, signatureOf } from '../../../sandbox/aws/sigv4.ts'
import { clientsOf, refusal, signer, useAws } from './support.ts'

const bench = useAws()

const EMPTY = sha256('')

/** From AWS's published test suite and S3's documentation. */
const VECTORS: {
  name: string
  request: Partial<RawRequest>
  signing: Partial<Signing>
  signature: string
}[] = [
  {
    name: 'get-vanilla',
    request: { headers: { host: 'example.amazonaws.com', 'x-amz-date': '20150830T123600Z' } },
    signing: {},
    signature: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  },
  {
    name: 'S3: a part of an object',
    request: {
      path: '/test.txt',
      headers: {
        host: 'examplebucket.s3.amazonaws.com',
        range: 'bytes=0-9',
        'x-amz-content-sha256': EMPTY,
        'x-amz-date': '20130524T000000Z',
      },
    },
    signing: s3Signing(),
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'S3: a key with a sign in it',
    request: {
      method: 'PUT',
      path: '/test%24file.text',
      headers: {
        date: 'Fri, 24 May 2013 00:00:00 GMT',
        host: 'examplebucket.s3.amazonaws.com',
        'x-amz-content-sha256': sha256('Welcome to Amazon S3.'),
        'x-amz-date': '20130524T000000Z',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      },
    },
    signing: { ...s3Signing(), payloadHash: sha256('Welcome to Amazon S3.') },
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'S3: parameters without and with values',
    request: {
      query: 'max-keys=2&prefix=J',
      headers: {
        host: 'examplebucket.s3.amazonaws.com',
        'x-amz-content-sha256': EMPTY,
        'x-amz-date': '20130524T000000Z',
      },
    },
    signing: s3Signing(),
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
  {
    name: 'S3: a presigned URL',
    request: {
      path: '/test.txt',
      query:
        'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=anything',
      headers: { host: 'examplebucket.s3.amazonaws.com' },
    },
    signing: { ...s3Signing(), payloadHash: 'UNSIGNED-PAYLOAD' },
    signature: 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  },
]

function s3Signing(): Partial<Signing> {
  return {
    scope: { date: '20130524', region: 'us-east-1', service: 's3' },
    timestamp: '20130524T000000Z',
    encodePath: 'once',
  }
}

describe('the signature', () => {
  it.each(VECTORS)('of $name is as AWS has published', ({ request, signing, signature }) => {
    const raw: RawRequest = {
      method: 'GET',
      path: '/',
      query: '',
      headers: {},
      body: new Uint8Array(),
      ...request,
    }
    const all: Signing = {
      scope: { date: '20150830', region: 'us-east-1', service: 'service' },
      timestamp: '20150830T123600Z',
      signedHeaders: Object.keys(raw.headers).sort(),
      payloadHash: EMPTY,
      encodePath: 'twice',
      ...signing,
    }
    const secret =
      all.scope.service === 's3'
        ? 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
        : 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
    expect(signatureOf(raw, all, secret)).toBe(signature)
  })
})

type Wire = 's3' | 'bedrock'

/** A request that is good as it stands. */
const goodUrl = (wire: Wire): string => {
  const { aws } = bench.sandbox
  return wire === 's3' ? `${aws.s3Url}/${aws.bucket}?list-type=2` : `${aws.bedrockUrl}/foundation-models`
}

/** Status and error name of an answer. */
async function verdict(answer: Response | Promise<Response>): Promise<string> {
  const response = await answer
  const text = await response.text()
  const name = response.headers.get('x-amzn-errortype')?.split(':')[0] ?? /<Code>(.*)<\/Code>/.exec(text)?.[1]
  return [response.status, name].join(' ').trim()
}

/** Signs well, then changes what has been signed. */
async function tampered(
  wire: Wire,
  change: (request: Request) => Request | Promise<Request>,
): Promise<string> {
  const request = await signer(bench.sandbox, wire).sign(goodUrl(wire))
  return verdict(fetch(await change(request)))
}

function withHeader(name: string, value: string | null): (request: Request) => Request {
  return request => {
    const headers = new Headers(request.headers)
    if (value === null) headers.delete(name)
    else headers.set(name, value)
    return new Request(request, { headers })
  }
}

const authorization = (replace: (text: string) => string) => (request: Request) =>
  withHeader('authorization', replace(request.headers.get('authorization') ?? ''))(request)

describe.each([
  ['s3', 'SignatureDoesNotMatch'],
  ['bedrock', 'InvalidSignatureException'],
] as const)('a signed request to %s', (wire, mismatch) => {
  it('is let in', async () => {
    expect(await tampered(wire, request => request)).toBe('200')
  })

  it('is let in with temporary credentials', async () => {
    const { temporary } = bench.sandbox.aws
    expect(await verdict(signer(bench.sandbox, wire, temporary).fetch(goodUrl(wire)))).toBe('200')
  })

  it('is let in with a presigned URL', async () => {
    const request = new Request(`${goodUrl(wire)}${wire === 's3' ? '&' : '?'}X-Amz-Expires=60`)
    const presigned = await signer(bench.sandbox, wire).sign(request, { aws: { signQuery: true } })
    expect(await verdict(fetch(presigned.url))).toBe('200')
    expect(await verdict(fetch(presigned.url.replace('X-Amz-Expires=60', 'X-Amz-Expires=61')))).toBe(
      `403 ${mismatch}`,
    )
  })

  const changes: [string, (request: Request) => Request | Promise<Request>][] = [
    ['another path', request => new Request(request.url.replace(/(\?|$)/, '/x$1'), request)],
    [
      'another query',
      request => new Request(`${request.url}${request.url.includes('?') ? '&' : '?'}x=1`, request),
    ],
    ['another method', request => new Request(request.url, { headers: request.headers, method: 'DELETE' })],
    ['another signature', authorization(text => text.replace(/.$/, last => (last === '0' ? '1' : '0')))],
    ['the secret of another key', authorization(text => text.replace(/Signature=\w+/, `Signature=${EMPTY}`))],
    [
      'a date a second later',
      request => {
        const date = request.headers.get('x-amz-date') ?? ''
        const second = Number(date.slice(13, 15))
        return withHeader(
          'x-amz-date',
          `${date.slice(0, 13)}${String((second + 1) % 60).padStart(2, '0')}Z`,
        )(request)
      },
    ],
  ]
  it.each(changes)('is refused with %s than was signed', async (_what, change) => {
    expect(await tampered(wire, change)).toBe(`403 ${mismatch}`)
  })

  it('is refused with another secret', async () => {
    const { accessKeyId } = bench.sandbox.aws
    const wrong = signer(bench.sandbox, wire, { accessKeyId, secretAccessKey: 'wrong' })
    expect(await verdict(wrong.fetch(goodUrl(wire)))).toBe(`403 ${mismatch}`)
  })
})

const at = (minutes: number): string =>
  new Date(Date.now() + minutes * 60_000).toISOString().replace(/[-:]|\.\d+/g, '')

describe('what each wire says', () => {
  const sign = (wire: Wire, aws: ConstructorParameters<typeof AwsClient>[0] | object) =>
    signer(bench.sandbox, wire).fetch(goodUrl(wire), { aws })

  const cases: [string, (wire: Wire) => Promise<string>, s3: string, bedrock: string][] = [
    [
      'nothing is signed',
      wire => verdict(fetch(goodUrl(wire))),
      '403 AccessDenied',
      '403 MissingAuthenticationTokenException',
    ],
    [
      'the key is unknown',
      wire =>
        verdict(
          signer(bench.sandbox, wire, { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' }).fetch(
            goodUrl(wire),
          ),
        ),
      '403 InvalidAccessKeyId',
      '403 UnrecognizedClientException',
    ],
    [
      'the session token is missing',
      wire => {
        const { accessKeyId, secretAccessKey } = bench.sandbox.aws.temporary
        return verdict(signer(bench.sandbox, wire, { accessKeyId, secretAccessKey }).fetch(goodUrl(wire)))
      },
      '400 InvalidToken',
      '403 UnrecognizedClientException',
    ],
    [
      'the session token is another',
      wire => {
        const credentials = { ...bench.sandbox.aws.temporary, sessionToken: 'other' }
        return verdict(signer(bench.sandbox, wire, credentials).fetch(goodUrl(wire)))
      },
      '400 InvalidToken',
      '403 UnrecognizedClientException',
    ],
    [
      'the session has expired',
      wire => verdict(signer(bench.sandbox, wire, bench.sandbox.aws.expired).fetch(goodUrl(wire))),
      '400 ExpiredToken',
      '403 ExpiredTokenException',
    ],
    [
      'the region is another',
      wire => verdict(sign(wire, { region: 'eu-west-1' })),
      '400 AuthorizationHeaderMalformed',
      '403 InvalidSignatureException',
    ],
    [
      'the service is another',
      wire => verdict(sign(wire, { service: 'bedrock-runtime' })),
      '400 AuthorizationHeaderMalformed',
      '403 InvalidSignatureException',
    ],
    [
      'it was signed 16 minutes ago',
      wire => verdict(sign(wire, { datetime: at(-16) })),
      '403 RequestTimeTooSkewed',
      '403 InvalidSignatureException',
    ],
    [
      'it was signed 16 minutes ahead',
      wire => verdict(sign(wire, { datetime: at(16) })),
      '403 RequestTimeTooSkewed',
      '403 InvalidSignatureException',
    ],
    ['it was signed 14 minutes ago', wire => verdict(sign(wire, { datetime: at(-14) })), '200', '200'],
    [
      'there is no date',
      wire => tampered(wire, withHeader('x-amz-date', null)),
      '403 AccessDenied',
      '400 IncompleteSignatureException',
    ],
    [
      'the scope is of another day',
      wire =>
        tampered(
          wire,
          authorization(text => text.replace(/\/\d{8}\//, '/20200101/')),
        ),
      '400 AuthorizationHeaderMalformed',
      '403 InvalidSignatureException',
    ],
    [
      'the host is not signed',
      wire =>
        tampered(
          wire,
          authorization(text => text.replace('SignedHeaders=host;', 'SignedHeaders=')),
        ),
      '403 AccessDenied',
      '403 InvalidSignatureException',
    ],
    [
      'a header of AWS is not signed',
      wire => tampered(wire, withHeader('x-amz-meta-extra', '1')),
      '403 AccessDenied',
      '403 InvalidSignatureException',
    ],
    [
      'the signature is left out',
      wire =>
        tampered(
          wire,
          authorization(text => text.replace(/, Signature=.*/, '')),
        ),
      '400 AuthorizationHeaderMalformed',
      '400 IncompleteSignatureException',
    ],
    [
      'the credential is no scope',
      wire =>
        tampered(
          wire,
          authorization(text => text.replace('/aws4_request', '')),
        ),
      '400 AuthorizationHeaderMalformed',
      '400 IncompleteSignatureException',
    ],
    [
      'it is of another kind',
      wire =>
        tampered(
          wire,
          authorization(() => 'Basic abc'),
        ),
      '400 InvalidArgument',
      '400 IncompleteSignatureException',
    ],
    [
      'it is an API key',
      wire =>
        tampered(
          wire,
          authorization(() => `Bearer ${bench.sandbox.aws.bedrockApiKey}`),
        ),
      '400 InvalidArgument',
      '200',
    ],
    [
      'it is a wrong API key',
      wire =>
        tampered(
          wire,
          authorization(() => 'Bearer wrong'),
        ),
      '400 InvalidArgument',
      '403 AccessDeniedException',
    ],
  ]
  it.each(cases)('when %s', async (_when, call, s3, bedrock) => {
    expect([await call('s3'), await call('bedrock')]).toEqual([s3, bedrock])
  })

  it('when a URL has expired', async () => {
    const presign = async (wire: Wire, minutes: number) => {
      const url = `${goodUrl(wire)}${wire === 's3' ? '&' : '?'}X-Amz-Expires=60`
      const aws = { signQuery: true, datetime: at(minutes) }
      return (await signer(bench.sandbox, wire).sign(url, { aws })).url
    }
    expect(await verdict(fetch(await presign('s3', -2)))).toBe('403 AccessDenied')
    expect(await verdict(fetch(await presign('bedrock', -2)))).toBe('403 InvalidSignatureException')
    expect(await verdict(fetch(await presign('s3', 16)))).toBe('403 RequestTimeTooSkewed')
    expect(await verdict(fetch((await presign('s3', 0)).replace('=60', '=700000')))).toBe(
      '400 AuthorizationQueryParametersError',
    )
  })

  it('when the body has been changed', async () => {
    const { bedrockUrl, s3Url, bucket } = bench.sandbox.aws
    const signed = async (wire: Wire, url: string, headers: Record<string, string> = {}) =>
      new Request(await signer(bench.sandbox, wire).sign(url, { method: 'PUT', body: 'good', headers }), {
        body: 'evil',
      })
    const bedrock = await signer(bench.sandbox, 'bedrock').sign(`${bedrockUrl}/model-customization-jobs`, {
      method: 'POST',
      body: '{}',
    })
    expect(await verdict(fetch(new Request(bedrock, { body: '{"a":1}' })))).toBe(
      '403 InvalidSignatureException',
    )
    // A signed hash is checked against the body; an unsigned payload may be anything.
    const hashed = { 'x-amz-content-sha256': sha256('good') }
    expect(await verdict(fetch(await signed('s3', `${s3Url}/${bucket}/k`, hashed)))).toBe(
      '400 XAmzContentSHA256Mismatch',
    )
    expect(await verdict(fetch(await signed('s3', `${s3Url}/${bucket}/k`)))).toBe('200')
  })

  it('when the header with the hash is missing', async () => {
    expect(await tampered('s3', withHeader('x-amz-content-sha256', null))).toBe('400 InvalidRequest')
  })
})

describe('the official clients', () => {
  it('are let in, with either kind of credentials', async () => {
    const { bucket: Bucket, temporary } = bench.sandbox.aws
    for (const clients of [bench, clientsOf(bench.sandbox, { credentials: temporary })]) {
      await clients.s3.send(new PutObjectCommand({ Bucket, Key: "a b/+ü'(x)*!.txt", Body: 'x' }))
      await clients.s3.send(new GetObjectCommand({ Bucket, Key: "a b/+ü'(x)*!.txt" }))
      await clients.s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'a b/+' }))
      await clients.bedrock.send(new ListModelCustomizationJobsCommand({ nameContains: 'a' }))
    }
  })

  it.each([
    ['a wrong secret', { secretAccessKey: 'wrong' }, 'SignatureDoesNotMatch', 'InvalidSignatureException'],
    ['an unknown key', { accessKeyId: 'AKIANOBODY' }, 'InvalidAccessKeyId', 'UnrecognizedClientException'],
  ])('see %s', async (_what, change, s3Name, bedrockName) => {
    const { accessKeyId, secretAccessKey, bucket: Bucket } = bench.sandbox.aws
    const { s3, bedrock } = clientsOf(bench.sandbox, {
      credentials: { accessKeyId, secretAccessKey, ...change },
    })
    expect(await refusal(s3.send(new ListObjectsV2Command({ Bucket })))).toMatchObject({
      name: s3Name,
      status: 403,
    })
    expect(await refusal(bedrock.send(new ListModelCustomizationJobsCommand({})))).toMatchObject({
      name: bedrockName,
      status: 403,
    })
  })

  it('see a wrong region', async () => {
    const { s3, bedrock } = clientsOf(bench.sandbox, { region: 'eu-west-1' })
    const { bucket: Bucket } = bench.sandbox.aws
    expect(await refusal(s3.send(new HeadBucketCommand({ Bucket })))).toMatchObject({ status: 400 })
    expect(await refusal(bedrock.send(new ListModelCustomizationJobsCommand({})))).toMatchObject({
      name: 'InvalidSignatureException',
    })
  })
})

describe('the control surface', () => {
  it('tells how to reach it all', async () => {
    const response = await fetch(`${bench.sandbox.origin}/_sandbox/aws`)
    expect(await response.json()).toEqual(bench.sandbox.aws)
    expect(bench.sandbox.aws).toMatchObject({
      region: 'us-east-1',
      s3Url: `${bench.sandbox.origin}/aws/s3`,
      bedrockUrl: `${bench.sandbox.origin}/aws/bedrock`,
      bedrockRuntimeUrl: `${bench.sandbox.origin}/aws/bedrock-runtime`,
    })
  })
})
