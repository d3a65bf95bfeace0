/**
 * The few calls of S3 that datasets need, as requests and readers of answers.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 * @module
 */
import type { Answer } from '../../transport.ts'
import type { ProviderRequest, Settings } from '../provider.ts'
import { S3_HEADERS } from './auth.ts'
import { objectUrl, type Query, type S3Location } from './hosts.ts'
import { escaped, innerOf, textOf } from './xml.ts'

type Method = ProviderRequest['method']

const request = (
  settings: Settings,
  method: Method,
  location: S3Location,
  query: Query = {},
  headers: Record<string, string> = {},
): ProviderRequest => ({
  method,
  url: objectUrl(settings, location, query),
  headers: { ...S3_HEADERS, ...headers },
  repeat: 'always',
})

const JSONL = { 'content-type': 'application/jsonl' }

export const toHead = (settings: Settings, location: S3Location) => request(settings, 'HEAD', location)
export const toGet = (settings: Settings, location: S3Location) => request(settings, 'GET', location)
export const toDelete = (settings: Settings, location: S3Location) => request(settings, 'DELETE', location)

export const toPut = (
  settings: Settings,
  location: S3Location,
  body: Uint8Array<ArrayBuffer>,
): ProviderRequest => ({ ...request(settings, 'PUT', location, {}, JSONL), body })

/** Begins an upload in parts. Begun twice, the one that is not used holds nothing. */
export const toStart = (settings: Settings, location: S3Location) =>
  request(settings, 'POST', location, { uploads: '' }, JSONL)

export interface Upload extends S3Location {
  id: string
}

/** @param number from 1 */
export const toPart = (
  settings: Settings,
  upload: Upload,
  number: number,
  body: Uint8Array<ArrayBuffer>,
): ProviderRequest => ({
  ...request(settings, 'PUT', upload, { partNumber: number, uploadId: upload.id }),
  body,
})

/** @param tags of the parts, in order, as S3 gave them */
export const toComplete = (settings: Settings, upload: Upload, tags: readonly string[]): ProviderRequest => ({
  ...request(settings, 'POST', upload, { uploadId: upload.id }, { 'content-type': 'application/xml' }),
  body:
    '<?xml version="1.0" encoding="UTF-8"?>' +
    '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
    tags
      .map((tag, index) => `<Part><ETag>${escaped(tag)}</ETag><PartNumber>${index + 1}</PartNumber></Part>`)
      .join('') +
    '</CompleteMultipartUpload>',
})

/** Gives up an upload: the parts so far would be paid for until someone finds them. */
export const toAbort = (settings: Settings, upload: Upload): ProviderRequest => ({
  ...request(settings, 'DELETE', upload, { uploadId: upload.id }),
  tidies: true,
})

/** @param after a key: only later ones are listed, in the order of their bytes */
export const toList = (
  settings: Settings,
  bucket: string,
  prefix: string,
  limit: number,
  after?: string,
): ProviderRequest =>
  request(
    settings,
    'GET',
    { bucket, key: '' },
    { 'list-type': 2, 'max-keys': limit, prefix, 'start-after': after },
  )

const decoder = new TextDecoder()
export const xmlOf = ({ bytes }: Pick<Answer, 'bytes'>): string => decoder.decode(bytes)

export const uploadIdOf = (xml: string): string | undefined => textOf(xml, 'UploadId') || undefined

/**
 * Whether a completion failed though its status is 200: S3 sends the status before it has put the parts together.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
export const isCompleted = (xml: string): boolean =>
  innerOf(xml, 'CompleteMultipartUploadResult').length === 1

export interface Listing {
  items: { key: string; bytes: number; modified: string }[]
  hasMore: boolean
}

export const listingOf = (xml: string): Listing => ({
  items: innerOf(xml, 'Contents').map(contents => ({
    key: textOf(contents, 'Key') ?? '',
    bytes: Number(textOf(contents, 'Size') ?? Number.NaN),
    modified: textOf(contents, 'LastModified') ?? '',
  })),
  hasMore: textOf(xml, 'IsTruncated') === 'true',
})
