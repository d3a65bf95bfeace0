/** Uploads in parts by the official client, against the real gateway and its bucket. */
import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import {
  isOnLambda,
  itIsJudged,
  type Owner,
  type RawOptions,
  refusal,
  until,
  useBench,
} from './support/bench.ts'
import { chatLines, fileOf, form, isOver, jobWhen, toJsonl } from './support/data.ts'

const bench = useBench()

const MEBIBYTE = 2 ** 20
const sum = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes).digest('hex')

type Params = OpenAI.UploadCreateParams
const create = (client: OpenAI, bytes: number, more: Partial<Params> = {}) =>
  client.uploads.create({
    filename: 'data.bin',
    purpose: 'batch',
    bytes,
    mime_type: 'application/octet-stream',
    ...more,
  })
const addPart = (client: OpenAI, id: string, bytes: Uint8Array<ArrayBuffer>) =>
  client.uploads.parts.create(id, { data: fileOf(bytes, 'part') })
/** The whole file in equal parts. */
const upload = async (
  client: OpenAI,
  bytes: Buffer<ArrayBuffer>,
  size: number,
  more: Partial<Params> = {},
) => {
  const { id } = await create(client, bytes.length, more)
  const part_ids: string[] = []
  for (let start = 0; start < bytes.length; start += size)
    part_ids.push((await addPart(client, id, bytes.subarray(start, start + size))).id)
  return client.uploads.complete(id, { part_ids })
}
interface Part {
  id: string
  bytes: number
  has_arrived: boolean
}
const partsOf = async (owner: Owner, id: string): Promise<Part[]> => {
  const { json } = await bench.raw(`/v1/uploads/${id}`, { key: owner.key })
  return (json as { tunegate: { parts: Part[] } }).tunegate.parts
}

