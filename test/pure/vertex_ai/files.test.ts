import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProviderFault, type ProviderRequest } from '../../../shared/providers/provider.ts'
import { files } from '../../../shared/providers/vertex_ai/files.ts'
import { parseGcsUri } from '../../../shared/providers/vertex_ai/gcs-uri.ts'
import { CHUNK_BYTES, chunksOf, progressOf } from '../../../shared/providers/vertex_ai/upload.ts'
import { cutAt, cuts, joined, streamOf } from '../support/bytes.ts'
import { channelOf, type Reply, SETTINGS, wire } from './support/channel.ts'

const SESSION = 'https://storage.googleapis.com/upload/storage/v1/b/bucket/o?upload_id=s1'
const line = ({ method, url }: ProviderRequest) => `${method} ${url.pathname}${url.search}`

describe('recordings', () => {
  const OBJECT = {
    name: 'tenants/t1/train file.jsonl',
    bucket: 'bucket',
    size: '8',
    timeCreated: '2026-11-20T00:00:00Z',
  }
  const ID = 'gs://bucket/tenants/t1/train file.jsonl'
  it('get, delete, content', async () => {
    const { channel, requests } = channelOf(() => ({ body: OBJECT }))
    expect(await files.get(channel, ID)).toEqual({
      filename: 'train file.jsonl',
      bytes: 8,
      createdAt: 1795132800,
    })
    await files.delete(channel, ID)
    await files.content(channel, ID)
    const path = '/storage/v1/b/bucket/o/tenants%2Ft1%2Ftrain%20file.jsonl'
    expect(requests.map(line)).toEqual([`GET ${path}`, `DELETE ${path}`, `GET ${path}?alt=media`])
  })
  it('list', async () => {
    const { channel, requests } = channelOf(() => ({ body: { items: [OBJECT], nextPageToken: 't' } }))
    expect(await files.list(channel, { limit: 5, after: 'tok' })).toEqual({
      items: [{ id: ID, filename: 'train file.jsonl', bytes: 8, createdAt: 1795132800 }],
      hasMore: true,
      next: 't',
    })
    expect(requests.map(wire)).toEqual([
      {
        method: 'GET',
        host: 'storage.googleapis.com',
        path: '/storage/v1/b/bucket/o',
        query: { prefix: 'tunegate/', maxResults: '5', pageToken: 'tok' },
      },
    ])
  })
  it('upload begins with a session that overwrites nothing', async () => {
    const { channel, requests } = channelOf(({ method }) =>
      method === 'POST' ? { headers: { location: SESSION } } : {},
    )
    await files.upload(channel, {
      name: 'train file.jsonl',
      purpose: 'fine-tune',
      size: 3,
      open: async () => new Blob(['abc']).stream(),
    })
    expect(requests[0] && wire(requests[0])).toEqual({
      method: 'POST',
      host: 'storage.googleapis.com',
      path: '/upload/storage/v1/b/bucket/o',
      query: { uploadType: 'resumable', name: 'tunegate/train file.jsonl', ifGenerationMatch: '0' },
      body: { contentType: 'application/jsonl' },
    })
    expect(requests[1]).toMatchObject({
      method: 'PUT',
      headers: { 'content-range': 'bytes 0-2/3' },
      repeat: 'never',
      accept: [308],
    })
  })
})

it.each([
  '',
  'gs://',
  'gs://bucket',
  'gs://bucket/',
  's3://b/x',
  'gs://B_/x',
  'https://storage.googleapis.com/b/x',
])('%j is no object', uri => {
  expect(() => parseGcsUri(uri)).toThrow(/gs:\/\/bucket\/object/)
})
it('a bucket that is not there is named', async () => {
  const { channel } = channelOf(() => ({}), { ...SETTINGS, bucket: undefined })
  const upload = files.upload(channel, {
    name: 'a',
    purpose: 'fine-tune',
    size: 0,
    open: async () => new Blob([]).stream(),
  })
  await expect(upload).rejects.toMatchObject({
    code: 'connection_unconfigured',
    message: expect.stringContaining('VERTEX_BUCKET'),
  })
})

describe('chunks', () => {
  it('are of one size, and all the bytes', async () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, index) => index)
    await fc.assert(
      fc.asyncProperty(cuts(100), fc.integer({ min: 1, max: 120 }), async (offsets, length) => {
        const chunks: Uint8Array[] = []
        for await (const chunk of chunksOf(streamOf(cutAt(bytes, offsets)), length)) chunks.push(chunk)
        expect(joined(chunks)).toEqual(bytes)
        expect(chunks.slice(0, -1).every(chunk => chunk.length === length)).toBe(true)
      }),
    )
  })
  it('fit the protocol', () => expect(CHUNK_BYTES % (256 * 1024)).toBe(0))
})

it.each<[number, string | undefined, number]>([
  [308, 'bytes=0-99', 100],
  [308, undefined, 0],
  [308, 'garbage', 0],
  [200, undefined, 500],
  [201, 'bytes=0-99', 500],
])('%i with Range %s is %i of 500', (status, range, expected) => {
  expect(progressOf({ status, headers: new Headers(range === undefined ? {} : { range }) }, 500)).toBe(
    expected,
  )
})

