import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { escapeXml, xmlElements, xmlText } from '../../../shared/platform/index.ts'
import { files } from '../../../shared/providers/bedrock/files.ts'
import { PART_BYTES, partsOf } from '../../../shared/providers/bedrock/parts.ts'
import { isCompleted, listingOf, uploadIdOf } from '../../../shared/providers/bedrock/s3.ts'
import { ProviderFault, type ProviderRequest } from '../../../shared/providers/provider.ts'
import { cutAt, joined, readAll, streamOf } from '../support/bytes.ts'
import { channelTo, errorOf, type Reply, SETTINGS } from './support.ts'

const random = (size: number) => {
  const bytes = new Uint8Array(size)
  for (let index = 0; index < size; index++) bytes[index] = index * 31 + (index >> 8)
  return bytes
}
const fileOf = (bytes: Uint8Array, size = bytes.length) => ({
  name: 'file-1.jsonl',
  purpose: 'fine-tune',
  size,
  open: async () =>
    streamOf(
      cutAt(
        bytes,
        Array.from({ length: 40 }, (_, index) => index * 777_777),
      ),
    ),
})

const xml = (root: string, inner: string) => `<?xml version="1.0"?><${root}>${inner}</${root}>`

/** An S3 that keeps parts, and does at one operation what a test wants. */
const memoryS3 = (
  change: Partial<Record<'start' | 'part' | 'complete' | 'head' | 'put', Reply | Error>> = {},
) => {
  const parts = new Map<number, Uint8Array>()
  const log: string[] = []
  let object: Uint8Array | undefined
  const operation = ({ method, url: { searchParams: query } }: ProviderRequest) => {
    if (query.has('uploads')) return 'start'
    if (query.has('partNumber')) return 'part'
    if (query.has('uploadId')) return method === 'DELETE' ? 'abort' : 'complete'
    return method === 'HEAD' ? 'head' : 'put'
  }
  const serve = (request: ProviderRequest): Reply => {
    const name = operation(request)
    log.push(name)
    const bytes = (request.body instanceof Uint8Array ? request.body : new Uint8Array()).slice()
    const changed = name === 'abort' ? undefined : change[name]
    if (changed instanceof Error) throw changed
    if (changed) return changed
    if (name === 'start') return { body: xml('InitiateMultipartUploadResult', '<UploadId>up1</UploadId>') }
    if (name === 'part') {
      parts.set(Number(request.url.searchParams.get('partNumber')), bytes)
      return { headers: { etag: `"${bytes.length}"` } }
    }
    if (name === 'complete') {
      object = joined([...parts].sort(([a], [b]) => a - b).map(([, part]) => part))
      return { body: xml('CompleteMultipartUploadResult', '<ETag>"e"</ETag>') }
    }
    if (name === 'abort') parts.clear()
    if (name === 'put') object = bytes
    if (name === 'head' && object) return { headers: { 'content-length': String(object.length) } }
    return name === 'head' ? { status: 404 } : {}
  }
  return { serve, parts, log, object: () => object }
}

const upload = async (s3: ReturnType<typeof memoryS3>, bytes: Uint8Array, size?: number) => {
  const { channel, sent } = channelTo(s3.serve)
  return { result: await files.upload(channel, fileOf(bytes, size)), sent }
}