describe('uploads', () => {
  it('make a file of their parts, though these come at once and in another order', async () => {
    const { client } = await bench.owner()
    const bytes = randomBytes(17 * MEBIBYTE)
    const size = (isOnLambda ? 4 : 6) * MEBIBYTE
    const starts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => index * size)
    const pieces = starts.map(start => bytes.subarray(start, start + size))
    const { id, ...rest } = await create(client, bytes.length, { filename: 'größe 漢.bin' })
    expect(rest).toEqual({
      object: 'upload',
      bytes: bytes.length,
      created_at: expect.any(Number),
      expires_at: rest.created_at + 3600,
      filename: 'größe 漢.bin',
      purpose: 'batch',
      status: 'pending',
    })
    const parts = await Promise.all(pieces.toReversed().map(piece => addPart(client, id, piece)))
    for (const part of parts)
      expect(part).toEqual({
        id: expect.stringMatching(/^part_/),
        object: 'upload.part',
        created_at: expect.any(Number),
        upload_id: id,
      })
    const before = bench.stored().objects
    const part_ids = parts.toReversed().map(part => part.id)
    const done = await client.uploads.complete(id, { part_ids, md5: sum('md5', bytes) })
    expect(done).toMatchObject({
      id,
      status: 'completed',
      file: {
        object: 'file',
        bytes: bytes.length,
        filename: 'größe 漢.bin',
        purpose: 'batch',
        status: 'processed',
      },
    })
    expect(bench.stored()).toMatchObject({ objects: before, openUploads: 0 })
    const fileId = done.file?.id ?? ''
    expect(await client.files.retrieve(fileId)).toEqual(done.file)
    const answer = await client.files.content(fileId)
    // Lambda sends what it streams in chunks, and tells no length.
    expect(answer.headers.get('content-length')).toBe(isOnLambda ? null : String(bytes.length))
    expect(sum('sha256', new Uint8Array(await answer.arrayBuffer()))).toBe(sum('sha256', bytes))
    await client.files.delete(fileId)
    expect(bench.stored().objects).toBe(before - pieces.length)
  })

  it('of a dataset are trained on', async () => {
    const { client } = await bench.owner()
    const bytes = Buffer.from(toJsonl(chatLines(40)))
    const { file } = await upload(client, bytes, 1001, { purpose: 'fine-tune', mime_type: 'text/jsonl' })
    const { id } = await client.fineTuning.jobs.create({
      model: 'gpt-4.1-mini',
      training_file: file?.id ?? '',
    })
    expect((await jobWhen(client, id, isOver)).status).toBe('succeeded')
  })

  it('take expires_after, which the file keeps', async () => {
    const { client } = await bench.owner()
    const expires_after = { anchor: 'created_at', seconds: 7200 } as const
    const { file } = await upload(client, Buffer.from('x'), 1, { expires_after })
    expect(file?.expires_at).toBe((file?.created_at ?? 0) + 7200)
  })

  it('that are cancelled leave nothing, and take nothing more', async () => {
    const { client } = await bench.owner()
    await client.files.list()
    const before = bench.stored().objects
    const { id } = await create(client, 2)
    const part = await addPart(client, id, Buffer.from('x'))
    expect(bench.stored().objects).toBe(before + 1)
    const cancelled = await client.uploads.cancel(id)
    expect(cancelled).toMatchObject({ id, object: 'upload', status: 'cancelled' })
    expect(bench.stored().objects).toBe(before)
    expect(await client.uploads.cancel(id)).toEqual(cancelled)
    expect(await refusal(addPart(client, id, Buffer.from('x')))).toMatchObject({ code: 'invalid_state' })
    expect(await refusal(client.uploads.complete(id, { part_ids: [part.id] }))).toMatchObject({
      status: 400,
      code: 'invalid_state',
    })
    expect(bench.stored().objects).toBe(before)
  })

  it('are completed once, however often', async () => {
    const { client } = await bench.owner()
    const { id } = await create(client, 3)
    const { id: part } = await addPart(client, id, Buffer.from('abc'))
    const all = await Promise.all(
      Array.from({ length: 4 }, () =>
        client.uploads.complete(id, { part_ids: [part], md5: sum('md5', Buffer.from('abc')) }),
      ),
    )
    expect(new Set(all.map(({ file }) => file?.id)).size).toBe(1)
    expect((await client.files.list()).data).toHaveLength(1)
  })

  it('tell what has arrived, to go on from there', async () => {
    const owner = await bench.owner()
    const { id } = await create(owner.client, 9)
    const sent = [
      await addPart(owner.client, id, Buffer.from('one')),
      await addPart(owner.client, id, Buffer.from('three')),
    ]
    expect(await partsOf(owner, id)).toEqual([
      { id: sent[0]?.id, bytes: 3, has_arrived: true },
      { id: sent[1]?.id, bytes: 5, has_arrived: true },
    ])
  })

  it('are looked after by the schedule', async () => {
    const owner = await bench.owner()
    const { id } = await create(owner.client, 9)
    await bench.stack.tick()
    expect(await partsOf(owner, id)).toEqual([])
    expect(bench.stack.output()).not.toContain('schedule uploads')
  })
})

