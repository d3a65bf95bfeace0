/** Whoever is slow, nobody reads far ahead: what has been taken at one end and not given at the other has a bound, in counted bytes. */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createR2Bucket } from '../../shared/platform/cloudflare/bucket.ts'
import type { Bucket } from '../../shared/platform/index.ts'
import { type Gateway, type GatewayOptions, SANDBOX, sandbox, startGateway } from '../support/gateway.ts'
import { bindings } from '../support/ground-cloudflare.ts'
import { PROVIDERS, providerVariables } from '../support/providers.ts'

const MEBIBYTE = 1024 * 1024
const utf8 = (text: string) => new TextEncoder().encode(text)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const line = (n: number) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: `${n} ${'lorem ipsum '.repeat(170)}` },
      { role: 'assistant', content: `answer ${n}` },
    ],
  })
/** Lines of about 2 KB, each another. */
const LINES = Array.from({ length: 8000 }, (_, n) => line(n))
const DATASET = utf8(LINES.join('\n'))

/** Lets bytes through up to a bound, and what comes after when it is let go. */
const gate = (most: number) => {
  const stalled = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  return {
    stalled: stalled.promise,
    release: released.resolve,
    taken: 0,
    async pass(bytes: number) {
      this.taken += bytes
      if (this.taken < most) return
      stalled.resolve()
      await released.promise
    },
  }
}
type Gate = ReturnType<typeof gate>

/** A body that counts what is taken of it. */
const counted = (body: ReadableStream<Uint8Array>, count: (bytes: number) => void) => {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await reader.read()
        if (done) return controller.close()
        count(value.length)
        controller.enqueue(value)
      },
      cancel: reason => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/** A bucket whose reads are counted, of the object that was opened last. */
const countingBucket = () => {
  const r2 = createR2Bucket(bindings.BUCKET)
  const reads = { bytes: 0, objects: 0 }
  const bucket: Bucket = {
    ...r2,
    async get(key, from) {
      const object = await r2.get(key, from)
      if (!object) return undefined
      reads.objects++
      reads.bytes = 0
      return { ...object, body: counted(object.body, bytes => (reads.bytes += bytes)) }
    },
  }
  return { bucket, reads }
}

