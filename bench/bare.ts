/**
 * The least that a Worker between client and provider can do: the yardstick beside the gateway.
 *
 * - `/v1/…` is forwarded to the upstream as it came, and the answer is returned as it came.
 * - `PUT /file` streams the body to R2 in one put; `PUT /file?parts=<bytes>` in parts, as anyone must who does
 *   not know the length beforehand (a multipart form does not tell it); `GET /file` streams it back.
 *
 * Only types are imported: the bench strips them and hands the text to workerd without a bundler.
 *
 * @module
 */
import type { R2Bucket, R2UploadedPart, ReadableStream as WorkerdStream } from '@cloudflare/workers-types'

interface Env {
  UPSTREAM: string
  BUCKET: R2Bucket
}

const KEY = 'file'

/** R2 wants parts of equal size. The one buffer is filled, stored and filled again. */
async function putParts(bucket: R2Bucket, body: ReadableStream, size: number): Promise<void> {
  const upload = await bucket.createMultipartUpload(KEY)
  const parts: R2UploadedPart[] = []
  // workerd's own reader fills a given buffer as far as the stream allows, so nothing is left for the collector.
  const reader = (body as unknown as WorkerdStream).getReader({ mode: 'byob' })
  let buffer = new Uint8Array(size)
  for (let more = true; more; ) {
    const { done, value } = await reader.readAtLeast(size, buffer)
    if (value !== undefined && value.length > 0) parts.push(await upload.uploadPart(parts.length + 1, value))
    more = !done && value !== undefined && value.length === size
    if (more && value !== undefined) buffer = new Uint8Array(value.buffer)
  }
  await upload.complete(parts)
}

async function file(request: Request, url: URL, bucket: R2Bucket): Promise<Response> {
  if (request.method === 'GET') {
    const object = await bucket.get(KEY)
    // The two type worlds (Node's and workerd's) name the same stream class differently.
    return object === null
      ? new Response(null, { status: 404 })
      : new Response(object.body as unknown as ReadableStream)
  }
  if (request.method === 'DELETE') {
    await bucket.delete(KEY)
    return new Response(null, { status: 204 })
  }
  const parts = Number(url.searchParams.get('parts') ?? 0)
  if (request.body === null) return new Response('no body', { status: 400 })
  if (parts > 0) await putParts(bucket, request.body, parts)
  else await bucket.put(KEY, request.body as unknown as Parameters<R2Bucket['put']>[1])
  return Response.json({ stored: true })
}

// biome-ignore lint/style/noDefaultExport: workerd takes a Worker's handlers from the default export
export default {
  fetch(request: Request, env: Env): Response | Promise<Response> {
    const url = new URL(request.url)
    if (url.pathname === '/file') return file(request, url, env.BUCKET)
    return fetch(env.UPSTREAM + url.pathname + url.search, request)
  },
}
