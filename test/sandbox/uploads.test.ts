/** Large files in parts. */
import { createHash } from 'node:crypto'
import type OpenAI from 'openai'
import { toFile } from 'openai'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { chatLine, jobEnd, jsonl, refusal, samples, useSandbox } from './support.ts'

const bench = useSandbox()
const uploads = () => bench.client.uploads

const GOOD = Buffer.from(jsonl(samples('train').map(chatLine)))
const MD5 = createHash('md5').update(GOOD).digest('hex')

const request = (changes: Partial<OpenAI.UploadCreateParams> = {}): OpenAI.UploadCreateParams => ({
  filename: 'big.jsonl',
  purpose: 'fine-tune',
  bytes: GOOD.byteLength,
  mime_type: 'application/jsonl',
  ...changes,
})

async function sent(id: string, bytes: Uint8Array): Promise<string> {
  const part = await uploads().parts.create(id, { data: await toFile(bytes, 'part') })
  return part.id
}

/** Announces the good file and sends it in two halves, the second one first. */
async function begun(changes?: Partial<OpenAI.UploadCreateParams>) {
  const { id } = await uploads().create(request(changes))
  const cut = 1001
  const second = await sent(id, GOOD.subarray(cut))
  const first = await sent(id, GOOD.subarray(0, cut))
  return { id, first, second, part_ids: [first, second] }
}

afterEach(() => {
  vi.useRealTimers()
})

describe('an upload', () => {
  it('is pending, takes parts in any order, and becomes a file', async () => {
    const created = await uploads().create(request())
    expect(created).toMatchObject({
      object: 'upload',
      status: 'pending',
      filename: 'big.jsonl',
      bytes: GOOD.byteLength,
      purpose: 'fine-tune',
      expires_at: created.created_at + 3600,
    })
    const { id, part_ids } = await begun()
    const done = await uploads().complete(id, { part_ids, md5: MD5 })
    expect(done).toMatchObject({ id, status: 'completed' })
    expect(done.file).toMatchObject({ object: 'file', filename: 'big.jsonl', status: 'processed' })
    const content = await bench.client.files.content(done.file?.id ?? '')
    expect(Buffer.from(await content.arrayBuffer()).equals(GOOD)).toBe(true)
  })

  it('of a training file can be trained on', async () => {
    const { id, part_ids } = await begun()
    const { file } = await uploads().complete(id, { part_ids })
    const job = await bench.client.fineTuning.jobs.create({
      model: 'gpt-4.1-mini',
      training_file: file?.id ?? '',
    })
    expect((await jobEnd(bench, job.id)).status).toBe('succeeded')
  })

  it('may leave parts out, and give its file an end', async () => {
    const { id, part_ids } = await begun({ expires_after: { anchor: 'created_at', seconds: 3600 } })
    await sent(id, Buffer.from('sent by mistake'))
    const { file } = await uploads().complete(id, { part_ids })
    expect(file?.bytes).toBe(GOOD.byteLength)
    expect(file?.expires_at).toBe((file?.created_at ?? 0) + 3600)
  })

  it('tells about its part', async () => {
    const { id } = await uploads().create(request())
    const part = await uploads().parts.create(id, { data: await toFile(GOOD, 'part') })
    expect(part).toMatchObject({ object: 'upload.part', upload_id: id, id: expect.stringMatching(/^part_/) })
  })

  it('that is cancelled takes nothing any more', async () => {
    const { id, part_ids } = await begun()
    expect(await uploads().cancel(id)).toMatchObject({ id, status: 'cancelled' })
    const calls = [
      () => uploads().complete(id, { part_ids }),
      () => sent(id, GOOD),
      () => uploads().cancel(id),
    ]
    for (const call of calls) {
      expect(await refusal(call())).toMatchObject({ status: 400, code: 'invalid_upload_state' })
    }
    expect((await bench.state()).files.count).toBe(0)
  })

  it('is completed once', async () => {
    const { id, part_ids } = await begun()
    const calls = [1, 2].map(() => uploads().complete(id, { part_ids }))
    const results = await Promise.allSettled(calls)
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(await refusal(uploads().cancel(id))).toMatchObject({ status: 400 })
    expect((await bench.state()).files.count).toBe(1)
  })

  it('expires after an hour', async () => {
    const { id, part_ids } = await begun()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
    expect(await refusal(uploads().complete(id, { part_ids }))).toMatchObject({
      status: 400,
      message: expect.stringContaining('expired'),
    })
  })

  it('is forgotten by a reset', async () => {
    const { id, part_ids } = await begun()
    bench.sandbox.reset()
    expect(await refusal(uploads().complete(id, { part_ids }))).toMatchObject({ status: 404 })
  })
})

