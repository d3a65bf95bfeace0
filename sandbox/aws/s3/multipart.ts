/** Uploads in parts. */
import { newId } from '../../ids.ts'
import { type Call, xmlResponse } from './call.ts'
import { verifiedChecksums } from './checksums.ts'
import { S3Error } from './errors.ts'
import { byBytes, countIn } from './listing.ts'
import { bucketOf, checkWritable, objectHeaders } from './objects.ts'
import { etagOf, etagOfParts, type MultipartUpload, type Part, type Store } from './store.ts'
import { innerOf, textOf } from './xml.ts'

/** Every part but the last is at least this long. */
const LEAST_PART_BYTES = 5 * 2 ** 20
const MOST_PARTS = 10_000
const MOST_LISTED = 1000

function find(store: Store, { bucket, key, query }: Call): MultipartUpload {
  bucketOf(store, bucket)
  const upload = store.uploads.get(query.get('uploadId') ?? '')
  if (upload && upload.bucket === bucket && upload.key === key) return upload
  throw new S3Error('NoSuchUpload', undefined, { UploadId: query.get('uploadId') ?? '' })
}

export function createUpload(store: Store, { bucket, key, headers }: Call): Response {
  bucketOf(store, bucket)
  const id = newId('', 48)
  store.uploads.set(id, {
    id,
    bucket,
    key,
    initiated: new Date(),
    headers: objectHeaders(headers),
    parts: new Map(),
  })
  return xmlResponse('InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: id })
}

export function uploadPart(store: Store, call: Call): Response {
  const upload = find(store, call)
  const number = countIn(call.query, 'partNumber', 0)
  if (number < 1 || number > MOST_PARTS) {
    throw new S3Error(
      'InvalidArgument',
      `Part number must be an integer between 1 and ${MOST_PARTS}, inclusive`,
      {
        ArgumentName: 'partNumber',
        ArgumentValue: call.query.get('partNumber') ?? '',
      },
    )
  }
  const { bytes, trailers } = call.payload
  const checksums = verifiedChecksums(bytes, { ...call.headers, ...trailers })
  const part: Part = { number, bytes, etag: etagOf(bytes), modified: new Date() }
  upload.parts.set(number, part)
  return new Response(null, { headers: { etag: part.etag, ...checksums } })
}

export function completeUpload(store: Store, call: Call): Response {
  const upload = find(store, call)
  const bucket = bucketOf(store, call.bucket)
  const parts = listedParts(upload, new TextDecoder().decode(call.payload.bytes))
  for (const part of parts.slice(0, -1)) {
    if (part.bytes.byteLength >= LEAST_PART_BYTES) continue
    throw new S3Error('EntityTooSmall', undefined, {
      ProposedSize: String(part.bytes.byteLength),
      MinSizeAllowed: String(LEAST_PART_BYTES),
      PartNumber: String(part.number),
      ETag: part.etag,
    })
  }
  checkWritable(bucket, call)
  const etag = etagOfParts(parts)
  bucket.set(upload.key, {
    key: upload.key,
    bytes: new Uint8Array(Buffer.concat(parts.map(({ bytes }) => bytes))),
    etag,
    modified: new Date(),
    headers: upload.headers,
    checksums: {},
  })
  store.uploads.delete(upload.id)
  return xmlResponse('CompleteMultipartUploadResult', {
    Location: `/${upload.bucket}/${upload.key}`,
    Bucket: upload.bucket,
    Key: upload.key,
    ETag: etag,
  })
}

/** The parts that the client names, in its order. */
function listedParts({ parts }: MultipartUpload, xml: string): Part[] {
  const [list] = innerOf(xml, 'CompleteMultipartUpload')
  const listed = innerOf(list ?? '', 'Part').map(part => ({
    number: Number(textOf(part, 'PartNumber')),
    etag: (textOf(part, 'ETag') ?? '').replaceAll('"', ''),
  }))
  if (listed.length === 0) throw new S3Error('MalformedXML')
  if (listed.some(({ number }, index) => index > 0 && number <= (listed[index - 1]?.number ?? 0))) {
    throw new S3Error('InvalidPartOrder')
  }
  return listed.map(({ number, etag }) => {
    const part = parts.get(number)
    if (part?.etag.replaceAll('"', '') === etag) return part
    throw new S3Error('InvalidPart', undefined, { PartNumber: String(number), ETag: etag })
  })
}

export function abortUpload(store: Store, call: Call): Response {
  store.uploads.delete(find(store, call).id)
  return new Response(null, { status: 204 })
}

export function listParts(store: Store, call: Call): Response {
  const upload = find(store, call)
  const limit = Math.min(MOST_LISTED, countIn(call.query, 'max-parts', MOST_LISTED))
  const marker = countIn(call.query, 'part-number-marker', 0)
  const parts = [...upload.parts.values()]
    .sort((a, b) => a.number - b.number)
    .filter(each => each.number > marker)
  const page = parts.slice(0, limit)
  return xmlResponse('ListPartsResult', {
    Bucket: upload.bucket,
    Key: upload.key,
    UploadId: upload.id,
    PartNumberMarker: marker,
    ...(parts.length > limit && { NextPartNumberMarker: page.at(-1)?.number }),
    MaxParts: limit,
    IsTruncated: parts.length > limit,
    Part: page.map(({ number, modified, etag, bytes }) => ({
      PartNumber: number,
      LastModified: modified.toISOString(),
      ETag: etag,
      Size: bytes.byteLength,
    })),
    StorageClass: 'STANDARD',
  })
}

export function listUploads(store: Store, { bucket, query }: Call): Response {
  bucketOf(store, bucket)
  const prefix = query.get('prefix') ?? ''
  const limit = Math.min(MOST_LISTED, countIn(query, 'max-uploads', MOST_LISTED))
  const uploads = [...store.uploads.values()]
    .filter(each => each.bucket === bucket && each.key.startsWith(prefix))
    .sort((a, b) => byBytes(a.key, b.key))
  return xmlResponse('ListMultipartUploadsResult', {
    Bucket: bucket,
    Prefix: prefix,
    MaxUploads: limit,
    IsTruncated: uploads.length > limit,
    Upload: uploads.slice(0, limit).map(({ key, id, initiated }) => ({
      Key: key,
      UploadId: id,
      Initiated: initiated.toISOString(),
      StorageClass: 'STANDARD',
    })),
  })
}
