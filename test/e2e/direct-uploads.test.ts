/** Parts straight to the bucket: from a page in a real browser, and from clients that are none. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PutBucketCorsCommand, S3Client } from '@aws-sdk/client-s3'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSandbox } from '../../sandbox/server.ts'
import type { UploadObject, UploadPartState } from '../../shared/openai/index.ts'
import { bucketVariables } from '../support/s3-bucket.ts'
import { isOnLambda, itIsJudged, type Owner, until, useBench } from './support/bench.ts'
import { startBrowser } from './support/browser.ts'
import { chatLines, toJsonl, uploaded } from './support/data.ts'

/** The deployment's bucket: S3 that checks signatures, at an origin of its own. */
const s3 = await startSandbox()
afterAll(() => s3.close())
const bench = useBench({ vars: bucketVariables(s3.aws) })

const MEBIBYTE = 2 ** 20
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const post = async ({ key }: Owner, path: string, body: object = {}) => {
  const { json } = await bench.raw(path, { key, body })
  return json as UploadObject
}
const create = (owner: Owner, bytes: number, more: object = {}) =>
  post(owner, '/v1/uploads', {
    filename: 'direct.bin',
    purpose: 'batch',
    bytes,
    mime_type: 'application/octet-stream',
    direct: true,
    ...more,
  })
const get = async ({ key }: Owner, id: string) =>
  (await bench.raw(`/v1/uploads/${id}`, { key })).json as UploadObject
const partsOf = ({ tunegate }: UploadObject): UploadPartState[] => tunegate?.parts ?? []
const content = async ({ client }: Owner, { file }: UploadObject) =>
  new Uint8Array(await (await client.files.content(file?.id ?? '')).arrayBuffer())

/** The rules that docs/uploads.md tells to set. */
const allow = (origin: string) =>
  new S3Client({
    region: s3.aws.region,
    credentials: s3.aws,
    endpoint: s3.aws.s3Url,
    forcePathStyle: true,
  }).send(
    new PutBucketCorsCommand({
      Bucket: s3.aws.bucket,
      CORSConfiguration: {
        CORSRules: [
          {
            AllowedOrigins: [origin],
            AllowedMethods: ['PUT'],
            AllowedHeaders: ['content-type', 'if-none-match'],
            MaxAgeSeconds: 3600,
          },
        ],
      },
    }),
  )

describe('a page in a browser', () => {
  /** What the page does, as a user's own code would: a file, its slices, one PUT each. */
  const PAGE = `<!doctype html><title>upload</title><script type="module">
    const hex = buffer => Array.from(new Uint8Array(buffer), byte => byte.toString(16).padStart(2, '0')).join('')
    const file = bytes => {
      const content = new Uint8Array(bytes)
      for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(content.subarray(at, at + 65536))
      return new File([content], 'from-the-page.jsonl', { type: 'application/jsonl' })
    }
    window.choose = async bytes => {
      window.chosen = file(bytes)
      return hex(await crypto.subtle.digest('SHA-256', await window.chosen.arrayBuffer()))
    }
    window.send = parts => {
      let start = 0
      return Promise.all(parts.map(async ({ url, method, headers, bytes }) => {
        const body = window.chosen.slice(start, start += bytes, window.chosen.type)
        try {
          return (await fetch(url, { method, headers, body })).status
        } catch (error) {
          return String(error)
        }
      }))
    }
  </script>`
  let browser: Browser
  let server: Server
  let origin: string

  beforeAll(async () => {
    server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(PAGE))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    browser = await startBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    server.close()
  })
  const openPage = async () => {
    const page = await browser.newPage()
    await page.goto(origin)
    await page.waitForFunction('window.send')
    return {
      choose: (bytes: number) => page.evaluate<string>(`window.choose(${bytes})`),
      send: (parts: UploadPartState[]) =>
        page.evaluate<(number | string)[]>(`window.send(${JSON.stringify(parts)})`),
    }
  }

  it('of an origin that the bucket does not know gets nothing there', async () => {
    const owner = await bench.owner()
    const page = await openPage()
    await page.choose(10)
    const upload = await create(owner, 10)
    expect(await page.send(partsOf(upload))).toEqual(['TypeError: Failed to fetch'])
    await allow('https://elsewhere.example.com')
    expect(await page.send(partsOf(upload))).toEqual(['TypeError: Failed to fetch'])
    expect(partsOf(await get(owner, upload.id))).toMatchObject([{ has_arrived: false }])
  })

  it('sends a file in parts to the bucket, and the gateway makes the same file of it', async () => {
    await allow(origin)
    const owner = await bench.owner()
    const page = await openPage()
    const bytes = 20 * MEBIBYTE + 123
    const expected = await page.choose(bytes)
    const upload = await create(owner, bytes, { part_size: 6 * MEBIBYTE })
    const parts = partsOf(upload)
    expect(parts.map(part => part.bytes)).toEqual(
      [6, 6, 6, 2].map((size, n) => size * MEBIBYTE + (n === 3 ? 123 : 0)),
    )
    expect(parts.every(({ url }) => new URL(url ?? '').origin === new URL(s3.aws.s3Url).origin)).toBe(true)
    expect(await page.send(parts)).toEqual([200, 200, 200, 200])
    const done = await post(owner, `/v1/uploads/${upload.id}/complete`)
    expect(done).toMatchObject({ status: 'completed', file: { bytes } })
    expect(sha256(await content(owner, done))).toBe(expected)
    // A browser asks before each PUT, or remembers the answer: none went without.
    const asked = s3
      .requests()
      .filter(({ method, headers }) => method === 'OPTIONS' && headers.origin === origin)
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.map(({ headers }) => headers['access-control-request-headers'])).toContain(
      'content-type,if-none-match',
    )
    // No byte of it has passed through the gateway on its way in.
    const sent = s3.requests().filter(({ method, path }) => method === 'PUT' && path.includes(upload.id))
    expect(sent.map(({ headers }) => headers.origin)).toEqual(parts.map(() => origin))
  })
})

