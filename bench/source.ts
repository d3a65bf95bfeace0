/**
 * A dataset of any size at an address, for whoever reads it by ranges: one block of lines over and over.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { synthesize } from './files.ts'

/** Where a dataset of so many megabytes is, below the upstream's origin. */
export const sourcePath = (megabytes: number): string => `/sources/${megabytes}.jsonl`

/** Answers for a source. @returns whether the request was for one */
export function serveSource(request: IncomingMessage, path: string, response: ServerResponse): boolean {
  const megabytes = Number(/^\/sources\/(\d+)\.jsonl$/.exec(path)?.[1])
  if (request.method !== 'GET' || Number.isNaN(megabytes)) return false
  const { bytes, pieces } = synthesize('fine-tune', megabytes)
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  response.writeHead(from > 0 ? 206 : 200, {
    'content-type': 'application/jsonl',
    'content-length': bytes - from,
    'accept-ranges': 'bytes',
    etag: `"${megabytes}"`,
    ...(from > 0 && { 'content-range': `bytes ${from}-${bytes - 1}/${bytes}` }),
  })
  const rest = function* () {
    let skipped = from
    for (const piece of pieces()) {
      if (skipped < piece.length) yield piece.subarray(skipped)
      skipped = Math.max(0, skipped - piece.length)
    }
  }
  Readable.from(rest()).pipe(response)
  return true
}