describe('it is refused to create an upload', () => {
  it.each([
    ['without a name', { filename: undefined }, 'filename'],
    ['without a type', { mime_type: undefined }, 'mime_type'],
    ['for another purpose', { purpose: 'fine-tune-results' }, 'purpose'],
    ['of no bytes', { bytes: 0 }, 'bytes'],
    ['of more than 8 GB', { bytes: 8 * 2 ** 30 + 1 }, 'bytes'],
    ['of bytes in words', { bytes: '80' }, 'bytes'],
    ['with an unknown field', { provider: 'openai' }, 'provider'],
    ['with half an expiry', { expires_after: { anchor: 'created_at' } }, 'expires_after.seconds'],
    [
      'with a short expiry',
      { expires_after: { anchor: 'created_at', seconds: 3599 } },
      'expires_after.seconds',
    ],
  ])('%s', async (_name, changes, param) => {
    const { status, json } = await bench.raw('POST', '/v1/uploads', { ...request(), ...changes })
    expect(status).toBe(400)
    expect(json).toMatchObject({ error: { type: 'invalid_request_error', param } })
  })
})

describe('it is refused to complete an upload', () => {
  const broken = async (complete: OpenAI.UploadCompleteParams, id: string, param: string) => {
    expect(await refusal(uploads().complete(id, complete))).toMatchObject({ status: 400, param })
  }

  it('with parts that are unknown, named twice, missing or none', async () => {
    const { id, first, part_ids } = await begun()
    const other = await begun()
    await broken({ part_ids: [first, 'part_none'] }, id, 'part_ids')
    await broken({ part_ids: other.part_ids }, id, 'part_ids')
    await broken({ part_ids: [first, first] }, id, 'part_ids')
    await broken({ part_ids: [first] }, id, 'part_ids')
    await broken({ part_ids: [] }, id, 'part_ids')
    // None of this was the end of it.
    expect((await uploads().complete(id, { part_ids })).status).toBe('completed')
  })

  it('with a checksum that is another or none', async () => {
    const { id, first, second, part_ids } = await begun()
    await broken({ part_ids, md5: createHash('md5').update('other').digest('hex') }, id, 'md5')
    await broken({ part_ids: [second, first], md5: MD5 }, id, 'md5')
    await broken({ part_ids, md5: 'abc' }, id, 'md5')
    expect((await uploads().complete(id, { part_ids, md5: MD5.toUpperCase() })).status).toBe('completed')
  })

  it('whose parts in that order are no JSONL', async () => {
    const { id, first, second } = await begun()
    await broken({ part_ids: [second, first] }, id, 'file')
    expect((await bench.state()).files.count).toBe(0)
  })
})

describe('a part is refused', () => {
  const post = async (id: string, name: string, bytes: Uint8Array<ArrayBuffer>) => {
    const form = new FormData()
    form.append(name, new Blob([bytes]), 'part')
    const response = await fetch(`${bench.sandbox.openaiBaseUrl}/uploads/${id}/parts`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bench.sandbox.apiKey}` },
      body: form,
    })
    const { error } = (await response.json()) as { error?: { param: string } }
    return [response.status, error?.param]
  }

  it('under another name, empty, or beyond 64 MB', async () => {
    const { id } = await uploads().create(request())
    expect(await post(id, 'file', new Uint8Array(3))).toEqual([400, expect.anything()])
    expect(await post(id, 'data', new Uint8Array(0))).toEqual([400, 'data'])
    expect(await post(id, 'data', new Uint8Array(64 * 2 ** 20 + 1))).toEqual([413, 'data'])
    expect(await post(id, 'data', new Uint8Array(3))).toEqual([200, undefined])
  })

  it('for an upload that is not there', async () => {
    expect(await refusal(sent('upload_none', GOOD))).toMatchObject({ status: 404 })
  })
})