describe('parts straight to the bucket', () => {
  const put = async ({ url = '', method, headers }: UploadPartState, body: Uint8Array<ArrayBuffer>) =>
    (await fetch(url, { method: method ?? '', headers: headers ?? {}, body })).status

  it('are told apart by whether they have arrived, and the missing ones go on with fresh URLs', async () => {
    const owner = await bench.owner()
    const bytes = Buffer.from(toJsonl(chatLines(30)))
    const part_size = Math.ceil(bytes.length / 3)
    const { id, ...upload } = await create(owner, bytes.length, { purpose: 'fine-tune', part_size })
    const slice = ({ number = 1, bytes: size }: UploadPartState) =>
      bytes.subarray((number - 1) * part_size, (number - 1) * part_size + size)
    const [first, second] = partsOf({ id, ...upload })
    if (!first || !second) return expect.fail('There are no parts.')
    expect(await put(second, slice(second))).toBe(200)

    const again = partsOf(await get(owner, id))
    expect(again.map(part => part.has_arrived)).toEqual([false, true, false])
    const early = await bench.raw(`/v1/uploads/${id}/complete`, { key: owner.key, body: {} })
    expect(early).toMatchObject({ status: 400, error: { param: 'part_ids' } })
    for (const part of again) if (!part.has_arrived) expect(await put(part, slice(part))).toBe(200)

    const md5 = createHash('md5').update(bytes).digest('hex')
    const done = await post(owner, `/v1/uploads/${id}/complete`, { md5 })
    expect(Buffer.from(await content(owner, done)).equals(bytes)).toBe(true)
    // What is part of a file cannot be replaced by who still holds the URL.
    expect(await put(first, Buffer.alloc(first.bytes))).toBe(412)
    expect(Buffer.from(await content(owner, done)).equals(bytes)).toBe(true)
    const job = await owner.client.fineTuning.jobs.create({
      model: 'gpt-4.1-mini',
      training_file: done.file?.id ?? '',
    })
    await until(
      () => owner.client.fineTuning.jobs.retrieve(job.id),
      ({ status }) => status === 'succeeded',
    )
    await owner.client.files.delete(done.file?.id ?? '')
  })

  it('take no other size than was announced', async () => {
    const owner = await bench.owner()
    const upload = await create(owner, 10, { part_size: 5 })
    const [first] = partsOf(upload)
    if (!first) return expect.fail('There are no parts.')
    expect(await put(first, Buffer.alloc(6))).toBe(403)
    expect(partsOf(await get(owner, upload.id))[0]).toMatchObject({ has_arrived: false })
  })

  it('are gone when the upload is cancelled', async () => {
    const owner = await bench.owner()
    const upload = await create(owner, 10)
    const [only] = partsOf(upload)
    if (!only) return expect.fail('There are no parts.')
    expect(await put(only, Buffer.alloc(10))).toBe(200)
    const path = new URL(only.url ?? '').pathname
    await post(owner, `/v1/uploads/${upload.id}/cancel`)
    const removed = s3.requests().filter(request => request.method === 'DELETE' && request.path === path)
    expect(removed).toHaveLength(1)
  })
})

describe('a deployment whose bucket is reached over S3’s API', () => {
  // On Lambda it always is, and no request brings 11 MiB.
  it.skipIf(isOnLambda)('keeps files there, small and large', async () => {
    const { client } = await bench.owner()
    const small = await uploaded(client)
    const bytes = Buffer.alloc(11 * MEBIBYTE, 'tunegate ')
    const large = await client.files.create({ file: new File([bytes], 'large.bin'), purpose: 'batch' })
    const read = async (id: string) => new Uint8Array(await (await client.files.content(id)).arrayBuffer())
    expect(sha256(await read(large.id))).toBe(sha256(bytes))
    expect((await read(small.id)).length).toBe(small.bytes)
    expect(bench.stored().objects).toBe(0)
    await client.files.delete(large.id)
  })
})

itIsJudged(bench)
