/** Data that is pointed at: where it may be, what is refused, what is kept of it. */
import { describe, expect, it } from 'vitest'
import { isSource, takeIn } from '../../shared/datasets/index.ts'
import { FILES } from '../../shared/datasets/records.ts'
import { connect } from '../../shared/providers/index.ts'
import { streamOf, utf8 } from './support/bytes.ts'
import { type Answers, type Sent, startBench } from './support/context.ts'

const LINE = JSON.stringify({
  messages: [
    { role: 'user', content: 'a secret question' },
    { role: 'assistant', content: 'b' },
  ],
})
const DATASET = Array.from({ length: 12 }, () => LINE).join('\n')
const HOME = 'https://data.example.com/sets/train.jsonl?token=hush'

const start = async (answers: Answers, limit = 1e6) => {
  const bench = startBench(answers, {
    limits: { jsonBody: 1000, file: limit },
    retries: { count: 0, firstDelayMs: 1, longestDelayMs: 1 },
  })
  const job = await connect(bench.context, 'openai')
  const take = (uri = HOME, owner = 'owner') => takeIn(bench.context, owner, uri, 'training_file', job)
  const failure = async (uri?: string) => {
    const error = (await take(uri).catch((thrown: unknown) => thrown)) as Error
    expect(bench.platform.bucket.objects.size).toBe(0)
    expect(bench.platform.bucket.uploads.every(({ state }) => state === 'aborted')).toBe(true)
    expect(error.message).not.toMatch(/hush|secret/)
    return error
  }
  return { ...bench, take, failure }
}
const whole = (headers: Record<string, string> = {}) => new Response(DATASET, { headers })
const to = (location: string, status = 302) => new Response(null, { status, headers: { location } })
const at =
  (answers: Record<string, () => Response>): Answers =>
  ({ url }: Sent) =>
    answers[url]?.() ?? new Response('no', { status: 404 })

it.each([
  ['file-abc', false],
  ['s3://b/k', true],
  ['gs://b/k', true],
  ['https://h/k', true],
  ['http://h/k', true],
  ['ftp://h/k', false],
  ['/etc/passwd', false],
])('%s is a source: %s', (reference, expected) => expect(isSource(reference)).toBe(expected))

describe('a public address', () => {
  it('is taken in as a file of the owner, without its query', async () => {
    const { take, sent, platform, context } = await start(() => whole({ etag: '"1"' }))
    const file = await take()
    expect(file).toMatchObject({
      owner: 'owner',
      filename: 'train.jsonl',
      purpose: 'fine-tune',
      bytes: DATASET.length,
      examples: 12,
      source: { uri: 'https://data.example.com/sets/train.jsonl' },
    })
    expect(new TextDecoder().decode([...platform.bucket.objects.values()][0])).toBe(DATASET)
    expect(JSON.stringify((await FILES.get(context.platform.store, file.id))?.value)).not.toContain('hush')
    expect(Object.keys(sent[0]?.headers ?? {})).not.toContain('authorization')
    // What is packed for the way has no middle to go on from.
    expect(sent[0]?.headers).toMatchObject({ 'accept-encoding': 'identity' })
  })

  it('is read once while it does not change, for each owner', async () => {
    let etag = '"1"'
    const { take, platform } = await start(() => whole({ etag }))
    const first = await take()
    expect((await take()).id).toBe(first.id)
    expect(platform.bucket.objects.size).toBe(1)
    expect((await take(HOME, 'other')).id).not.toBe(first.id)
    etag = '"2"'
    expect((await take()).id).not.toBe(first.id)
    expect(platform.bucket.objects.size).toBe(3)
  })

  it('whose file was deleted is taken in anew', async () => {
    const { take, context } = await start(() => whole({ etag: '"1"' }))
    const first = await take()
    await FILES.update(context.platform.store, first.id, file => ({ ...file, deleted_at: 1 }))
    expect((await take()).id).not.toBe(first.id)
  })

  it('that tells no version is read each time', async () => {
    const { take } = await start(() => whole())
    expect((await take()).id).not.toBe((await take()).id)
  })

  it('is followed through three redirects, relative ones among them', async () => {
    const { take, sent } = await start(
      at({
        [HOME]: () => to('https://b.example.com/x', 301),
        'https://b.example.com/x': () => to('/y', 307),
        'https://b.example.com/y': () => to('z', 308),
        'https://b.example.com/z': () => whole(),
      }),
    )
    expect((await take()).examples).toBe(12)
    expect(sent).toHaveLength(4)
  })

  it.each([
    ['a private address', 'https://10.0.0.1/x'],
    ['the metadata service', 'http://169.254.169.254/latest/meta-data'],
    ['this machine', 'https://localhost/x'],
    ['http', 'http://b.example.com/x'],
    ['credentials in it', 'https://user:pass@b.example.com/x'],
  ])('is not one, nor leads to one, of %s', async (_, place) => {
    const { failure, sent } = await start(() => to(place))
    expect(await failure()).toMatchObject({ status: 400, code: 'host_forbidden', param: 'training_file' })
    expect(await failure(place)).toMatchObject({
      status: 400,
      code: 'host_forbidden',
      param: 'training_file',
    })
    expect(sent.map(({ url }) => url)).toEqual([HOME])
  })

  it.each<[string, () => Response, object]>([
    ['more redirects', () => to(HOME), { status: 400, code: 'source_unreadable' }],
    ['a redirect to nowhere', () => to('https://'), { status: 400, code: 'source_unreadable' }],
    [
      'no such thing',
      () => new Response('secret', { status: 404 }),
      { status: 400, code: 'source_unreadable' },
    ],
    [
      'that it ends before its beginning',
      () => new Response(null, { status: 416 }),
      { status: 400, code: 'source_unreadable' },
    ],
    ['part of it', () => new Response(DATASET, { status: 206 }), { status: 400, code: 'source_unreadable' }],
    ['no dataset', () => new Response(`${DATASET}\nsecret`), { status: 400, code: 'invalid_dataset' }],
    ['nothing', () => new Response(''), { status: 400, code: 'invalid_value' }],
    [
      'more than it may, announced',
      () => new Response('x', { headers: { 'content-length': '2000000' } }),
      { status: 413, code: 'body_too_large' },
    ],
    [
      'more than it may, unannounced',
      () => new Response(streamOf(Array.from({ length: 30 }, () => utf8(`${LINE}\n`.repeat(500))))),
      { status: 413, code: 'body_too_large' },
    ],
    [
      'a body that breaks off',
      () => new Response(streamOf([utf8(DATASET)], { ending: 'error', cause: new Error('secret') })),
      { status: 502, code: 'source_unreadable' },
    ],
  ])('that answers %s is refused, and nothing is kept', async (_, answer, expected) => {
    const { failure } = await start(answer)
    expect(await failure()).toMatchObject({ ...expected, param: 'training_file' })
  })

  it.each([
    ['a refusal', 404],
    ['a redirect', 302],
  ])('that answers %s without an end is not listened to until it ends', async (_, status) => {
    let pulled = 0
    const endless = () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          pulled++
          if (pulled > 1000) controller.close()
          else controller.enqueue(new Uint8Array(64 * 1024))
        },
      })
    const { failure } = await start(() => new Response(endless(), { status, headers: { location: HOME } }))
    expect(await failure()).toMatchObject({ status: 400, code: 'source_unreadable' })
    expect(pulled).toBeLessThan(100)
  })
})
