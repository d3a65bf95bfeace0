import { describe, expect, it } from 'vitest'
import { type FileRecord, readFile } from '../../shared/datasets/index.ts'
import { readAll, utf8 } from './support/bytes.ts'
import { startBench } from './support/context.ts'

const file = (segments: FileRecord['segments'], copies: FileRecord['copies'] = []): FileRecord => ({
  id: 'file-1',
  owner: 'owner',
  filename: 'train.jsonl',
  purpose: 'fine-tune',
  bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
  created_at: 0,
  expires_at: null,
  deleted_at: null,
  segments,
  sha256: null,
  examples: null,
  copies,
})

describe('a file of several objects', () => {
  const texts = ['first ', '', 'second ', 'third']
  const whole = texts.join('')

  it('is read as one, from any byte on', async () => {
    const { context, platform } = startBench(() => new Response())
    for (const [index, text] of texts.entries()) await platform.bucket.put(`part-${index}`, utf8(text))
    const record = file(texts.map((text, index) => ({ key: `part-${index}`, bytes: text.length })))
    for (let from = 0; from <= whole.length; from++) {
      const { body } = await readFile(context, record, from)
      expect(new TextDecoder().decode(await readAll(body))).toBe(whole.slice(from))
    }
  })

  it('never ends early: an object that is gone breaks the body', async () => {
    const { context, platform } = startBench(() => new Response())
    await platform.bucket.put('part-0', utf8('first '))
    const { body } = await readFile(
      context,
      file([
        { key: 'part-0', bytes: 6 },
        { key: 'part-1', bytes: 7 },
      ]),
    )
    await expect(readAll(body)).rejects.toThrow('not in the bucket')
  })

  it('is read from a provider when the bucket has nothing of it', async () => {
    const { context } = startBench(() => new Response('first second third'))
    const copies: FileRecord['copies'] = [
      { connection: 'openai', account: 'openai', format: null, native_id: 'file-native' },
    ]
    const { body } = await readFile(context, file([], copies), 6)
    expect(new TextDecoder().decode(await readAll(body))).toBe('second third')
  })

  it.each([
    ['bytes 6-17/18', 'second third'],
    ['Bytes 6-17/*', 'second third'],
    ['bytes 5-17/18', undefined],
    ['bytes 0-17/18', undefined],
    [null, undefined],
  ])('is taken from a range only where that is the one asked for: %s', async (range, text) => {
    const answer = () =>
      new Response('second third', { status: 206, headers: range === null ? {} : { 'content-range': range } })
    const { context } = startBench(answer)
    const copies: FileRecord['copies'] = [
      { connection: 'openai', account: 'openai', format: null, native_id: 'file-native' },
    ]
    const reading = readFile(context, file([], copies), 6).then(({ body }) => readAll(body))
    if (text === undefined) await expect(reading).rejects.toThrow('another range')
    else expect(new TextDecoder().decode(await reading)).toBe(text)
  })
})
