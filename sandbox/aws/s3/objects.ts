/** Whole objects: put, get, head, delete. */
import type { Call } from './call.ts'
import { verifiedChecksums } from './checksums.ts'
import { S3Error } from './errors.ts'
import { type Bucket, etagOf, type Store, type StoredObject } from './store.ts'

const LONGEST_KEY_BYTES = 1024
const KEPT_HEADERS = [
  'content-type',
  'content-disposition',
  'content-language',
  'cache-control',
  'expires',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
]
const DEFAULT_TYPE = 'binary/octet-stream'

/** @throws {S3Error} NoSuchBucket */
export function bucketOf(store: Store, name: string): Bucket {
  const bucket = store.bucket(name)
  if (!bucket) throw new S3Error('NoSuchBucket', undefined, { BucketName: name })
  return bucket
}

/** What of an upload's headers belongs to the object. */
export function objectHeaders(headers: Call['headers']): Record<string, string> {
  const kept: Record<string, string> = {
    'content-type': DEFAULT_TYPE,
    'x-amz-server-side-encryption': 'AES256',
  }
  for (const [name, value] of Object.entries(headers)) {
    if (KEPT_HEADERS.includes(name) || name.startsWith('x-amz-meta-')) kept[name] = value
  }
  // How the body travelled is not a property of the object.
  const encoding = (headers['content-encoding'] ?? '')
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '' && each !== 'aws-chunked')
  if (encoding.length > 0) kept['content-encoding'] = encoding.join(',')
  return kept
}

/**
 * `If-None-Match: *` and `If-Match` on a write.
 *
 * @throws {S3Error} PreconditionFailed
 */
export function checkWritable(bucket: Bucket, { key, headers }: Call): void {
  const there = bucket.get(key)
  const { 'if-none-match': none, 'if-match': match } = headers
  if (none !== undefined && none !== '*') {
    throw new S3Error('NotImplemented', 'If-None-Match on a write must be *.')
  }
  if (none === '*' && there)
    throw new S3Error('PreconditionFailed', undefined, { Condition: 'If-None-Match' })
  if (match === undefined) return
  if (!there) throw new S3Error('NoSuchKey', undefined, { Key: key })
  if (!matches(match, there)) throw new S3Error('PreconditionFailed', undefined, { Condition: 'If-Match' })
}

const matches = (tags: string, { etag }: StoredObject): boolean =>
  tags
    .split(',')
    .some(tag => tag.trim() === '*' || tag.trim().replaceAll('"', '') === etag.replaceAll('"', ''))

const encryption = ({ headers }: Pick<StoredObject, 'headers'>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith('x-amz-server-side-encryption')),
  )

export function putObject(store: Store, call: Call): Response {
  const bucket = bucketOf(store, call.bucket)
  if (Buffer.byteLength(call.key) > LONGEST_KEY_BYTES) throw new S3Error('KeyTooLongError')
  const { bytes, trailers } = call.payload
  const checksums = verifiedChecksums(bytes, { ...call.headers, ...trailers })
  checkWritable(bucket, call)
  const object: StoredObject = {
    key: call.key,
    bytes,
    etag: etagOf(bytes),
    modified: new Date(),
    headers: objectHeaders(call.headers),
    checksums,
  }
  bucket.set(call.key, object)
  return new Response(null, { headers: { etag: object.etag, ...encryption(object), ...checksums } })
}

export function getObject(store: Store, call: Call): Response {
  const object = find(store, call)
  const range = rangeOf(call.headers.range, object.bytes.byteLength)
  const headers = { ...headersOf(object, call, range !== undefined) }
  if (!range) return new Response(object.bytes, { headers })
  const { start, end } = range
  return new Response(object.bytes.subarray(start, end + 1), {
    status: 206,
    headers: {
      ...headers,
      'content-length': String(end - start + 1),
      'content-range': `bytes ${start}-${end}/${object.bytes.byteLength}`,
    },
  })
}

export const headObject = (store: Store, call: Call): Response => {
  const answer = getObject(store, call)
  return new Response(null, answer)
}

/** Succeeds whether or not there was anything. */
export function deleteObject(store: Store, call: Call): Response {
  bucketOf(store, call.bucket).delete(call.key)
  return new Response(null, { status: 204 })
}

function find(store: Store, call: Call): StoredObject {
  const object = bucketOf(store, call.bucket).get(call.key)
  if (!object) throw new S3Error('NoSuchKey', undefined, { Key: call.key })
  const { 'if-match': match, 'if-none-match': none } = call.headers
  if (match !== undefined && !matches(match, object)) {
    throw new S3Error('PreconditionFailed', undefined, { Condition: 'If-Match' })
  }
  if (none !== undefined && matches(none, object)) throw new S3Error('NotModified')
  return object
}

function headersOf(object: StoredObject, { headers }: Call, partial: boolean): Record<string, string> {
  // A checksum of the whole says nothing about a part.
  const checked = !partial && headers['x-amz-checksum-mode'] === 'ENABLED' ? object.checksums : {}
  return {
    ...object.headers,
    ...checked,
    ...(Object.keys(checked).length > 0 && { 'x-amz-checksum-type': 'FULL_OBJECT' }),
    'accept-ranges': 'bytes',
    'content-length': String(object.bytes.byteLength),
    etag: object.etag,
    'last-modified': object.modified.toUTCString(),
  }
}

/** One range of bytes, both ends included; whatever is not one asks for the whole. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  const [, first = '', last = ''] = match ?? []
  if (first === '' && last === '') return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(size - 1, Number(last))
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new S3Error('InvalidRange', undefined, {
      RangeRequested: header ?? '',
      ActualObjectSize: String(size),
    })
  }
  return { start, end }
}
