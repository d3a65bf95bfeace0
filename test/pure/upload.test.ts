import { describe, expect, it } from 'vitest'
import { findFile, listFiles, uploadFile } from '../../shared/datasets/index.ts'
import { ApiError } from '../../shared/openai/index.ts'
import { utf8 } from './support/bytes.ts'
import { json, startBench } from './support/context.ts'

const lines = (count: number) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ],
  })}\n`.repeat(count)

const form = (parts: Record<string, string | File>) => {
  const body = new FormData()
  for (const [name, value] of Object.entries(parts)) body.append(name, value)
  return new Request('http://gateway.test/v1/files', { method: 'POST', body })
}
const file = (text: string | Uint8Array<ArrayBuffer>, name = 'train.jsonl') => new File([text], name)

const start = () => {
  const bench = startBench(() => json({}))
  const { store, bucket } = bench.platform
  return {
    ...bench,
    store,
    bucket,
    upload: (request: Request) => uploadFile(bench.context, 'owner', request),
  }
}

describe('an upload', () => {
  it('keeps the bytes, and what there is to know of them', async () => {
    const { context, bucket, upload } = start()
    const record = await upload(form({ purpose: 'fine-tune', file: file(lines(12), 'grüße.jsonl') }))
    expect(record).toMatchObject({
      filename: 'grüße.jsonl',
      purpose: 'fine-tune',
      examples: 12,
      owner: 'owner',
    })
    expect(record.bytes).toBe(utf8(lines(12)).length)
    expect(bucket.objects.get(record.segments[0]?.key ?? '')).toEqual(utf8(lines(12)))
    expect(await findFile(context, 'owner', record.id)).toEqual(record)
    await expect(findFile(context, 'someone else', record.id)).rejects.toMatchObject({ status: 404 })
  })

  const refusals: [string, Record<string, string | File>, string, string][] = [
    ['no file', { purpose: 'fine-tune' }, 'file', 'missing_required_parameter'],
    ['an empty file', { purpose: 'fine-tune', file: file('') }, 'file', 'invalid_value'],
    ['an empty file for another purpose', { purpose: 'batch', file: file('') }, 'file', 'invalid_value'],
    ['a file that is a field', { purpose: 'batch', file: 'text' }, 'file', 'unknown_parameter'],
    ['a file under another name', { purpose: 'batch', data: file('x') }, 'data', 'unknown_parameter'],
    ['no purpose', { file: file(lines(12)) }, 'purpose', 'missing_required_parameter'],
    ['another purpose, first', { purpose: 'vision', file: file(lines(12)) }, 'purpose', 'invalid_value'],
    ['another purpose, last', { file: file(lines(12)), purpose: 'vision' }, 'purpose', 'invalid_value'],
    ['an unknown field', { purpose: 'batch', file: file('x'), model: 'm' }, 'model', 'unknown_parameter'],
    [
      'half an expiry',
      { purpose: 'batch', file: file('x'), 'expires_after[seconds]': '3600' },
      'expires_after',
      'invalid_value',
    ],
    ['a bad line', { purpose: 'fine-tune', file: file(`${lines(10)}x`) }, 'file', 'invalid_dataset'],
    [
      'a bad line, the purpose after it',
      { file: file(`${lines(10)}x`), purpose: 'fine-tune' },
      'file',
      'invalid_dataset',
    ],
    ['too few examples', { purpose: 'fine-tune', file: file(lines(9)) }, 'file', 'too_few_examples'],
  ]
  it.each(refusals)('with %s is refused, and nothing is left of it', async (_, parts, param, code) => {
    const { context, bucket, upload } = start()
    const error = await upload(form(parts)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 400, param, code })
    expect(bucket.objects.size).toBe(0)
    expect((await listFiles(context, 'owner', { limit: 10 })).items).toEqual([])
  })

  it('is not checked as a dataset when it is none, wherever the purpose stands', async () => {
    for (const parts of [
      { purpose: 'assistants', file: file('hello') },
      { file: file('hello'), purpose: 'assistants' },
    ]) {
      expect(await start().upload(form(parts))).toMatchObject({ examples: null, bytes: 5 })
    }
  })

  it.each([1, 2, 3])(
    'cuts a long name where %i code units fall off, but not through a character',
    async over => {
      const name = `${'🎈'.repeat(128)}${'x'.repeat(over)}`
      const { filename } = await start().upload(form({ purpose: 'batch', file: file('x', name) }))
      expect(filename.length).toBeLessThanOrEqual(255)
      expect(filename.isWellFormed()).toBe(true)
      // It stands in a header when the content is asked for.
      expect(() => encodeURIComponent(filename)).not.toThrow()
    },
  )

  it('that cannot be recorded leaves no bytes behind', async () => {
    const { store, bucket, upload } = start()
    const cause = new Error('the store is down')
    store.put = () => Promise.reject(cause)
    await expect(upload(form({ purpose: 'batch', file: file('x') }))).rejects.toBe(cause)
    expect(bucket.objects.size).toBe(0)
  })

  it('fails with what went wrong first, even when cleaning up fails too', async () => {
    const { store, bucket, upload } = start()
    const cause = new Error('the store is down')
    store.put = () => Promise.reject(cause)
    bucket.delete = () => Promise.reject(new Error('the bucket is down'))
    await expect(upload(form({ purpose: 'batch', file: file('x') }))).rejects.toBe(cause)
  })
})