describe('an upload', () => {
  it('below a part is one PUT', async () => {
    const s3 = memoryS3()
    const { result, sent } = await upload(s3, random(1000))
    expect(s3.log).toEqual(['put'])
    expect(s3.object()).toEqual(random(1000))
    expect(result.id).toMatch(/^s3:\/\/bucket\/files\/[0-9a-f-]{36}\/file-1\.jsonl$/)
    expect(sent[0]?.headers['content-type']).toBe('application/jsonl')
  })

  it.each([
    [PART_BYTES, [PART_BYTES]],
    [PART_BYTES + 1, [PART_BYTES, 1]],
    [2 * PART_BYTES + 5, [PART_BYTES, PART_BYTES, 5]],
  ])('of %i bytes goes in parts of %j (Portkey 7: parts of 1 MB)', async (size, parts) => {
    expect(PART_BYTES).toBeGreaterThanOrEqual(5 * 1024 * 1024)
    const s3 = memoryS3()
    const { sent } = await upload(s3, random(size))
    expect([...s3.parts.values()].map(part => part.length)).toEqual(parts)
    expect(Buffer.from(s3.object() ?? []).equals(random(size))).toBe(true)
    // Parts are bytes at hand, so that each can be sent again by itself.
    expect(
      sent.filter(({ method }) => method === 'PUT').every(({ repeat, body }) => repeat === 'always' && body),
    ).toBe(true)
  })

  const fault = new ProviderFault('bedrock', {
    status: 'timeout',
    code: null,
    nativeCode: null,
    message: undefined,
    param: null,
    retryAfter: null,
    refused: false,
  })
  it.each([
    ['a part is refused', { part: { status: 500 } }],
    ['a part never arrives', { part: fault }],
    ['a part has no tag', { part: {} }],
    [
      'the completion is refused',
      { complete: { status: 400, body: xml('Error', '<Code>InvalidPart</Code>') } },
    ],
    ['the completion fails inside a 200', { complete: { body: xml('Error', '<Code>InternalError</Code>') } }],
  ] as [string, Parameters<typeof memoryS3>[0]][])(
    'is aborted when %s (Portkey 7: never aborted)',
    async (_, change) => {
      const s3 = memoryS3(change)
      const { channel, sent } = channelTo(s3.serve)
      await errorOf(() => files.upload(channel, fileOf(random(PART_BYTES + 1))))
      expect(s3.log.at(-1)).toBe('abort')
      expect(s3.parts.size).toBe(0)
      expect(sent.at(-1)?.tidies).toBe(true)
    },
  )

  it('is aborted when the dataset breaks off, and the cause is told', async () => {
    const s3 = memoryS3()
    const { channel } = channelTo(s3.serve)
    const cause = new Error('the bucket is gone')
    const open = async () => streamOf([random(PART_BYTES), random(5)], { ending: 'error', cause })
    expect(await errorOf(() => files.upload(channel, { ...fileOf(random(1)), open }))).toBe(cause)
    expect(s3.log).toEqual(['start', 'part', 'abort'])
  })

  it.each([1000, PART_BYTES + 10])(
    'of other than the announced size does not pass for the dataset (%i)',
    async size => {
      const s3 = memoryS3()
      const { channel } = channelTo(s3.serve)
      await errorOf(() => files.upload(channel, fileOf(random(size), size + 1)))
      expect(s3.object()).toBeUndefined()
    },
  )

  it('that is there though its completion was not confirmed is an upload', async () => {
    const s3 = memoryS3()
    const { channel } = channelTo(request => {
      const reply = s3.serve(request)
      return s3.log.at(-1) === 'complete'
        ? { status: 404, body: xml('Error', '<Code>NoSuchUpload</Code>') }
        : reply
    })
    await files.upload(channel, fileOf(random(PART_BYTES + 1)))
    expect(s3.log).toEqual(['start', 'part', 'part', 'complete', 'head'])
  })

  it('never takes the place of another', async () => {
    const ids = await Promise.all([1, 2].map(async () => (await upload(memoryS3(), random(9))).result.id))
    expect(new Set(ids).size).toBe(2)
  })

  it('keeps every byte however it comes cut (Portkey 3, 6: lines dropped, characters broken)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.nat(300), { maxLength: 20 }),
        fc.integer({ min: 1, max: 50 }),
        async (bytes, cuts, partBytes) => {
          const { first, all } = await partsOf(streamOf(cutAt(bytes, cuts)), partBytes)
          const parts: Uint8Array[] = []
          if (all) for await (const part of all) parts.push(part.slice())
          else parts.push(first.slice())
          expect(joined(parts)).toEqual(bytes)
          expect(parts.slice(0, -1).every(part => part.length === partBytes)).toBe(true)
        },
      ),
    )
  })

  it('holds one part, however long the dataset', async () => {
    const { all } = await partsOf(streamOf(Array.from({ length: 100 }, () => random(64))), 128)
    const buffers = new Set<ArrayBufferLike>()
    for await (const part of all ?? []) buffers.add(part.buffer)
    expect(buffers.size).toBe(1)
  })

  it('that is given up lets go of its source', async () => {
    let isCancelled = false
    const source = new ReadableStream<Uint8Array>({
      pull: controller => controller.enqueue(random(64)),
      cancel: () => {
        isCancelled = true
      },
    })
    const { all } = await partsOf(source, 64)
    for await (const _ of all ?? []) break
    expect(isCancelled).toBe(true)
  })
})

