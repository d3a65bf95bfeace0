import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  paginateListObjectsV2,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { refusal, signer, useAws } from './support.ts'

const bench = useAws()
const Bucket = 'sandbox-bucket'
const Key = 'dir/data.jsonl'
const MIB = 2 ** 20

const md5 = (data: string | Uint8Array): string => createHash('md5').update(data).digest('hex')

const put = (Body: PutObjectCommandInput['Body'], changes: Partial<PutObjectCommandInput> = {}) =>
  bench.s3.send(new PutObjectCommand({ Bucket, Key, Body, ...changes }))

const get = async (key = Key): Promise<string | undefined> =>
  (await bench.s3.send(new GetObjectCommand({ Bucket, Key: key }))).Body?.transformToString()

/** Calls S3 by hand, signed by aws4fetch. */
async function call(
  method: string,
  path: string,
  { body, headers }: { body?: string; headers?: Record<string, string> } = {},
) {
  const url = `${bench.sandbox.aws.s3Url}/${Bucket}${path}`
  const response = await signer(bench.sandbox, 's3').fetch(url, {
    method,
    ...(body !== undefined && { body }),
    ...(headers && { headers }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    code: /<Code>(.*)<\/Code>/.exec(text)?.[1],
  }
}

describe('an object', () => {
  it('comes back as it was put', async () => {
    const { ETag } = await put('hällo', {
      ContentType: 'application/jsonl',
      Metadata: { tenant: 't1' },
      ServerSideEncryption: 'aws:kms',
    })
    expect(ETag).toBe(`"${md5('hällo')}"`)
    const got = await bench.s3.send(new GetObjectCommand({ Bucket, Key }))
    expect(await got.Body?.transformToString()).toBe('hällo')
    const facts = {
      ETag,
      ContentLength: 6,
      ContentType: 'application/jsonl',
      Metadata: { tenant: 't1' },
      ServerSideEncryption: 'aws:kms',
      LastModified: expect.any(Date),
    }
    expect(got).toMatchObject(facts)
    expect(await bench.s3.send(new HeadObjectCommand({ Bucket, Key }))).toMatchObject(facts)
  })

  it('may be any bytes, whatever its type says', async () => {
    const bytes = randomBytes(100_000)
    await put(bytes, { ContentType: 'application/json' })
    const got = await bench.s3.send(new GetObjectCommand({ Bucket, Key }))
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(bytes)).toBe(true)
  })

  it('can be sent as a stream, in chunks with a checksum behind them', async () => {
    const pieces = ['{"a":1}\n', '{"b":2}\n'.repeat(20_000)]
    await put(Readable.from(pieces.map(piece => Buffer.from(piece))), {
      ContentLength: pieces.join('').length,
    })
    expect(await get()).toBe(pieces.join(''))
    const [request] = bench.sandbox.requests()
    expect(request?.headers).toMatchObject({
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'content-encoding': 'aws-chunked',
    })
    expect((await bench.s3.send(new HeadObjectCommand({ Bucket, Key }))).ContentEncoding).toBeUndefined()
  })

  it.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
  ])('is given in part for %s', async (Range, text, ContentRange) => {
    await put('0123456789')
    const got = await bench.s3.send(new GetObjectCommand({ Bucket, Key, Range }))
    expect(got).toMatchObject({
      ContentRange,
      ContentLength: text.length,
      $metadata: { httpStatusCode: 206 },
    })
    expect(await got.Body?.transformToString()).toBe(text)
  })

  it('has no bytes beyond its end', async () => {
    await put('0123456789')
    expect(
      await refusal(bench.s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=10-' }))),
    ).toMatchObject({
      name: 'InvalidRange',
      status: 416,
    })
  })

  it('is replaced, unless that was ruled out', async () => {
    await put('one')
    expect(await refusal(put('two', { IfNoneMatch: '*' }))).toMatchObject({
      name: 'PreconditionFailed',
      status: 412,
    })
    expect(await get()).toBe('one')
    await put('three')
    expect(await get()).toBe('three')
    await put('four', { IfNoneMatch: '*', Key: 'new' })
    expect(await get('new')).toBe('four')
  })

  it('is read only if it is the one that is meant', async () => {
    const { ETag } = await put('one')
    const read = (changes: object) => bench.s3.send(new GetObjectCommand({ Bucket, Key, ...changes }))
    expect(await refusal(read({ IfMatch: '"other"' }))).toMatchObject({ status: 412 })
    expect(await refusal(read({ IfNoneMatch: ETag }))).toMatchObject({ status: 304 })
    expect((await read({ IfMatch: ETag })).ContentLength).toBe(3)
  })

  it('is gone after it has been deleted, and may be deleted again', async () => {
    await put('x')
    for (const _ of [1, 2]) {
      const { $metadata } = await bench.s3.send(new DeleteObjectCommand({ Bucket, Key }))
      expect($metadata.httpStatusCode).toBe(204)
    }
    expect(await refusal(get())).toMatchObject({ name: 'NoSuchKey', status: 404 })
    expect(await refusal(bench.s3.send(new HeadObjectCommand({ Bucket, Key })))).toMatchObject({
      status: 404,
    })
  })

  it('is in a bucket that exists', async () => {
    expect(await refusal(put('x', { Bucket: 'another-bucket' }))).toMatchObject({
      name: 'NoSuchBucket',
      status: 404,
    })
    const { BucketRegion } = await bench.s3.send(new HeadBucketCommand({ Bucket }))
    expect(BucketRegion).toBe('us-east-1')
    expect((await bench.s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual([
      Bucket,
    ])
    expect((await bench.s3.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint).toBeFalsy()
    expect(await refusal(bench.s3.send(new HeadBucketCommand({ Bucket: 'another-bucket' })))).toMatchObject({
      status: 404,
    })
  })
})

describe('checksums', () => {
  const base64 = (algorithm: string, text: string) => createHash(algorithm).update(text).digest('base64')

  it.each([
    ['x-amz-checksum-crc32', 'dOijRg=='],
    ['x-amz-checksum-sha256', base64('sha256', '{"a":1}\n')],
    ['x-amz-checksum-sha1', base64('sha1', '{"a":1}\n')],
    ['content-md5', base64('md5', '{"a":1}\n')],
  ])('%s is verified', async (header, sum) => {
    const upload = (body: string) => call('PUT', '/k', { body, headers: { [header]: sum } })
    expect(await upload('{"a":1}\n')).toMatchObject({ status: 200 })
    expect(await upload('{"a":2}\n')).toMatchObject({ status: 400, code: 'BadDigest' })
  })

  it('come back to those who ask', async () => {
    await call('PUT', '/k', { body: '{"a":1}\n', headers: { 'x-amz-checksum-crc32': 'dOijRg==' } })
    const read = async (headers: Record<string, string>) =>
      (await call('GET', '/k', { headers })).headers.get('x-amz-checksum-crc32')
    expect(await read({ 'x-amz-checksum-mode': 'ENABLED' })).toBe('dOijRg==')
    expect(await read({})).toBeNull()
    expect(await read({ 'x-amz-checksum-mode': 'ENABLED', range: 'bytes=0-1' })).toBeNull()
  })

  it.each([
    ['a wrong sum', '8\r\n{"a":2}\n\r\n0\r\nx-amz-checksum-crc32:dOijRg==\r\n\r\n', 'BadDigest'],
    ['a missing trailer', '8\r\n{"a":1}\n\r\n0\r\n\r\n', 'InvalidRequest'],
    ['a missing end', '8\r\n{"a":1}\n\r\n', 'IncompleteBody'],
    [
      'a chunk that is too short',
      '9\r\n{"a":1}\n\r\n0\r\nx-amz-checksum-crc32:dOijRg==\r\n\r\n',
      'IncompleteBody',
    ],
    ['a wrong length', '7\r\n{"a":1}\r\n0\r\nx-amz-checksum-crc32:dOijRg==\r\n\r\n', 'IncompleteBody'],
    ['something else', 'hello', 'IncompleteBody'],
    ['no size', 'zz\r\n\r\n', 'InvalidRequest'],
  ])('behind a chunked body are refused with %s', async (_what, body, code) => {
    const headers = {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'x-amz-decoded-content-length': '8',
      'content-encoding': 'aws-chunked',
    }
    expect(await call('PUT', '/k', { body, headers })).toMatchObject({ status: 400, code })
    const good = '8\r\n{"a":1}\n\r\n0\r\nx-amz-checksum-crc32:dOijRg==\r\n\r\n'
    expect(await call('PUT', '/k', { body: good, headers })).toMatchObject({ status: 200 })
  })
})

describe('a list', () => {
  const fill = (...keys: string[]) => Promise.all(keys.map(key => put('x', { Key: key })))

  it('has the keys below a prefix, in the order of their bytes', async () => {
    await fill('b', 'a/2', 'a/10', 'a/1', 'ä', 'Z', 'a & <b>')
    const keys = async (Prefix?: string) =>
      (await bench.s3.send(new ListObjectsV2Command({ Bucket, Prefix }))).Contents?.map(each => each.Key)
    expect(await keys()).toEqual(['Z', 'a & <b>', 'a/1', 'a/10', 'a/2', 'b', 'ä'])
    expect(await keys('a/1')).toEqual(['a/1', 'a/10'])
    expect(await keys('none')).toBeUndefined()
  })

  it('comes in pages', async () => {
    const keys = Array.from({ length: 7 }, (_, index) => `k${index}`)
    await fill(...keys)
    const pages: (string | undefined)[][] = []
    for await (const page of paginateListObjectsV2({ client: bench.s3, pageSize: 3 }, { Bucket })) {
      pages.push((page.Contents ?? []).map(each => each.Key))
    }
    expect(pages).toEqual([keys.slice(0, 3), keys.slice(3, 6), keys.slice(6)])
    const { Contents, KeyCount } = await bench.s3.send(new ListObjectsV2Command({ Bucket, StartAfter: 'k4' }))
    expect([KeyCount, Contents?.[0]]).toMatchObject([2, { Key: 'k5', Size: 1, ETag: `"${md5('x')}"` }])
  })

  it('rolls folders up', async () => {
    await fill('a/1', 'a/2', 'b', 'c/d/e')
    const list = await bench.s3.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }))
    expect(list.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['a/', 'c/'])
    expect(list.Contents?.map(each => each.Key)).toEqual(['b'])
    expect(list.KeyCount).toBe(3)
    const first = await bench.s3.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', MaxKeys: 1 }))
    expect(first).toMatchObject({ IsTruncated: true, CommonPrefixes: [{ Prefix: 'a/' }] })
    const ContinuationToken = first.NextContinuationToken
    const second = await bench.s3.send(
      new ListObjectsV2Command({ Bucket, Delimiter: '/', MaxKeys: 1, ContinuationToken }),
    )
    expect(second.Contents?.map(each => each.Key)).toEqual(['b'])
  })

  it.each([
    ['?list-type=2&max-keys=many', 'InvalidArgument', 400],
    ['?list-type=2&max-keys=-1', 'InvalidArgument', 400],
    ['?list-type=2&continuation-token=***', 'InvalidArgument', 400],
    ['?list-type=2&encoding-type=xml', 'InvalidArgument', 400],
    ['', 'NotImplemented', 501],
    ['?tagging', 'NotImplemented', 501],
    ['/%ff', 'InvalidURI', 400],
  ])('is refused for %s', async (path, code, status) => {
    expect(await call('GET', path)).toMatchObject({ code, status })
  })

  it('encodes keys as URLs when asked', async () => {
    await fill('a b/ü')
    expect((await call('GET', '?list-type=2&encoding-type=url')).text).toContain('<Key>a%20b/%C3%BC</Key>')
  })
})