describe('a part', () => {
  const LIMIT = 64 * MEBIBYTE

  it.skipIf(isOnLambda)('has up to 64 MiB', async () => {
    const owner = await bench.owner()
    const { id } = await create(owner.client, LIMIT)
    const bytes = Buffer.alloc(LIMIT, 'tunegate ')
    await addPart(owner.client, id, bytes)
    expect((await partsOf(owner, id)).map(part => part.bytes)).toEqual([LIMIT])
  })

  it.skipIf(isOnLambda).each([1, 1_000_000])(
    'of %d bytes more is a 413 that names the limit and the ways round it',
    async more => {
      const owner = await bench.owner()
      const { id } = await create(owner.client, LIMIT)
      const { objects } = bench.stored()
      const { body, headers } = form([{ name: 'data', value: Buffer.alloc(LIMIT + more), filename: 'x' }])
      const answer = await bench.raw(`/v1/uploads/${id}/parts`, { key: owner.key, body, headers })
      expect(answer).toMatchObject({ status: 413, error: { code: 'body_too_large', param: 'data' } })
      for (const word of [String(LIMIT), 'smaller', '"direct": true'])
        expect(answer.error.message).toContain(word)
      expect(bench.stored()).toMatchObject({ objects, openUploads: 0 })
      expect(await partsOf(owner, id)).toEqual([])
    },
  )

  /** Sends three quarters of a part and waits until some of it is in the bucket. */
  const begun = async ({ key }: Owner, id: string) => {
    const { body, headers } = form([{ name: 'data', value: Buffer.alloc(24 * MEBIBYTE), filename: 'x' }])
    const before = bench.stored()
    const request = httpRequest(`${bench.stack.url}/v1/uploads/${id}/parts`, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${key}`, 'content-length': body.byteLength },
    })
    const broken = new Promise(resolve => request.once('error', resolve))
    request.write(body.subarray(0, Math.floor(body.byteLength * 0.75)))
    await until(bench.stored, ({ openUploads }) => openUploads > before.openUploads, 50)
    return { request, broken, before }
  }

  it.skipIf(isOnLambda)('whose client leaves is gone', async () => {
    const owner = await bench.owner()
    const { id } = await create(owner.client, 24 * MEBIBYTE)
    const { request, broken, before } = await begun(owner, id)
    request.destroy(new Error('left'))
    await broken
    await until(bench.stored, ({ openUploads }) => openUploads === before.openUploads, 50)
    expect(await partsOf(owner, id)).toEqual([])
    expect(bench.stored().objects).toBe(before.objects)
  })

  it.skipIf(isOnLambda)(
    'that a crash breaks off is gone; the upload goes on with those before it',
    async () => {
      const owner = await bench.owner()
      const { id } = await create(owner.client, 9)
      const first = await addPart(owner.client, id, Buffer.from('before '))
      const { broken } = await begun(owner, id)
      await bench.stack.killGateway()
      await broken
      await bench.stack.startGateway()
      expect((await partsOf(owner, id)).map(part => part.id)).toEqual([first.id])
      const last = await addPart(owner.client, id, Buffer.from('it'))
      const { file } = await owner.client.uploads.complete(id, { part_ids: [first.id, last.id] })
      expect(await (await owner.client.files.content(file?.id ?? '')).text()).toBe('before it')
    },
  )
})

describe('POST /v1/uploads refuses', () => {
  const good = { filename: 'a.jsonl', purpose: 'batch', bytes: 10, mime_type: 'text/jsonl' }
  const rows: [what: string, body: object, code: string, param: string, message: RegExp][] = [
    ['no file name', { ...good, filename: undefined }, 'missing_required_parameter', 'filename', /filename/],
    ['no bytes', { ...good, bytes: undefined }, 'missing_required_parameter', 'bytes', /bytes/],
    [
      'no MIME type',
      { ...good, mime_type: undefined },
      'missing_required_parameter',
      'mime_type',
      /mime_type/,
    ],
    [
      'a wrong purpose',
      { ...good, purpose: 'vision' },
      'invalid_value',
      'purpose',
      /'assistants', 'batch', 'fine-tune'/,
    ],
    ['a file of no bytes', { ...good, bytes: 0 }, 'invalid_value', 'bytes', /bytes/],
    ['a file beyond the limit', { ...good, bytes: 8 * 2 ** 30 + 1 }, 'invalid_value', 'bytes', /8589934592/],
    [
      'half an expiry',
      { ...good, expires_after: { seconds: 3600 } },
      'missing_required_parameter',
      'expires_after.anchor',
      /anchor/,
    ],
    [
      'an expiry out of range',
      { ...good, expires_after: { anchor: 'created_at', seconds: 1 } },
      'invalid_value',
      'expires_after.seconds',
      /3600/,
    ],
    ['an unknown field', { ...good, colour: 'red' }, 'unknown_parameter', 'colour', /colour/],
    ['a part size without direct', { ...good, part_size: 5 }, 'invalid_value', 'part_size', /direct/],
  ]
  // S3 always gives them.
  if (!isOnLambda)
    rows.push([
      'direct, where the bucket gives no URLs',
      { ...good, direct: true },
      'feature_unsupported',
      'direct',
      /BUCKET_S3_URL/,
    ])
  it.each(rows)('%s', async (_what, body, code, param, message) => {
    await bench.raw('/v1/models')
    const before = bench.stored()
    const answer = await bench.raw('/v1/uploads', { body })
    expect(answer).toMatchObject({ status: 400, error: { code, param } })
    expect(answer.error.message).toMatch(message)
    expect(bench.stored()).toEqual(before)
  })

  it('JSON beyond the limit', async () => {
    const answer = await bench.raw('/v1/uploads', { body: { ...good, filename: 'x'.repeat(32 * MEBIBYTE) } })
    expect(answer).toMatchObject({ status: 413, error: { code: 'body_too_large' } })
  })
})

describe('completing an upload is refused for', () => {
  const rows: [what: string, body: (part: string) => object, code: string, param: string][] = [
    ['no parts', () => ({}), 'missing_required_parameter', 'part_ids'],
    ['an empty list of parts', () => ({ part_ids: [] }), 'invalid_value', 'part_ids'],
    ['a part that never was', part => ({ part_ids: [part, 'part_none'] }), 'invalid_value', 'part_ids[1]'],
    ['a part named twice', part => ({ part_ids: [part, part] }), 'invalid_value', 'part_ids[1]'],
    ['an MD5 that is none', part => ({ part_ids: [part], md5: 'abc' }), 'invalid_value', 'md5'],
    ['another MD5', part => ({ part_ids: [part], md5: '0'.repeat(32) }), 'invalid_value', 'md5'],
    ['an unknown field', part => ({ part_ids: [part], colour: 'red' }), 'unknown_parameter', 'colour'],
  ]
  it.each(rows)('%s, and the upload stays as it was', async (_what, body, code, param) => {
    const owner = await bench.owner()
    const { id } = await create(owner.client, 3)
    const part = await addPart(owner.client, id, Buffer.from('abc'))
    const before = bench.stored()
    const answer = await bench.raw(`/v1/uploads/${id}/complete`, { key: owner.key, body: body(part.id) })
    expect(answer).toMatchObject({ status: 400, error: { code, param } })
    expect(bench.stored()).toEqual(before)
    expect((await owner.client.uploads.complete(id, { part_ids: [part.id] })).status).toBe('completed')
  })

  it.each([
    ['other bytes than announced', 4, 'abc', 'invalid_value', 'part_ids'],
    ['a dataset with a bad line', 4, 'nono', 'invalid_dataset', 'file'],
  ])('%s', async (_what, bytes, content, code, param) => {
    const { client } = await bench.owner()
    const { id } = await create(client, bytes, { purpose: 'fine-tune' })
    const part = await addPart(client, id, Buffer.from(content))
    const error = await refusal(client.uploads.complete(id, { part_ids: [part.id] }))
    expect(error).toMatchObject({ status: 400, code, param })
    expect(error.message).not.toContain(content)
    expect((await client.files.list()).data).toEqual([])
  })
})

describe('an upload that never was', () => {
  const { body, headers } = form([{ name: 'data', value: 'x', filename: 'x' }])
  const routes: [string, RawOptions][] = [
    ['', {}],
    ['/parts', { body, headers }],
    ['/complete', { body: { part_ids: ['part_1'] } }],
    ['/cancel', { method: 'POST' }],
  ]
  it.each(routes)('is unknown to /v1/uploads/{id}%s', async (path, options) => {
    expect(await bench.raw(`/v1/uploads/upload_none${path}`, options)).toMatchObject({
      status: 404,
      error: { code: 'upload_not_found', param: 'upload_id' },
    })
  })
})

itIsJudged(bench)
