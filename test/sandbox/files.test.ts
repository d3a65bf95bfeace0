import type OpenAI from 'openai'
import { toFile } from 'openai'
import { describe, expect, it } from 'vitest'
import { chatLine, jsonl, refusal, samples, upload, useSandbox } from './support.ts'

const bench = useSandbox()

const GOOD = jsonl(samples('train').map(chatLine))

describe('files', () => {
  it('come back as they were sent', async () => {
    const content = `${GOOD}{"messages":[{"role":"user","content":"Grüße, 你好 🎈"}]}\n`
    const bytes = Buffer.from(content)
    const file = await bench.client.files.create({
      file: await toFile(bytes, 'grüße.jsonl'),
      purpose: 'fine-tune',
    })
    expect(file).toMatchObject({
      object: 'file',
      bytes: bytes.byteLength,
      filename: 'grüße.jsonl',
      purpose: 'fine-tune',
      status: 'processed',
    })
    expect(await bench.client.files.retrieve(file.id)).toEqual(file)
    const back = await bench.client.files.content(file.id)
    expect(Buffer.from(await back.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('may be large and arrive in many pieces', async () => {
    const line = JSON.stringify(chatLine({ text: 'ü'.repeat(5000), intent: 'pin' }))
    const content = `${line}\n`.repeat(300)
    const file = await bench.client.files.create({
      file: await toFile(Buffer.from(content), 'big.jsonl'),
      purpose: 'fine-tune',
    })
    expect(file.bytes).toBe(Buffer.byteLength(content))
  })

  it('may name the purpose after the file, and an expiry', async () => {
    const form = new FormData()
    form.append('file', new Blob([GOOD]), 'late.jsonl')
    form.append('expires_after[anchor]', 'created_at')
    form.append('expires_after[seconds]', '3600')
    form.append('purpose', 'fine-tune')
    const response = await fetch(`${bench.sandbox.openaiBaseUrl}/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bench.sandbox.apiKey}` },
      body: form,
    })
    const file = (await response.json()) as { created_at: number; expires_at: number }
    expect(response.status).toBe(200)
    expect(file.expires_at).toBe(file.created_at + 3600)
  })

  it('are listed newest first, by purpose and page', async () => {
    const ids: string[] = []
    for (let count = 0; count < 5; count++) ids.unshift(await upload(bench, GOOD))
    const other = await bench.client.files.create({
      file: await toFile(Buffer.from('hi'), 'a.txt'),
      purpose: 'user_data',
    })
    const listed = async (query: OpenAI.FileListParams): Promise<string[]> => {
      const found: string[] = []
      for await (const file of bench.client.files.list(query)) found.push(file.id)
      return found
    }
    expect(await listed({ limit: 2 })).toEqual([other.id, ...ids])
    expect(await listed({ limit: 2, purpose: 'fine-tune' })).toEqual(ids)
    expect(await listed({ limit: 3, order: 'asc' })).toEqual([...ids.toReversed(), other.id])
    const { json } = await bench.raw('GET', '/v1/files?limit=2')
    expect(json).toMatchObject({ has_more: true, object: 'list', first_id: other.id, last_id: ids[0] })
  })

  it('can be paged from a file that has since been deleted', async () => {
    const ids = [await upload(bench, GOOD), await upload(bench, GOOD), await upload(bench, GOOD)]
    await bench.client.files.delete(ids[1] ?? '')
    const page = await bench.client.files.list({ after: ids[1] ?? '' })
    expect(page.data.map(({ id }) => id)).toEqual([ids[0]])
  })

  it('are gone once deleted', async () => {
    const id = await upload(bench, GOOD)
    expect(await bench.client.files.delete(id)).toEqual({ id, object: 'file', deleted: true })
    expect(await refusal(bench.client.files.retrieve(id))).toMatchObject({ status: 404, param: 'id' })
    expect(await refusal(bench.client.files.content(id))).toMatchObject({ status: 404 })
  })
})

describe('an upload is refused', () => {
  const post = async (parts: Record<string, string | Blob>) => {
    const form = new FormData()
    for (const [name, value] of Object.entries(parts)) form.append(name, value)
    const response = await fetch(`${bench.sandbox.openaiBaseUrl}/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bench.sandbox.apiKey}` },
      body: form,
    })
    const { error } = (await response.json()) as { error: Record<string, unknown> }
    return { status: response.status, ...error }
  }

  const latin1 = new Blob([Buffer.from('{"a":"caf\xe9"}\n', 'latin1')])
  const file = new Blob([GOOD])
  const tune = { purpose: 'fine-tune' }

  it.each([
    ['without a purpose', { file }, 'purpose', 'missing_required_parameter'],
    ['without a file', tune, 'file', 'missing_required_parameter'],
    ['for a purpose of ours', { file, purpose: 'fine-tune-results' }, 'purpose', 'invalid_value'],
    ['with an unknown field', { file, ...tune, provider: 'openai' }, 'provider', 'unknown_parameter'],
    ['that is empty', { file: new Blob([]), ...tune }, 'file', 'empty_file'],
    ['that is not UTF-8', { file: latin1, ...tune }, 'file', 'invalid_jsonl'],
    ['with a byte order mark', { file: new Blob(['\uFEFF', GOOD]), ...tune }, 'file', 'invalid_jsonl'],
    ['that is one JSON array', { file: new Blob(['[{"messages":[]}]']), ...tune }, 'file', 'invalid_jsonl'],
    ['that breaks off', { file: new Blob([GOOD, '{"messages":']), ...tune }, 'file', 'invalid_jsonl'],
    [
      'with half an expiry',
      { file, ...tune, 'expires_after[anchor]': 'created_at' },
      'expires_after',
      'invalid_value',
    ],
  ] as [string, Record<string, string | Blob>, string, string][])('%s', async (_name, parts, param, code) => {
    expect(await post(parts)).toMatchObject({ status: 400, type: 'invalid_request_error', param, code })
    expect((await bench.state()).files.count).toBe(0)
  })

  it('if the form is cut off', async () => {
    const body = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}'
    const response = await fetch(`${bench.sandbox.openaiBaseUrl}/files`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${bench.sandbox.apiKey}`,
        'content-type': 'multipart/form-data; boundary=x',
      },
      body,
    })
    expect(response.status).toBe(400)
    expect((await bench.state()).files.count).toBe(0)
  })

  it('and its message names the line', async () => {
    expect(await refusal(upload(bench, `${GOOD}not json\n`))).toMatchObject({
      status: 400,
      message: expect.stringContaining(`Line ${samples('train').length + 1} `),
    })
  })

  it('but a file for another purpose may hold anything', async () => {
    const file = await bench.client.files.create({
      file: await toFile(Buffer.from([0xff, 0xfe, 0]), 'blob.bin'),
      purpose: 'user_data',
    })
    expect(file.bytes).toBe(3)
  })
})
