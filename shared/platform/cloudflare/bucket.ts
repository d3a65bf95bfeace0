/**
 * The Bucket on R2.
 * @module
 */
import type { R2Bucket, R2UploadedPart } from '@cloudflare/workers-types'
import type { Bucket } from '../ports.ts'

/** Keys in one call. */
const MOST_DELETED = 1000

export const createR2Bucket = (r2: R2Bucket): Bucket => ({
  async put(key, bytes) {
    await r2.put(key, bytes)
  },
  async startMultipart(key) {
    const upload = await r2.createMultipartUpload(key)
    const parts: R2UploadedPart[] = []
    return {
      async part(number, bytes) {
        parts.push(await upload.uploadPart(number, bytes))
      },
      async complete() {
        await upload.complete(parts)
      },
      abort: () => upload.abort(),
    }
  },
  async get(key, from = 0) {
    const object = await r2.get(key, from === 0 ? {} : { range: { offset: from } })
    // The two type worlds name the same stream differently.
    return object
      ? { body: object.body as unknown as ReadableStream<Uint8Array>, size: object.size }
      : undefined
  },
  size: async key => (await r2.head(key))?.size,
  async delete(...keys) {
    for (let start = 0; start < keys.length; start += MOST_DELETED)
      await r2.delete(keys.slice(start, start + MOST_DELETED))
  },
  async list(prefix, after) {
    const { objects, truncated } = await r2.list({
      prefix,
      ...(after !== undefined && { startAfter: after }),
    })
    return { objects: objects.map(({ key, size }) => ({ key, bytes: size })), hasMore: truncated }
  },
})