/** As long as anything still moves. @returns the count when nothing does */
const atRest = async (count: () => number): Promise<number> => {
  for (let before = -1; before !== count(); ) {
    before = count()
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return count()
}

const uploadTo = async (gateway: Gateway, bytes = DATASET) => {
  const client = await gateway.client()
  const { id } = await client.files.create({ file: new File([bytes], 'large.jsonl'), purpose: 'fine-tune' })
  return { client, id }
}

beforeEach(() => sandbox.reset())
afterEach(async () => {
  for (const { key } of (await bindings.BUCKET.list()).objects) await bindings.BUCKET.delete(key)
})

describe('a provider that is slow to take a copy', () => {
  /** Bytes of the source for a byte of the copy. */
  const COPYING = { stepSeconds: 600, leaseSeconds: 600, waitSeconds: 600, partBytes: MEBIBYTE }

  /** The gateway before a provider that takes the bytes of some request as the gate lets it. */
  const start = async (stepBytes: number, held: RegExp, options: GatewayOptions = {}) => {
    const { bucket, reads } = countingBucket()
    let door: Gate | undefined
    const gateway = startGateway({
      ...options,
      config: { copying: { ...COPYING, stepBytes } },
      variables: await providerVariables(SANDBOX),
      platform: {
        bucket,
        async fetch(input, init) {
          const request = new Request(input, init)
          const { body, method, url, headers } = request
          if (!door || !body || !held.test(`${method} ${url}`)) return fetch(request)
          const pieces: Uint8Array[] = []
          for await (const piece of body) {
            pieces.push(piece)
            await door.pass(piece.length)
          }
          return fetch(url, { method, headers, body: await new Blob(pieces).arrayBuffer() })
        },
      },
    })
    return { gateway, reads, hold: (most: number) => (door = gate(most)) }
  }

  it.each([
    // Streamed.
    { provider: 'openai_compatible', held: /^POST .*\/v1\/files$/, held_bytes: 0 },
    // A chunk after the other, each of which is held in memory.
    { provider: 'vertex_ai', held: /^PUT .*\/upload\/storage\//, held_bytes: 8 * MEBIBYTE },
  ])('in one go, to $provider, is not read ahead for', async ({ provider, held, held_bytes }) => {
    const { gateway, reads, hold } = await start(1024 * MEBIBYTE, held)
    const { client, id } = await uploadTo(gateway)
    const door = hold(2 * MEBIBYTE)
    const { model } = PROVIDERS.find(each => each.provider === provider) ?? PROVIDERS[0]
    const job = client.fineTuning.jobs.create({ model, training_file: id, ...{ provider } })
    await door.stalled
    const read = await atRest(() => reads.bytes)
    expect(read).toBeLessThan(Math.max(door.taken, held_bytes) + MEBIBYTE)
    door.release()
    await job
    expect(reads.bytes).toBe(DATASET.length)
  })

  it.each([
    { provider: 'openai', held: /^POST .*\/parts$/, part: MEBIBYTE },
    { provider: 'vertex_ai', held: /^PUT .*\/upload\/storage\//, part: MEBIBYTE },
    { provider: 'bedrock', held: /^PUT .*partNumber=/, part: 5 * MEBIBYTE },
  ])('in parts, to $provider, is not read ahead for', async ({ provider, held, part }) => {
    const { gateway, reads, hold } = await start(2 * MEBIBYTE, held)
    const { client, id } = await uploadTo(gateway)
    // In the middle of the first part.
    const door = hold(part / 2)
    const { model } = PROVIDERS.find(each => each.provider === provider) ?? PROVIDERS[0]
    const job = client.fineTuning.jobs.create({ model, training_file: id, ...{ provider } })
    await door.stalled
    const read = await atRest(() => reads.bytes)
    expect(read).toBeGreaterThan(0.9 * part)
    expect(read).toBeLessThan(part + MEBIBYTE)
    door.release()
    await job
    expect(door.taken).toBeGreaterThan(0.9 * DATASET.length)
  })
})

describe('a client that is slow to read', () => {
  const readSome = async (reader: ReadableStreamDefaultReader<Uint8Array>, most: number) => {
    const pieces: Uint8Array[] = []
    let taken = 0
    while (taken < most) {
      const { value, done } = await reader.read()
      if (done) break
      pieces.push(value)
      taken += value.length
    }
    return { pieces, taken }
  }
  const all = async (reader: ReadableStreamDefaultReader<Uint8Array>, pieces: Uint8Array[]) => {
    const rest = await readSome(reader, Number.POSITIVE_INFINITY)
    return new Uint8Array(
      await new Blob([...pieces, ...rest.pieces] as Uint8Array<ArrayBuffer>[]).arrayBuffer(),
    )
  }

  it('of a file that is one object is not read ahead for', async () => {
    const { bucket, reads } = countingBucket()
    const gateway = startGateway({ platform: { bucket } })
    const key = await gateway.key()
    const client = await gateway.client(key)
    const { id } = await client.files.create({ file: new File([DATASET], 'x.jsonl'), purpose: 'fine-tune' })
    const { body } = await gateway.fetch(`/v1/files/${id}/content`, { key })
    if (!body) throw new Error('There is no body.')
    const reader = body.getReader()
    const { pieces, taken } = await readSome(reader, MEBIBYTE)
    const read = await atRest(() => reads.bytes)
    expect(read).toBeGreaterThanOrEqual(taken)
    expect(read).toBeLessThan(taken + MEBIBYTE)
    expect(sha256(await all(reader, pieces))).toBe(sha256(DATASET))
  })

  it('of a file that is many objects is not read ahead for, nor is the next opened', async () => {
    const { bucket, reads } = countingBucket()
    const gateway = startGateway({ platform: { bucket } })
    const key = await gateway.key()
    const client = await gateway.client(key)
    const upload = await client.uploads.create({
      ...{ filename: 'x', purpose: 'batch', bytes: DATASET.length, mime_type: 'text/plain' },
    })
    const part_ids: string[] = []
    for (let start = 0; start < DATASET.length; start += 2 * MEBIBYTE) {
      const data = new File([DATASET.slice(start, start + 2 * MEBIBYTE)], 'part')
      part_ids.push((await client.uploads.parts.create(upload.id, { data })).id)
    }
    const { file } = await client.uploads.complete(upload.id, { part_ids })
    const { body } = await gateway.fetch(`/v1/files/${file?.id}/content`, { key })
    if (!body) throw new Error('There is no body.')
    const reader = body.getReader()
    const { pieces, taken } = await readSome(reader, MEBIBYTE)
    expect(await atRest(() => reads.bytes)).toBeLessThan(taken + MEBIBYTE)
    expect(reads.objects).toBe(1)
    expect(sha256(await all(reader, pieces))).toBe(sha256(DATASET))
    expect(reads.objects).toBe(part_ids.length)
  })
})

describe('an upload', () => {
  const BOUNDARY = 'back-pressure'
  const HEAD = utf8(
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n` +
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x.jsonl"\r\n\r\n`,
  )
  const TAIL = utf8(`\r\n--${BOUNDARY}--\r\n`)
  /** Bytes of one part of a multipart write to the bucket. */
  const PART = 5 * MEBIBYTE

  /** A form's bytes, sent as the gate lets them. */
  const sent = (door: Gate) => {
    // What is enqueued is given away.
    const pieces = (function* () {
      yield HEAD.slice()
      for (let start = 0; start < DATASET.length; start += 65_536) yield DATASET.slice(start, start + 65_536)
      yield TAIL.slice()
    })()
    return new ReadableStream({
      type: 'bytes',
      async pull(controller) {
        const { value, done } = pieces.next()
        if (done) {
          controller.close()
          controller.byobRequest?.respond(0)
          return
        }
        await door.pass(value.length)
        controller.enqueue(value)
      },
    })
  }
  /** R2, whose parts go through a gate as well. */
  const gatedBucket = (door: Gate): Bucket => {
    const r2 = createR2Bucket(bindings.BUCKET)
    return {
      ...r2,
      async startMultipart(key) {
        const upload = await r2.startMultipart(key)
        return {
          ...upload,
          async part(number, bytes) {
            await door.pass(bytes.length)
            await upload.part(number, bytes)
          },
        }
      },
    }
  }
  const post = async (gateway: Gateway, body: ReadableStream<Uint8Array>) => {
    const key = await gateway.key()
    return gateway.fetch('/v1/files', {
      method: 'POST',
      key,
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body,
      duplex: 'half',
    } as RequestInit)
  }

  it('that comes slowly is passed on as it comes, but for one part of the bucket’s', async () => {
    const [client, bucket] = [gate(8 * MEBIBYTE), gate(Number.POSITIVE_INFINITY)]
    const answer = post(startGateway({ platform: { bucket: gatedBucket(bucket) } }), sent(client))
    await client.stalled
    const written = await atRest(() => bucket.taken)
    expect(client.taken - written).toBeLessThan(PART + MEBIBYTE)
    client.release()
    expect((await answer).status).toBe(200)
  })

  it('is not read ahead for a bucket that is slow to take it, validated as it passes', async () => {
    // One is on its way while the next is filled.
    const held = 2 * PART
    const [client, bucket] = [gate(Number.POSITIVE_INFINITY), gate(1)]
    const answer = post(startGateway({ platform: { bucket: gatedBucket(bucket) } }), sent(client))
    await bucket.stalled
    expect(await atRest(() => client.taken)).toBeLessThan(held + MEBIBYTE)
    bucket.release()
    expect((await answer).status).toBe(200)
    expect(client.taken).toBe(HEAD.length + DATASET.length + TAIL.length)
  })
})
