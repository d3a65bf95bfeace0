/**
 * The few calls of S3 that bytes need, as plain requests and readers of answers; who sends them signs them.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 * @module
 */
import { escapeXml, xmlElements, xmlText } from './xml.ts'

export interface S3Location {
  bucket: string
  /** Empty: the bucket itself. */
  key: string
}

export type Query = Record<string, string | number | undefined>

/** A call of one object, or of the bucket. */
export interface S3Call {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  query: Query
  headers: Record<string, string>
  body?: string | Uint8Array<ArrayBuffer>
}

/** Percent-encodes all but RFC 3986's unreserved characters, as signatures have it. */
export const percentEncode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/** Spaces as `%20`: what `+` means in a query is read differently by different services. */
const search = (query: Query): string =>
  Object.entries(query)
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`${percentEncode(name)}=${percentEncode(String(value))}`],
    )
    .join('&')

/** @param path percent-encoded already */
export const urlBelow = (base: URL, path: string, query: Query = {}): URL => {
  const url = new URL(base)
  url.pathname = `${base.pathname.replace(/\/+$/, '')}/${path}`
  url.search = search(query)
  return url
}

/** A URL parser resolves these even when they are percent-encoded. */
export const isDots = (segment: string) => segment === '.' || segment === '..'

/** S3's rules for names of buckets. @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
export const isBucketName = (name: string) => BUCKET.test(name) && !name.includes('..')

/** Whether a URL can name the place: a key's `.` and `..` would be read as another. */
export const isS3Location = ({ bucket, key }: S3Location): boolean =>
  isBucketName(bucket) && !key.split('/').some(isDots)

/**
 * A URL of an object, or with an empty key of its bucket. As part of the host, as AWS recommends for its own, the bucket's name
 * must be free of dots, which would miss the wildcard certificate.
 */
export const s3ObjectUrl = (
  base: URL,
  { bucket, key }: S3Location,
  query: Query = {},
  bucketIn: 'host' | 'path' = 'path',
): URL => {
  const path = key.split('/').map(percentEncode).join('/')
  if (bucketIn === 'path' || bucket.includes('.')) return urlBelow(base, `${bucket}/${path}`, query)
  const host = new URL(base)
  host.hostname = `${bucket}.${base.hostname}`
  return urlBelow(host, path, query)
}

/** The time of a signature: `20261120T153623Z`. @param now Unix milliseconds */
export const signingTime = (now: number) => new Date(now).toISOString().replace(/[:-]|\.\d{3}/g, '')

/** S3 wants to be told what it is to take for the body's hash. */
export const PAYLOAD_HEADER = 'x-amz-content-sha256'
/** For every call: parts and streams are not read twice to be hashed. TLS protects them on the way. */
export const S3_HEADERS = { [PAYLOAD_HEADER]: 'UNSIGNED-PAYLOAD' } as const

const call = (
  method: S3Call['method'],
  query: Query = {},
  headers: Record<string, string> = {},
): Omit<S3Call, 'body'> => ({ method, query, headers: { ...S3_HEADERS, ...headers } })

const typed = (contentType: string | undefined): Record<string, string> =>
  contentType === undefined ? {} : { 'content-type': contentType }

export const headObject = (): S3Call => call('HEAD')
/** @param from the byte to begin at */
export const getObject = (from = 0): S3Call => call('GET', {}, from === 0 ? {} : { range: `bytes=${from}-` })
export const deleteObject = (): S3Call => call('DELETE')
export const putObject = (body: Uint8Array<ArrayBuffer>, contentType?: string): S3Call => ({
  ...call('PUT', {}, typed(contentType)),
  body,
})

/** Begins an upload in parts. Begun twice, the one that is not used holds nothing. */
export const startUpload = (contentType?: string): S3Call => call('POST', { uploads: '' }, typed(contentType))

/**
 * @param number from 1
 * @param md5 of the body, base64: S3 refuses a part of other content
 */
export const uploadPart = (
  uploadId: string,
  number: number,
  body: Uint8Array<ArrayBuffer>,
  md5?: string,
): S3Call => ({
  ...call('PUT', { partNumber: number, uploadId }, md5 === undefined ? {} : { 'content-md5': md5 }),
  body,
})

/** @param tags of the parts, in order, as S3 gave them */
export const completeUpload = (uploadId: string, tags: readonly string[]): S3Call => ({
  ...call('POST', { uploadId }, { 'content-type': 'application/xml' }),
  body:
    '<?xml version="1.0" encoding="UTF-8"?>' +
    '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
    tags
      .map((tag, index) => `<Part><ETag>${escapeXml(tag)}</ETag><PartNumber>${index + 1}</PartNumber></Part>`)
      .join('') +
    '</CompleteMultipartUpload>',
})

/** Gives up an upload: the parts so far would be paid for until someone finds them. */
export const abortUpload = (uploadId: string): S3Call => call('DELETE', { uploadId })

/** S3 lists no more at a time. */
export const MOST_LISTED = 1000

/** @param after a key: only later ones are listed, in the order of their bytes */
export const listObjects = (prefix: string, limit: number = MOST_LISTED, after?: string): S3Call =>
  call('GET', { 'list-type': 2, 'max-keys': limit, prefix, 'start-after': after })

export const uploadIdOf = (xml: string): string | undefined => xmlText(xml, 'UploadId') || undefined

/**
 * Whether a completion failed though its status is 200: S3 sends the status before it has put the parts together.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
export const isCompleted = (xml: string): boolean =>
  xmlElements(xml, 'CompleteMultipartUploadResult').length === 1

export interface S3Listing {
  /** `modified`: RFC 3339. */
  items: { key: string; bytes: number; modified: string }[]
  hasMore: boolean
}

export const listingOf = (xml: string): S3Listing => ({
  items: xmlElements(xml, 'Contents').map(contents => ({
    key: xmlText(contents, 'Key') ?? '',
    bytes: Number(xmlText(contents, 'Size') ?? Number.NaN),
    modified: xmlText(contents, 'LastModified') ?? '',
  })),
  hasMore: xmlText(xml, 'IsTruncated') === 'true',
})
