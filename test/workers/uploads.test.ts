/** What only the real runtime shows of uploads in parts: whether a slow bucket slows the client, and the bucket over S3's API. */
import { createHash } from 'node:crypto'
import { describe, expect, inject, it } from 'vitest'
import { createR2Bucket } from '../../shared/platform/cloudflare/bucket.ts'
import type { Bucket } from '../../shared/platform/index.ts'
import { bindings, dataset, startGateway } from '../support/gateway.ts'
import { bucketVariables } from '../support/s3-bucket.ts'

const MEBIBYTE = 1024 * 1024
const BOUNDARY = 'workers-boundary'
const utf8 = (text: string) => new TextEncoder().encode(text)

/** A part's form, made as it is read; counts what has been taken of it. */
const countedForm = (bytes: number) => {
  const counted = { taken: 0, whole: 0 }
  const content = function* () {
    yield utf8(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n`)
    for (let left = bytes; left > 0; left -= 65_536) yield new Uint8Array(Math.min(left, 65_536)).fill(7)
    yield utf8(`\r\n--${BOUNDARY}--\r\n`)
  }
  const pieces = content()
  const body = new ReadableStream({
    type: 'bytes',
    pull(controller) {
      const { value, done } = pieces.next()
      if (done) {
        controller.close()
        controller.byobRequest?.respond(0)
        return
      }
      counted.taken += value.length
      controller.enqueue(value)
    },
  })
  return { body, counted }
}

/** R2 that takes nothing until it is let go. */
const heldBucket = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const r2 = createR2Bucket(bindings.BUCKET)
  const bucket: Bucket = {
    ...r2,
    async startMultipart(key) {
      const upload = await r2.startMultipart(key)
      return {
        ...upload,
        async part(number, bytes) {
          ask()
          await promise
          await upload.part(number, bytes)
        },
      }
    },
  }
  return { bucket, asked, release: resolve }
}

describe('a part for a slow bucket', () => {
  it('is not read ahead beyond a bound', async () => {
    const { bucket, asked, release } = heldBucket()
    const gateway = startGateway({ platform: { bucket } })
    const key = await gateway.key()
    const client = await gateway.client(key)
    const bytes = 40 * MEBIBYTE
    const { id } = await client.uploads.create({
      filename: 'x',
      purpose: 'batch',
      bytes,
      mime_type: 'application/octet-stream',
    })
    const { body, counted } = countedForm(bytes)
    const answer = gateway.fetch(`/v1/uploads/${id}/parts`, {
      method: 'POST',
      key,
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body,
      duplex: 'half',
    } as RequestInit)
    await asked
    // As long as anything still moves.
    for (let before = -1; before !== counted.taken; ) {
      before = counted.taken
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    // Two parts of the bucket's, one on its way and one filled, and what has not been read yet.
    expect(counted.taken).toBeGreaterThanOrEqual(10 * MEBIBYTE)
    expect(counted.taken).toBeLessThanOrEqual(11 * MEBIBYTE)
    release()
    expect((await answer).status).toBe(200)
    expect(counted.taken).toBeGreaterThan(bytes)
  })
})

describe('on a bucket over S3’s API', () => {
  const gateway = startGateway({ variables: bucketVariables(inject('bucketAccess')) })

  it('parts through the gateway make a file', async () => {
    const client = await gateway.client()
    const bytes = utf8(dataset(60))
    const { id } = await client.uploads.create({
      filename: 'train.jsonl',
      purpose: 'fine-tune',
      bytes: bytes.length,
      mime_type: 'text/jsonl',
    })
    const [head, tail] = [bytes.slice(0, 1001), bytes.slice(1001)]
    const last = await client.uploads.parts.create(id, { data: new File([tail], 'tail') })
    const first = await client.uploads.parts.create(id, { data: new File([head], 'head') })
    const md5 = createHash('md5').update(bytes).digest('hex')
    const { file } = await client.uploads.complete(id, { part_ids: [first.id, last.id], md5 })
    const content = await (await client.files.content(file?.id ?? '')).arrayBuffer()
    expect(new Uint8Array(content)).toEqual(bytes)
    await client.files.delete(file?.id ?? '')
    const { objects } = await gateway.platform.bucket.list('uploads/')
    expect(objects.filter(({ key }) => key.includes(id))).toEqual([])
  })

  it('with R2’s binding beside it, S3’s API only makes the URLs', async () => {
    const { BUCKET_MODE: _, ...variables } = bucketVariables(inject('bucketAccess'))
    const mixed = startGateway({ variables })
    const key = await mixed.key()
    const answer = await mixed.fetch('/v1/uploads', {
      method: 'POST',
      key,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        filename: 'x',
        purpose: 'batch',
        bytes: 5,
        mime_type: 'text/plain',
        direct: true,
      }),
    })
    const { id, tunegate } = (await answer.json()) as {
      id: string
      tunegate: { parts: { url: string; headers: Record<string, string> }[] }
    }
    const [part] = tunegate.parts
    expect(
      (await fetch(part?.url ?? '', { method: 'PUT', headers: part?.headers ?? {}, body: 'hello' })).status,
    ).toBe(200)
    // Here the two are different buckets, so that nothing has arrived.
    const { objects } = await mixed.platform.bucket.list('uploads/')
    expect(objects.filter(object => object.key.includes(id))).toEqual([])
    await mixed.fetch(`/v1/uploads/${id}/cancel`, { method: 'POST', key })
  })
})
