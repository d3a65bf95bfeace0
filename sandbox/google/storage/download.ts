/** `alt=media`: an object's bytes, whole or a range of them (RFC 9110 §14). */
import { etagOf, type StoredObject } from './bucket.ts'
import { StorageError } from './errors.ts'

/** @throws {StorageError} 416 */
export function mediaResponse(object: StoredObject, rangeHeader: string | undefined): Response {
  const { bytes } = object
  const headers = {
    'content-type': object.contentType,
    'accept-ranges': 'bytes',
    etag: etagOf(object),
    'x-goog-generation': String(object.generation),
    'x-goog-metageneration': '1',
    'x-goog-hash': `crc32c=${object.crc32c},md5=${object.md5}`,
    'x-goog-stored-content-length': String(bytes.byteLength),
    'x-goog-storage-class': 'STANDARD',
  }
  const range = rangeOf(rangeHeader, bytes.byteLength)
  if (!range) return new Response(new Uint8Array(bytes), { headers })
  const [start, end] = range
  return new Response(new Uint8Array(bytes.subarray(start, end + 1)), {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${start}-${end}/${bytes.byteLength}` },
  })
}

/** First and last byte; undefined for the whole. A header of another form is ignored. */
function rangeOf(header: string | undefined, size: number): [number, number] | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  const [, first = '', last = ''] = match ?? []
  if (!match || (first === '' && last === '')) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (start > end) {
    throw new StorageError(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable')
  }
  return [start, end]
}