describe('a file in S3', () => {
  it('has the size and the time of its object, in seconds (Portkey 11)', async () => {
    const headers = { 'content-length': '1234', 'last-modified': 'Fri, 20 Nov 2026 10:00:00 GMT' }
    const { channel } = channelTo([{ headers }])
    expect(await files.get(channel, 's3://bucket/a/b.jsonl')).toEqual({
      filename: 'b.jsonl',
      bytes: 1234,
      createdAt: Date.UTC(2026, 10, 20, 10) / 1000,
    })
  })

  it('is listed page by page, from its own key on', async () => {
    const contents = (key: string) =>
      `<Contents><Key>${key}</Key><LastModified>2026-11-20T10:00:00.000Z</LastModified><Size>7</Size></Contents>`
    const { channel, sent } = channelTo([
      {
        body: xml(
          'ListBucketResult',
          `${contents('files/a&amp;b')}${contents('files/c')}<IsTruncated>true</IsTruncated>`,
        ),
      },
      { body: xml('ListBucketResult', '<IsTruncated>false</IsTruncated>') },
    ])
    const at = Date.UTC(2026, 10, 20, 10) / 1000
    const page = await files.list(channel, { limit: 2 })
    expect(page).toEqual({
      items: [
        { id: 's3://bucket/files/a&b', filename: 'a&b', bytes: 7, createdAt: at },
        { id: 's3://bucket/files/c', filename: 'c', bytes: 7, createdAt: at },
      ],
      hasMore: true,
    })
    expect(await files.list(channel, { limit: 2, after: page.items[1]?.id })).toEqual({
      items: [],
      hasMore: false,
    })
    expect(sent[1]?.url.searchParams.get('start-after')).toBe('files/c')
  })

  it('is read as a stream', async () => {
    const { channel } = channelTo([{ body: 'abc' }])
    const { body } = await files.content(channel, 's3://bucket/k')
    expect(new TextDecoder().decode(await readAll(body))).toBe('abc')
  })

  it.each(['file-abc', 'gs://bucket/k', 's3://bucket/../k'])('%s is none', async id => {
    const { channel, sent } = channelTo([])
    expect(await errorOf(() => files.get(channel, id))).toMatchObject({ status: 404, code: 'file_not_found' })
    expect(sent).toEqual([])
  })

  it('in another region is told as that: the redirect is not followed', async () => {
    const redirected = new ProviderFault('bedrock', {
      status: 'redirected',
      code: null,
      nativeCode: null,
      message: undefined,
      param: null,
      retryAfter: null,
      refused: false,
    })
    const { channel } = channelTo(() => Promise.reject(redirected))
    expect(await errorOf(() => files.get(channel, 's3://bucket/k'))).toMatchObject({
      status: 400,
      param: 'region',
    })
  })

  it.each([
    ['bucket', undefined],
    ['bucket', 'No Bucket'],
  ])('needs a %s (%s)', async (param, bucket) => {
    const { channel, sent } = channelTo([], { ...SETTINGS, bucket })
    expect(await errorOf(() => files.upload(channel, fileOf(random(1))))).toMatchObject({
      status: 400,
      param,
    })
    expect(sent).toEqual([])
  })
})

describe('XML as S3 writes it', () => {
  it.each([
    ['<a>x</a>', 'a', 'x'],
    ['<a b="c">x</a>', 'a', 'x'],
    ['<ab>no</ab><a>yes</a>', 'a', 'yes'],
    ['<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;</a>', 'a', `<&>"'AB`],
    ['<a>&unknown;</a>', 'a', '&unknown;'],
    ['<a>&amp;lt;</a>', 'a', '&lt;'],
    ['<a></a>', 'a', ''],
    ['<a>', 'a', undefined],
    ['not xml', 'a', undefined],
  ])('%s', (text, name, expected) => {
    expect(xmlText(text, name)).toBe(expected)
  })

  it('text comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text => {
        expect(xmlText(`<t>${escapeXml(text)}</t>`, 't')).toBe(text)
      }),
    )
  })

  it('is read for what is needed', () => {
    expect(xmlElements('<r><c><k>1</k></c>\n<c><k>2</k></c></r>', 'c')).toEqual(['<k>1</k>', '<k>2</k>'])
    expect(uploadIdOf(xml('R', '<UploadId>a/b+c==</UploadId>'))).toBe('a/b+c==')
    expect(uploadIdOf('')).toBeUndefined()
    expect(isCompleted(xml('CompleteMultipartUploadResult', ''))).toBe(true)
    expect(isCompleted(xml('Error', ''))).toBe(false)
    expect(listingOf('')).toEqual({ items: [], hasMore: false })
  })
})
