/** Cloud Storage, by its official client and by hand. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { refusal, useGoogle } from './support.ts'

const google = useGoogle()

const UNIT = 256 * 1024
const UPLOAD = '/storage/upload/storage/v1/b/sandbox-bucket/o'
const OBJECTS = '/storage/storage/v1/b/sandbox-bucket/o'

/** Bytes in which no two places look alike, with all values and a byte order mark in front. */
const bytes = (length: number): Buffer =>
  Buffer.concat([
    Buffer.from([0xef, 0xbb, 0xbf]),
    Buffer.from(Array.from({ length: length - 3 }, (_, index) => (index * 31 + (index >> 8)) % 256)),
  ])

const save = (name: string, content: string | Buffer = 'x') =>
  google.bucket.file(name).save(content, { resumable: false })

describe('an object', () => {
  it('goes in by one request and comes out as it was, with its checksums', async () => {
    const file = google.bucket.file('tenants/t1/train file ü%.jsonl')
    const content = bytes(5_000)
    await file.save(content, {
      resumable: false,
      contentType: 'application/jsonl',
      metadata: { metadata: { tenant: 't1' } },
      preconditionOpts: { ifGenerationMatch: 0 },
      validation: 'crc32c',
    })
    const [metadata] = await file.getMetadata()
    expect(metadata).toMatchObject({
      kind: 'storage#object',
      name: 'tenants/t1/train file ü%.jsonl',
      bucket: 'sandbox-bucket',
      contentType: 'application/jsonl',
      size: '5000',
      generation: expect.stringMatching(/^\d{16}$/),
      md5Hash: createHash('md5').update(content).digest('base64'),
      crc32c: expect.stringMatching(/^[A-Za-z0-9+/]{6}==$/),
      metadata: { tenant: 't1' },
    })
    const [downloaded] = await file.download({ validation: true })
    expect(downloaded.equals(content)).toBe(true)
  })

  it('has the known checksum of a known text', async () => {
    await save('check', '123456789')
    const [{ crc32c }] = await google.bucket.file('check').getMetadata()
    // The check value of CRC-32C in every catalogue is e3069283.
    expect(crc32c).toBe(Buffer.from('e3069283', 'hex').toString('base64'))
  })

  it('comes in parts where a range is asked for', async () => {
    const content = bytes(1_000)
    await save('ranged', content)
    const [part] = await google.bucket.file('ranged').download({ start: 100, end: 199, validation: false })
    expect(part.equals(content.subarray(100, 200))).toBe(true)
    const range = (value: string) =>
      google.call('GET', `${OBJECTS}/ranged?alt=media`, undefined, { range: value })
    const tail = await range('bytes=-10')
    expect(tail.status).toBe(206)
    expect(tail.headers.get('content-range')).toBe('bytes 990-999/1000')
    expect((await range('bytes=990-5000')).headers.get('content-range')).toBe('bytes 990-999/1000')
    expect(await range('bytes=1000-')).toMatchObject({ status: 416 })
  })

  it('is gone after its deletion', async () => {
    await save('mortal')
    await google.bucket.file('mortal').delete()
    expect(await refusal(google.bucket.file('mortal').getMetadata())).toMatch(/^404 No such object/)
    expect(await refusal(google.bucket.file('mortal').delete())).toMatch(/^404/)
    expect(await refusal(google.bucket.file('mortal').download())).toMatch(/^404/)
  })

  it('is written once where that is asked for', async () => {
    const once = (content: string) =>
      google.bucket
        .file('once')
        .save(content, { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } })
    await once('first')
    expect(await refusal(once('second'))).toMatch(/^412/)
    expect((await google.bucket.file('once').download())[0].toString()).toBe('first')
    await google.bucket.file('once').save('third', { resumable: false })
    const [{ generation }] = await google.bucket.file('once').getMetadata()
    await google.bucket.file('once').delete({ ifGenerationMatch: generation ?? '' })
  })

  it('goes in raw, too', async () => {
    const { json, status } = await google.call('POST', `${UPLOAD}?uploadType=media&name=raw`, bytes(300), {
      'content-type': 'application/json',
    })
    expect({ json, status }).toMatchObject({
      status: 200,
      json: { name: 'raw', contentType: 'application/json', size: '300' },
    })
    const [content] = await google.bucket.file('raw').download()
    expect(content.equals(bytes(300))).toBe(true)
  })
})

