/** ListObjectsV2 and what else is known of a bucket. */
import { REGION } from '../account.ts'
import { type Call, xmlResponse } from './call.ts'
import { S3Error } from './errors.ts'
import { bucketOf } from './objects.ts'
import type { Store, StoredObject } from './store.ts'

const MOST_KEYS = 1000

/** Keys are in the order of their UTF-8 bytes. */
export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/**
 * A number in the query.
 *
 * @throws {S3Error} InvalidArgument
 */
export function countIn(query: Call['query'], name: string, otherwise: number): number {
  const given = query.get(name)
  if (given === undefined || given === '') return otherwise
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (Number.isNaN(value)) {
    throw new S3Error('InvalidArgument', `Provided ${name} not an integer or within integer range`, {
      ArgumentName: name,
      ArgumentValue: given,
    })
  }
  return value
}

type Entry = { kind: 'object'; at: string; object: StoredObject } | { kind: 'prefix'; at: string }

export function listObjects(store: Store, { bucket: name, query }: Call): Response {
  const bucket = bucketOf(store, name)
  if (query.get('list-type') !== '2') {
    throw new S3Error('NotImplemented', 'The sandbox lists objects with list-type=2 only.')
  }
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? '']
  const token = query.get('continuation-token')
  const after = token === undefined ? (query.get('start-after') ?? '') : afterOf(token)
  const limit = Math.min(MOST_KEYS, countIn(query, 'max-keys', MOST_KEYS))
  const encoded = encoderFor(query.get('encoding-type'))

  const entries = entriesOf([...bucket.values()], prefix, delimiter).filter(
    ({ at }) => byBytes(at, after) > 0,
  )
  const page = entries.slice(0, limit)
  const truncated = limit > 0 && entries.length > limit
  return xmlResponse('ListBucketResult', {
    Name: name,
    Prefix: encoded(prefix),
    ...(delimiter !== '' && { Delimiter: encoded(delimiter) }),
    ...(token !== undefined && { ContinuationToken: token }),
    ...(query.has('start-after') && { StartAfter: encoded(query.get('start-after') ?? '') }),
    ...(query.has('encoding-type') && { EncodingType: 'url' }),
    KeyCount: page.length,
    MaxKeys: limit,
    IsTruncated: truncated,
    ...(truncated && { NextContinuationToken: tokenOf(page.at(-1)?.at ?? '') }),
    Contents: page.flatMap(entry =>
      entry.kind === 'object'
        ? [
            {
              Key: encoded(entry.object.key),
              LastModified: entry.object.modified.toISOString(),
              ETag: entry.object.etag,
              Size: entry.object.bytes.byteLength,
              StorageClass: 'STANDARD',
            },
          ]
        : [],
    ),
    CommonPrefixes: page.flatMap(entry => (entry.kind === 'prefix' ? [{ Prefix: encoded(entry.at) }] : [])),
  })
}

/** Objects below the prefix; those with the delimiter behind it are rolled up. */
function entriesOf(objects: readonly StoredObject[], prefix: string, delimiter: string): Entry[] {
  const entries = new Map<string, Entry>()
  for (const object of objects) {
    if (!object.key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length)
    const at = cut < 0 ? object.key : object.key.slice(0, cut + delimiter.length)
    entries.set(at, cut < 0 ? { kind: 'object', at, object } : { kind: 'prefix', at })
  }
  return [...entries.values()].sort((a, b) => byBytes(a.at, b.at))
}

const tokenOf = (at: string): string => Buffer.from(at).toString('base64url')

function afterOf(token: string): string {
  const at = Buffer.from(token, 'base64url').toString()
  if (tokenOf(at) === token && token !== '') return at
  throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
    ArgumentName: 'continuation-token',
  })
}

function encoderFor(type: string | undefined): (text: string) => string {
  if (type === undefined) return text => text
  if (type === 'url') return text => encodeURIComponent(text).replaceAll('%2F', '/')
  throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
    ArgumentName: 'encoding-type',
    ArgumentValue: type,
  })
}

export function headBucket(store: Store, { bucket }: Call): Response {
  bucketOf(store, bucket)
  return new Response(null, { headers: { 'x-amz-bucket-region': REGION } })
}

/** In us-east-1 the answer is, by tradition, empty. */
export function bucketLocation(store: Store, { bucket }: Call): Response {
  bucketOf(store, bucket)
  return xmlResponse('LocationConstraint', {})
}

export const listBuckets = (store: Store): Response =>
  xmlResponse('ListAllMyBucketsResult', {
    Owner: { ID: 'sandbox' },
    Buckets: { Bucket: store.buckets.map(Name => ({ Name, CreationDate: '2026-01-01T00:00:00.000Z' })) },
  })
