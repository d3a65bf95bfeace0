/**
 * The few calls of S3 that datasets need, for the connection's bucket.
 * @module
 */
import {
  abortUpload,
  completeUpload,
  deleteObject,
  getObject,
  headObject,
  listObjects,
  putObject,
  type S3Call,
  type S3Location,
  startUpload,
  uploadPart,
} from '../../platform/index.ts'
import type { Answer } from '../../transport.ts'
import type { ProviderRequest, Settings } from '../provider.ts'
import { objectUrl } from './hosts.ts'

export { isCompleted, listingOf, uploadIdOf } from '../../platform/index.ts'

const request = (
  settings: Settings,
  location: S3Location,
  { method, query, headers, body }: S3Call,
): ProviderRequest => ({
  method,
  url: objectUrl(settings, location, query),
  headers,
  ...(body !== undefined && { body }),
  repeat: 'always',
})

const JSONL = 'application/jsonl'

export const toHead = (settings: Settings, location: S3Location) => request(settings, location, headObject())
/** @param from the byte to begin at */
export const toGet = (settings: Settings, location: S3Location, from?: number) =>
  request(settings, location, getObject(from))
export const toDelete = (settings: Settings, location: S3Location) =>
  request(settings, location, deleteObject())

export const toPut = (settings: Settings, location: S3Location, body: Uint8Array<ArrayBuffer>) =>
  request(settings, location, putObject(body, JSONL))

export const toStart = (settings: Settings, location: S3Location) =>
  request(settings, location, startUpload(JSONL))

export interface Upload extends S3Location {
  id: string
}

/**
 * @param number from 1
 * @param md5 of the body, base64: S3 refuses a part of other content
 */
export const toPart = (
  settings: Settings,
  upload: Upload,
  number: number,
  body: Uint8Array<ArrayBuffer>,
  md5?: string,
) => request(settings, upload, uploadPart(upload.id, number, body, md5))

/** @param tags of the parts, in order, as S3 gave them */
export const toComplete = (settings: Settings, upload: Upload, tags: readonly string[]) =>
  request(settings, upload, completeUpload(upload.id, tags))

export const toAbort = (settings: Settings, upload: Upload): ProviderRequest => ({
  ...request(settings, upload, abortUpload(upload.id)),
  tidies: true,
})

/** @param after a key: only later ones are listed, in the order of their bytes */
export const toList = (settings: Settings, bucket: string, prefix: string, limit: number, after?: string) =>
  request(settings, { bucket, key: '' }, listObjects(prefix, limit, after))

const decoder = new TextDecoder()
export const xmlOf = ({ bytes }: Pick<Answer, 'bytes'>): string => decoder.decode(bytes)
