/** Files, through the official client. */
import { describe, expect, it } from 'vitest'
import { isOnLambda, itIsJudged, refusal, useBench } from './support/bench.ts'
import { chatLines, datasetFile, fileOf, form, toJsonl, uploaded } from './support/data.ts'

const bench = useBench()

/** Every byte there is, in an order that is no text in any encoding. */
const BINARY = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7 + (index >> 8)) % 256)
const DATA = toJsonl(chatLines(12))

const contentOf = async (content: Promise<Response>) => new Uint8Array(await (await content).arrayBuffer())

describe('files.create', () => {
  it('answers the file object, with every field of OpenAI', async () => {
    const { client } = await bench.owner()
    const before = Math.floor(Date.now() / 1000)
    const file = await client.files.create({ file: fileOf(DATA, 'train.jsonl'), purpose: 'fine-tune' })
    expect(file).toEqual({
      id: expect.stringMatching(/^file-\w+$/),
      object: 'file',
      bytes: Buffer.byteLength(DATA),
      created_at: expect.any(Number),
      filename: 'train.jsonl',
      purpose: 'fine-tune',
      status: 'processed',
    })
    expect(file.created_at).toBeGreaterThanOrEqual(before)
    expect(file.created_at).toBeLessThanOrEqual(Date.now() / 1000 + 1)
  })

  it.each(['assistants', 'batch', 'fine-tune'] as const)('takes the purpose %s', async purpose => {
    const { client } = await bench.owner()
    expect((await client.files.create({ file: datasetFile(), purpose })).purpose).toBe(purpose)
  })

  it.each(['vision', 'user_data', 'evals', 'fine-tune-results', 'fun', ''])(
    'refuses the purpose "%s", naming those that are allowed',
    async purpose => {
      const { client } = await bench.owner()
      const error = await refusal(client.files.create({ file: datasetFile(), purpose: purpose as 'batch' }))
      expect(error).toMatchObject({ status: 400, param: 'purpose', code: 'invalid_value' })
      for (const allowed of ['assistants', 'batch', 'fine-tune'])
        expect(error.message).toContain(`'${allowed}'`)
    },
  )

  const purpose = { name: 'purpose', value: 'fine-tune' }
  const file = { name: 'file', value: DATA, filename: 'd.jsonl' }
  const anchor = { name: 'expires_after[anchor]', value: 'created_at' }
  const seconds = { name: 'expires_after[seconds]', value: '3600' }
  it.each([
    ['purpose, file', [purpose, file]],
    ['file, purpose', [file, purpose]],
    ['expiry, file, purpose', [anchor, seconds, file, purpose]],
    ['seconds, file, anchor, purpose', [seconds, file, anchor, purpose]],
  ])('takes its parts in the order %s', async (_order, parts) => {
    const { key, client } = await bench.owner()
    const answer = await bench.raw('/v1/files', { key, ...form(parts) })
    expect(answer.status).toBe(200)
    const { id } = answer.json as { id: string }
    expect(await (await client.files.content(id)).text()).toBe(DATA)
    expect((await client.files.retrieve(id)).purpose).toBe('fine-tune')
  })

  it('checks a dataset that comes before its purpose', async () => {
    const { key } = await bench.owner()
    const bad = { ...file, value: DATA.replace('"user"', '"nobody"') }
    const answer = await bench.raw('/v1/files', { key, ...form([bad, purpose]) })
    expect(answer).toMatchObject({ status: 400, error: { code: 'invalid_dataset', param: 'file' } })
    expect(
      (await bench.raw('/v1/files', { key, ...form([bad, { ...purpose, value: 'batch' }]) })).status,
    ).toBe(200)
  })

  it('takes expires_after, and says when that is', async () => {
    const { client } = await bench.owner()
    const expires_after = { anchor: 'created_at', seconds: 7200 } as const
    const created = await client.files.create({ file: datasetFile(), purpose: 'batch', expires_after })
    expect(created.expires_at).toBe(created.created_at + 7200)
    expect(await client.files.retrieve(created.id)).toEqual(created)
  })

  it.each([
    [{ anchor: 'created_at', seconds: 3599 }, 'expires_after[seconds]'],
    [{ anchor: 'created_at', seconds: 2_592_001 }, 'expires_after[seconds]'],
    [{ anchor: 'last_used', seconds: 3600 }, 'expires_after[anchor]'],
    [{ seconds: 3600 }, 'expires_after'],
    [{ anchor: 'created_at' }, 'expires_after'],
  ])('refuses expires_after %j', async (expires_after, param) => {
    const { client } = await bench.owner()
    const params = { file: datasetFile(), purpose: 'batch', expires_after }
    const error = await refusal(client.files.create(params as Parameters<typeof client.files.create>[0]))
    expect(error).toMatchObject({ status: 400, param })
    expect((await client.files.list()).data).toEqual([])
  })
})