/** A service that keeps what it gets, and fails when it is told to. */
const service = (
  size: number,
  mishap: (put: number, kept: number) => Reply | ProviderFault | 'lost' | undefined,
) => {
  let kept = new Uint8Array()
  let puts = 0
  return {
    bytes: () => kept,
    ...channelOf(request => {
      if (request.method === 'POST') return { headers: { location: SESSION } }
      const range = request.headers?.['content-range'] ?? ''
      const state = (): Reply =>
        kept.length === size
          ? { status: 200 }
          : { status: 308, headers: kept.length === 0 ? {} : { range: `bytes=0-${kept.length - 1}` } }
      if (range.startsWith('bytes */')) return state()
      const start = Number(/^bytes (\d+)-/.exec(range)?.[1])
      const body = request.body as Uint8Array
      const wrong = mishap(++puts, kept.length)
      if (wrong && wrong !== 'lost') return wrong
      expect(start).toBeLessThanOrEqual(kept.length)
      kept = joined([kept.slice(0, start), body])
      return wrong === 'lost' ? gone('unreachable') : state()
    }),
  }
}
const gone = (status: ProviderFault['status']) =>
  new ProviderFault('vertex_ai', {
    status,
    code: null,
    nativeCode: null,
    message: undefined,
    param: null,
    retryAfter: null,
    refused: false,
  })

describe('an upload', () => {
  const SIZE = CHUNK_BYTES * 2 + 1000
  const content = new Uint8Array(SIZE).map((_, index) => index % 251)
  const upload = {
    name: 'a.jsonl',
    purpose: 'fine-tune',
    size: SIZE,
    open: async () => streamOf(cutAt(content, [CHUNK_BYTES - 1, CHUNK_BYTES * 2])),
  }

  it.each<[string, Parameters<typeof service>[1]]>([
    ['goes through', () => undefined],
    ['survives a 503', put => (put === 2 ? { status: 503 } : undefined)],
    ['survives a 429', put => (put === 1 ? { status: 429 } : undefined)],
    ['survives a broken connection', put => (put === 2 ? gone('unreachable') : undefined)],
    ['survives a lost answer', put => (put === 2 ? 'lost' : undefined)],
    ['survives the loss of the last answer', put => (put === 3 ? 'lost' : undefined)],
    ['survives four failures of one chunk', put => (put < 5 ? { status: 500 } : undefined)],
  ])('%s', async (_, mishap) => {
    const { channel, bytes } = service(SIZE, mishap)
    expect(await files.upload(channel, upload)).toEqual({ id: 'gs://bucket/tunegate/a.jsonl' })
    expect(Buffer.compare(bytes(), content)).toBe(0)
  })
  it('goes on from the middle of a chunk', async () => {
    const part = 256 * 1024
    let first = true
    const { channel, requests } = channelOf((request): Reply => {
      if (request.method === 'POST') return { headers: { location: SESSION } }
      if (first) {
        first = false
        return { status: 308, headers: { range: `bytes=0-${part - 1}` } }
      }
      return {}
    })
    const small = content.slice(0, CHUNK_BYTES)
    await files.upload(channel, { ...upload, size: small.length, open: async () => streamOf([small]) })
    expect(requests.slice(1).map(({ headers }) => headers?.['content-range'])).toEqual([
      `bytes 0-${CHUNK_BYTES - 1}/${CHUNK_BYTES}`,
      `bytes ${part}-${CHUNK_BYTES - 1}/${CHUNK_BYTES}`,
    ])
    expect(requests[2]?.body).toHaveLength(CHUNK_BYTES - part)
  })
  it.each<[string, Parameters<typeof service>[1], object]>([
    ['a service that always fails', () => ({ status: 503 }), { status: 503 }],
    ['a session that is gone', put => (put === 2 ? { status: 410 } : undefined), { status: 410 }],
    [
      'a session that has lost what it had',
      put => (put === 2 ? { status: 308 } : undefined),
      { status: 'garbled' },
    ],
    [
      'a caller who has left',
      put => (put === 2 ? gone('client_gone') : undefined),
      { status: 'client_gone' },
    ],
  ])('gives up on %s', async (_, mishap, fault) => {
    await expect(files.upload(service(SIZE, mishap).channel, upload)).rejects.toMatchObject(fault)
  })
  it('does not send its token to where an answer points', async () => {
    const { channel, requests } = channelOf(() => ({ headers: { location: 'https://evil.example/upload' } }))
    await expect(files.upload(channel, upload)).rejects.toMatchObject({ status: 'garbled' })
    expect(requests).toHaveLength(1)
  })
  it('that is shorter than it said is no success', async () => {
    const { channel } = service(SIZE, () => undefined)
    await expect(
      files.upload(channel, { ...upload, open: async () => streamOf([content.slice(0, 100)]) }),
    ).rejects.toThrow(/was to have/)
  })
})