describe('a list', () => {
  const names = ['a/1', 'a/2', 'a/b/3', 'c/4', 'd']

  const list = async (query: string): Promise<Record<string, unknown>> =>
    (await google.call('GET', `${OBJECTS}?${query}`)).json as Record<string, unknown>
  const namesIn = (listing: Record<string, unknown>): string[] =>
    ((listing.items ?? []) as { name: string }[]).map(({ name }) => name)

  it('is in order of names and can be narrowed', async () => {
    for (const name of names.toReversed()) await save(name)
    const all = async (options: object): Promise<string[]> =>
      (await google.bucket.getFiles(options))[0].map(({ name }) => name)
    expect(await all({})).toEqual(names)
    expect(await all({ prefix: 'a/' })).toEqual(['a/1', 'a/2', 'a/b/3'])
    expect(namesIn(await list('prefix=zzz'))).toEqual([])
  })

  it('comes in pages', async () => {
    for (const name of names) await save(name)
    const first = await list('maxResults=2')
    expect(namesIn(first)).toEqual(['a/1', 'a/2'])
    const second = await list(`maxResults=2&pageToken=${String(first.nextPageToken)}`)
    expect(namesIn(second)).toEqual(['a/b/3', 'c/4'])
    const third = await list(`maxResults=2&pageToken=${String(second.nextPageToken)}`)
    expect(namesIn(third)).toEqual(['d'])
    expect(third).not.toHaveProperty('nextPageToken')
  })

  it('folds what lies behind the delimiter', async () => {
    for (const name of names) await save(name)
    expect(await list('delimiter=/')).toMatchObject({ prefixes: ['a/', 'c/'], items: [{ name: 'd' }] })
    expect(await list('delimiter=/&prefix=a/')).toMatchObject({
      prefixes: ['a/b/'],
      items: [{ name: 'a/1' }, { name: 'a/2' }],
    })
  })

  it.each(['maxResults=0', 'maxResults=x', 'pageToken=%21'])('is refused with %s', async query => {
    expect(await google.call('GET', `${OBJECTS}?${query}`)).toMatchObject({ status: 400 })
  })
})

