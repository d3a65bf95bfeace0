/** Files: the byte order mark, the states, and what is refused. */
import { toFile } from 'openai'
import { describe, expect, it } from 'vitest'
import { refusal } from '../support.ts'
import { BASE, GOOD, PREVIEW, processed, uploadTo, useAzure } from './support.ts'

const bench = useAzure()

const upload = async (content: Uint8Array<ArrayBuffer> | string, extra: Record<string, string> = {}) => {
  const form = new FormData()
  form.append('purpose', 'fine-tune')
  form.append('file', new Blob([content]), 'data.jsonl')
  for (const [name, value] of Object.entries(extra)) form.append(name, value)
  const response = await fetch(`${bench.azure.baseUrl()}/openai/v1/files`, {
    method: 'POST',
    headers: { 'api-key': bench.azure.apiKey },
    body: form,
  })
  return { status: response.status, json: (await response.json()) as Record<string, unknown> }
}

const seconds = (value: number) => ({
  'expires_after[anchor]': 'created_at',
  'expires_after[seconds]': String(value),
})

describe('a file', () => {
  it('goes from pending over running to processed, seen from either surface', async () => {
    const id = await uploadTo(bench.dated())
    const states = [
      (await bench.v1().files.retrieve(id)).status,
      (await bench.dated().files.retrieve(id)).status,
      (await bench.v1().files.retrieve(id)).status,
    ]
    expect(states).toEqual(['running', 'processed', 'processed'])
    const { json } = await upload(GOOD)
    expect(json.status).toBe('pending')
  })

  it('also gets on by being listed', async () => {
    const id = await uploadTo(bench.v1())
    const listed = async () => (await bench.v1().files.list({ purpose: 'fine-tune' })).data
    expect(await listed()).toMatchObject([{ id, status: 'running' }])
    expect(await listed()).toMatchObject([{ id, status: 'processed' }])
  })

  it('comes back with its byte order mark, and goes when deleted', async () => {
    const client = bench.dated()
    const id = await uploadTo(client)
    const bytes = Buffer.from(await (await client.files.content(id)).arrayBuffer())
    expect(bytes.equals(Buffer.from(GOOD))).toBe(true)
    expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
    expect(await client.files.delete(id)).toEqual({ id, object: 'file', deleted: true })
    expect(await refusal(client.files.retrieve(id))).toMatchObject({ status: 404, code: 'notFound' })
  })

  it('is created with 201 on the dated surface, with 200 on v1', async () => {
    const created = await bench
      .dated()
      .files.create({
        file: await toFile(Buffer.from(GOOD), 'a.jsonl'),
        purpose: 'fine-tune',
      })
      .asResponse()
    expect(created.status).toBe(201)
    expect((await upload(GOOD)).status).toBe(200)
  })

  it('belongs to one resource', async () => {
    const id = await processed(bench.v1())
    const other = bench.v1({ resource: 'sandbox-sweden' })
    expect(await refusal(other.files.retrieve(id))).toMatchObject({ status: 404 })
    expect((await other.files.list()).data).toEqual([])
    const job = other.fineTuning.jobs.create({ model: BASE, training_file: id })
    expect(await refusal(job)).toMatchObject({ status: 400, param: 'training_file' })
  })

  it('may expire after two weeks at the earliest, thirty days at the latest', async () => {
    const { json } = await upload(GOOD, seconds(1_209_600))
    expect(json.expires_at).toBe(Number(json.created_at) + 1_209_600)
    for (const value of [3600, 1_209_599, 2_592_001]) {
      expect(await upload(GOOD, seconds(value))).toMatchObject({
        status: 400,
        json: { error: { code: 'invalidPayload', param: 'expires_after[seconds]' } },
      })
    }
  })

  it('with any other purpose needs no mark', async () => {
    const file = await bench.v1().files.create({
      file: await toFile(Buffer.from('plain'), 'a.txt'),
      purpose: 'assistants',
    })
    expect(file.bytes).toBe(5)
  })
})

describe('a training file is refused', () => {
  it.each([
    ['without a byte order mark', GOOD.slice(1)],
    ['with the mark of UTF-16', Buffer.from(`${GOOD}`, 'utf16le')],
    ['with half a mark', Buffer.concat([Buffer.of(0xef, 0xbb), Buffer.from(GOOD.slice(1))])],
    ['with two marks', `\uFEFF${GOOD}`],
    ['with a broken line', `${GOOD}not json\n`],
  ])('%s', async (_name, content) => {
    expect(await upload(content)).toMatchObject({
      status: 400,
      json: { error: { code: 'jsonlValidationFailed', param: 'file' } },
    })
    expect((await bench.v1().files.list()).data).toEqual([])
  })
})

describe('a job on a file that is not processed', () => {
  it('is refused, each time until it is', async () => {
    bench.azure.change({ filePolls: 3 })
    const client = bench.v1()
    const training_file = await uploadTo(client)
    const create = () => client.fineTuning.jobs.create({ model: BASE, training_file })
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await refusal(create())).toMatchObject({ status: 400, code: 'unexpectedEntityState' })
    }
    expect((await create()).training_file).toBe(training_file)
  })

  it('is accepted at once where files need no time', async () => {
    bench.azure.change({ filePolls: 0 })
    const { json } = await upload(GOOD)
    expect(json.status).toBe('processed')
    const { status } = await bench.raw('POST', `/fine_tuning/jobs?api-version=${PREVIEW}`, {
      model: BASE,
      training_file: json.id,
    })
    expect(status).toBe(201)
  })
})