describe('files.content', () => {
  const contents: [what: string, bytes: Buffer<ArrayBuffer>][] = [
    ['text with every kind of character', Buffer.from('ä ö 漢字 🚲 \u0000 \r\n \u{10FFFF}')],
    ['binary data', Buffer.from(BINARY)],
  ]
  if (!isOnLambda)
    contents.push(['data of more than one part of the bucket', Buffer.alloc(9 * 1024 * 1024, BINARY)])
  it.each(contents)('gives back %s, byte for byte', async (_what, bytes) => {
    const { client } = await bench.owner()
    const file = await client.files.create({ file: fileOf(bytes, 'b.bin'), purpose: 'assistants' })
    expect(file.bytes).toBe(bytes.byteLength)
    expect(Buffer.compare(await contentOf(client.files.content(file.id)), bytes)).toBe(0)
  })

  it('is an attachment of the right length and name', async () => {
    const { client } = await bench.owner()
    const { id } = await client.files.create({ file: fileOf('x', 'Größe 漢.txt'), purpose: 'batch' })
    const { headers } = await client.files.content(id)
    // Lambda sends what it streams in chunks, and tells no length.
    expect(headers.get('content-length')).toBe(isOnLambda ? null : '1')
    expect(headers.get('content-disposition')).toBe(
      `attachment; filename*=UTF-8''${encodeURIComponent('Größe 漢.txt')}`,
    )
  })

  it.each(['Größe 漢字 🚲.jsonl', 'with "quotes" and spaces.jsonl', 'a;b=c.jsonl'])(
    'keeps the name %s as it is',
    async name => {
      const { client } = await bench.owner()
      const { id } = await client.files.create({ file: datasetFile(10, name), purpose: 'fine-tune' })
      const { filename } = await client.files.retrieve(id)
      // A form writes quotes as %22 (WHATWG).
      expect([name, name.replaceAll('"', '%22')]).toContain(filename)
    },
  )
})

describe('files.list', () => {
  it('is newest first, and the other way round on demand', async () => {
    const { client } = await bench.owner()
    const ids: string[] = []
    for (const name of ['1', '2', '3']) ids.push((await uploaded(client, datasetFile(10, name))).id)
    const listed = async (order?: 'asc' | 'desc') =>
      (await client.files.list(order ? { order } : {})).data.map(({ id }) => id)
    expect(await listed()).toEqual(ids.toReversed())
    expect(await listed('desc')).toEqual(ids.toReversed())
    expect(await listed('asc')).toEqual(ids)
  })

  it('filters by purpose', async () => {
    const { client } = await bench.owner()
    const tune = await client.files.create({ file: datasetFile(), purpose: 'fine-tune' })
    const batch = await client.files.create({ file: datasetFile(), purpose: 'batch' })
    expect((await client.files.list({ purpose: 'batch' })).data).toEqual([batch])
    expect((await client.files.list({ purpose: 'fine-tune' })).data).toEqual([tune])
    expect((await client.files.list({ purpose: 'vision' })).data).toEqual([])
  })

  it('pages with limit and after, and names its ends', async () => {
    const { key, client } = await bench.owner()
    for (const name of ['1', '2', '3']) await uploaded(client, datasetFile(10, name))
    const all = (await client.files.list()).data.map(({ id }) => id)
    const page = async (query: string) => (await bench.raw(`/v1/files?${query}`, { key })).json
    expect(await page('limit=2')).toMatchObject({ has_more: true, first_id: all[0], last_id: all[1] })
    expect(await page(`limit=2&after=${all[1]}`)).toMatchObject({
      has_more: false,
      first_id: all[2],
      last_id: all[2],
    })
    expect(await page(`after=${all[2]}`)).toMatchObject({ has_more: false, data: [] })
    expect(await page('limit=3')).toMatchObject({ has_more: false })
  })

  it('is walked by the client page by page, every file once', async () => {
    const { client } = await bench.owner()
    for (let index = 0; index < 7; index++) await uploaded(client, datasetFile(10, `${index}`))
    const names: string[] = []
    for await (const { filename } of client.files.list({ limit: 2, order: 'asc' })) names.push(filename)
    expect(names).toEqual(['0', '1', '2', '3', '4', '5', '6'])
  })

  it('goes on behind a file that was deleted meanwhile', async () => {
    const { client } = await bench.owner()
    for (let index = 0; index < 5; index++) await uploaded(client, datasetFile(10, `${index}`))
    const seen: string[] = []
    for await (const { id, filename } of client.files.list({ limit: 2, order: 'asc' })) {
      seen.push(filename)
      await client.files.delete(id)
    }
    expect(seen).toEqual(['0', '1', '2', '3', '4'])
    expect((await client.files.list()).data).toEqual([])
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=10001', 'limit'],
    ['limit=many', 'limit'],
    ['order=random', 'order'],
    ['colour=red', 'colour'],
  ])('refuses ?%s', async (query, param) => {
    expect(await bench.raw(`/v1/files?${query}`)).toMatchObject({ status: 400, error: { param } })
  })
})

describe('files.retrieve', () => {
  it('answers the same object as its creation', async () => {
    const { client } = await bench.owner()
    const file = await uploaded(client)
    expect(await client.files.retrieve(file.id)).toEqual(file)
  })

  it('answers 404 to an id that never was', async () => {
    const { client } = await bench.owner()
    expect(await refusal(client.files.retrieve('file-none'))).toMatchObject({
      status: 404,
      code: 'file_not_found',
    })
  })
})

describe('files.delete', () => {
  it('takes the file out of every answer, and its bytes out of the bucket', async () => {
    const { client } = await bench.owner()
    const before = bench.stored()
    const { id } = await uploaded(client)
    expect(bench.stored().objects).toBe(before.objects + 1)
    expect(await client.files.delete(id)).toEqual({ id, object: 'file', deleted: true })
    expect(bench.stored().objects).toBe(before.objects)
    for (const call of ['retrieve', 'content', 'delete'] as const)
      expect(await refusal(client.files[call](id))).toMatchObject({ status: 404, code: 'file_deleted' })
    expect((await client.files.list()).data).toEqual([])
  })

  it("takes the provider's copy along", async () => {
    const { client } = await bench.owner()
    const { id } = await uploaded(client)
    const job = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file: id })
    const copies = async () =>
      (await bench.state()).files.items.filter(({ filename }) => filename.startsWith(id))
    expect(await copies()).toHaveLength(1)
    await client.fineTuning.jobs.cancel(job.id).catch(() => undefined)
    await client.files.delete(id)
    expect(await copies()).toEqual([])
  })
})

itIsJudged(bench)