describe('an upload in parts', () => {
  const create = async (): Promise<string> =>
    (await bench.s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'text/x' })))
      .UploadId ?? ''
  const part = async (UploadId: string, PartNumber: number, Body: Uint8Array) => {
    const { ETag } = await bench.s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))
    return { ETag, PartNumber }
  }
  const complete = (
    UploadId: string,
    Parts: { ETag: string | undefined; PartNumber: number }[],
    changes = {},
  ) =>
    bench.s3.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...changes }),
    )

  it('becomes one object', async () => {
    const UploadId = await create()
    const bytes = [randomBytes(5 * MIB), randomBytes(5 * MIB + 1), randomBytes(10)]
    const parts = []
    for (const [index, each] of bytes.entries()) parts.push(await part(UploadId, 2 * index + 1, each))
    expect(await refusal(get())).toMatchObject({ name: 'NoSuchKey' })
    const { ETag } = await complete(UploadId, parts)
    const tags = Buffer.concat(bytes.map(each => createHash('md5').update(each).digest()))
    expect(ETag).toBe(`"${md5(tags)}-3"`)
    const got = await bench.s3.send(new GetObjectCommand({ Bucket, Key }))
    expect(got).toMatchObject({ ETag, ContentType: 'text/x', ContentLength: 10 * MIB + 11 })
    expect(md5((await got.Body?.transformToByteArray()) ?? '')).toBe(md5(Buffer.concat(bytes)))
    expect(await refusal(complete(UploadId, parts))).toMatchObject({ name: 'NoSuchUpload', status: 404 })
  })

  it('has parts of 5 MiB, but for the last', async () => {
    const UploadId = await create()
    const parts = [await part(UploadId, 1, randomBytes(5 * MIB - 1)), await part(UploadId, 2, randomBytes(1))]
    expect(await refusal(complete(UploadId, parts))).toMatchObject({ name: 'EntityTooSmall', status: 400 })
    // It is still there: the small part can be sent again.
    parts[0] = await part(UploadId, 1, randomBytes(5 * MIB))
    await complete(UploadId, parts)
  })

  it('is made of the parts that were sent, in their order', async () => {
    const UploadId = await create()
    const [one, two] = [
      await part(UploadId, 1, randomBytes(5 * MIB)),
      await part(UploadId, 2, randomBytes(1)),
    ]
    expect(await refusal(complete(UploadId, [two, one]))).toMatchObject({ name: 'InvalidPartOrder' })
    expect(await refusal(complete(UploadId, [one, { ...two, PartNumber: 3 }]))).toMatchObject({
      name: 'InvalidPart',
    })
    expect(await refusal(complete(UploadId, [one, { ...two, ETag: '"x"' }]))).toMatchObject({
      name: 'InvalidPart',
    })
    expect(await refusal(complete(UploadId, []))).toMatchObject({ name: 'MalformedXML' })
    expect(await refusal(part(UploadId, 10_001, randomBytes(1)))).toMatchObject({ name: 'InvalidArgument' })
  })

  it('does not replace an object that must not be', async () => {
    await put('x')
    const UploadId = await create()
    const parts = [await part(UploadId, 1, randomBytes(1))]
    expect(await refusal(complete(UploadId, parts, { IfNoneMatch: '*' }))).toMatchObject({ status: 412 })
    expect(await get()).toBe('x')
  })

  it('can be listed and given up', async () => {
    const UploadId = await create()
    for (const number of [1, 2, 3]) await part(UploadId, number, randomBytes(number))
    const parts = await bench.s3.send(new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 2 }))
    expect(parts.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
      [1, 1],
      [2, 2],
    ])
    expect(parts).toMatchObject({ IsTruncated: true, NextPartNumberMarker: '2' })
    const uploads = async () =>
      (await bench.s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.map(each => each.UploadId)
    expect(await uploads()).toEqual([UploadId])
    await bench.s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    expect(await uploads()).toBeUndefined()
    expect(await refusal(part(UploadId, 4, randomBytes(1)))).toMatchObject({
      name: 'NoSuchUpload',
      status: 404,
    })
  })

  it('belongs to its key', async () => {
    const UploadId = await create()
    expect((await call('PUT', `/other?partNumber=1&uploadId=${UploadId}`, { body: 'x' })).code).toBe(
      'NoSuchUpload',
    )
  })
})