describe('a resumable upload', () => {
  async function begin(query = 'name=big', headers: Record<string, string> = {}): Promise<string> {
    const path = `${UPLOAD}?uploadType=resumable&${query}`
    const started = await google.call('POST', path, undefined, headers)
    expect(started.status).toBe(200)
    return started.headers.get('location') ?? expect.fail('There is no session.')
  }

  /** Without a token: the session's address is enough. */
  const send = async (session: string, contentRange: string, body?: Buffer) => {
    const response = await fetch(session, {
      method: 'PUT',
      headers: { 'content-range': contentRange },
      ...(body && { body: new Uint8Array(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      range: response.headers.get('range'),
      json: text === '' ? undefined : JSON.parse(text),
    }
  }

  it('is done by the official client in chunks', async () => {
    const file = google.bucket.file('big.jsonl')
    const [uri] = await file.createResumableUpload({
      metadata: { contentType: 'application/jsonl', metadata: { tenant: 't1' } },
      preconditionOpts: { ifGenerationMatch: 0 },
    })
    const content = bytes(3 * UNIT + 1_000)
    await file.save(content, { resumable: true, uri, chunkSize: UNIT, validation: 'crc32c' })
    expect((await file.download())[0].equals(content)).toBe(true)
    expect((await file.getMetadata())[0]).toMatchObject({
      contentType: 'application/jsonl',
      metadata: { tenant: 't1' },
    })
    const puts = google.sandbox.requests().filter(({ method }) => method === 'PUT')
    expect(puts.map(({ headers }) => headers['content-range'])).toEqual([
      'bytes */*',
      `bytes 0-${UNIT - 1}/*`,
      `bytes ${UNIT}-${2 * UNIT - 1}/*`,
      `bytes ${2 * UNIT}-${3 * UNIT - 1}/*`,
      `bytes ${3 * UNIT}-${content.byteLength - 1}/${content.byteLength}`,
    ])
  })

  it('is done by the official client in one piece', async () => {
    const file = google.bucket.file('whole.jsonl')
    const [uri] = await file.createResumableUpload()
    await file.save(bytes(1_000), { resumable: true, uri })
    expect((await file.download())[0].equals(bytes(1_000))).toBe(true)
  })

  it('says how far it is, and can go on from there', async () => {
    const content = bytes(2 * UNIT + 7)
    const session = await begin()
    const total = content.byteLength
    expect(await send(session, `bytes */${total}`)).toEqual({ status: 308, range: null, json: undefined })
    const first = await send(session, `bytes 0-${UNIT - 1}/${total}`, content.subarray(0, UNIT))
    expect(first).toEqual({ status: 308, range: `bytes=0-${UNIT - 1}`, json: undefined })
    expect(await send(session, 'bytes */*')).toEqual(first)
    // Sent again, as after a lost answer, and then the rest.
    const again = await send(session, `bytes 0-${2 * UNIT - 1}/${total}`, content.subarray(0, 2 * UNIT))
    expect(again.range).toBe(`bytes=0-${2 * UNIT - 1}`)
    expect(await google.control('GET', '/google/state')).toMatchObject({ openUploads: 1, objects: [] })
    const last = await send(session, `bytes ${2 * UNIT}-${total - 1}/${total}`, content.subarray(2 * UNIT))
    expect(last).toMatchObject({ status: 200, json: { name: 'big', size: String(total) } })
    expect(await send(session, `bytes */${total}`)).toMatchObject({ status: 200, json: { name: 'big' } })
    expect((await google.bucket.file('big').download())[0].equals(content)).toBe(true)
    expect(await google.control('GET', '/google/state')).toMatchObject({ openUploads: 0 })
  })

  it('learns its size with the last chunk, or when all has come', async () => {
    const session = await begin('name=open')
    expect(await send(session, `bytes 0-${UNIT - 1}/*`, bytes(UNIT))).toMatchObject({ status: 308 })
    expect(await send(session, `bytes */${UNIT}`)).toMatchObject({
      status: 200,
      json: { size: String(UNIT) },
    })
  })

  it.each<[name: string, range: string, size: number]>([
    ['a chunk of an odd size', 'bytes 0-999/2000', 1_000],
    ['a chunk of an odd size, the end unknown', 'bytes 0-999/*', 1_000],
    ['a gap', `bytes ${UNIT}-${2 * UNIT - 1}/*`, UNIT],
    ['a wrong length', 'bytes 0-9/10', 5],
    ['more than announced', 'bytes 0-9/5', 10],
    ['a header of its own', 'bytes=0-9', 10],
  ])('refuses %s', async (_name, range, size) => {
    const answer = await send(await begin(), range, bytes(Math.max(3, size)).subarray(0, size))
    expect(answer).toMatchObject({
      status: 400,
      json: { error: { code: 400, errors: [{ reason: 'invalid' }] } },
    })
  })

  it('can be given up, and is then gone', async () => {
    const session = await begin()
    const cancelled = await fetch(session, { method: 'DELETE' })
    expect(cancelled.status).toBe(499)
    expect(await send(session, 'bytes 0-2/3', bytes(3))).toMatchObject({ status: 410 })
    expect(await google.control('GET', '/google/state')).toMatchObject({ openUploads: 0, objects: [] })
  })

  it('does not overwrite what came in between', async () => {
    const session = await begin('name=race&ifGenerationMatch=0')
    await save('race', 'winner')
    expect(await send(session, 'bytes 0-2/3', bytes(3))).toMatchObject({ status: 412 })
    const late = await google.call('POST', `${UPLOAD}?uploadType=resumable&name=race&ifGenerationMatch=0`)
    expect(late.status).toBe(412)
  })

  it('takes the type of the content from its header', async () => {
    const session = await begin('name=typed', { 'x-upload-content-type': 'application/jsonl' })
    expect(await send(session, 'bytes 0-2/3', bytes(3))).toMatchObject({
      json: { contentType: 'application/jsonl' },
    })
  })

  it('does not keep bytes that are not those announced', async () => {
    const response = await fetch(await begin('name=torn'), {
      method: 'PUT',
      headers: { 'x-goog-hash': 'md5=AAAAAAAAAAAAAAAAAAAAAA==' },
      body: 'abc',
    })
    expect(response.status).toBe(400)
    expect(await google.control('GET', '/google/state')).toMatchObject({ objects: [] })
  })
})

describe('a request is refused', () => {
  it.each<
    [name: string, method: string, path: string, body: string | undefined, type: string, status: number]
  >([
    ['for another bucket', 'GET', '/storage/storage/v1/b/other/o', undefined, '', 404],
    [
      'for an upload to another bucket',
      'POST',
      '/storage/upload/storage/v1/b/other/o?uploadType=media&name=x',
      '',
      '',
      404,
    ],
    ['without a kind of upload', 'POST', `${UPLOAD}?name=x`, 'x', 'text/plain', 400],
    ['without a name', 'POST', `${UPLOAD}?uploadType=media`, 'x', 'text/plain', 400],
    [
      'with a bad precondition',
      'POST',
      `${UPLOAD}?uploadType=media&name=x&ifGenerationMatch=new`,
      'x',
      'text/plain',
      400,
    ],
    [
      'for a multipart body without a boundary',
      'POST',
      `${UPLOAD}?uploadType=multipart&name=x`,
      'x',
      'multipart/related',
      400,
    ],
    [
      'for a multipart body that breaks off',
      'POST',
      `${UPLOAD}?uploadType=multipart&name=x`,
      '--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n\r\nabc',
      'multipart/related; boundary=b',
      400,
    ],
    [
      'for an unknown field',
      'POST',
      `${UPLOAD}?uploadType=resumable`,
      '{"name":"x","colour":"red"}',
      'application/json',
      400,
    ],
    ['for an address that is none', 'GET', '/storage/storage/v1/nothing', undefined, '', 404],
  ])('%s', async (_name, method, path, body, type, status) => {
    const answer = await google.call(method, path, body, type === '' ? {} : { 'content-type': type })
    expect(answer).toMatchObject({
      status,
      json: {
        error: { code: status, message: expect.any(String), errors: [{ reason: expect.any(String) }] },
      },
    })
  })
})
