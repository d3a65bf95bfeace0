/** Counting files: whole up to a bound, by samples beyond it, once. */
import { describe, expect, it } from 'vitest'
import { extrapolate } from '../../shared/datasets/count.ts'
import { countFile, deleteFile, type FileRecord } from '../../shared/datasets/index.ts'
import { FILES } from '../../shared/datasets/records.ts'
import { utf8 } from './support/bytes.ts'
import { type Bench, startBench } from './support/context.ts'
import { letters } from './support/counters.ts'

/** What `letters` makes of a line's frame: the example, the message, its role. */
const FRAME = 3 + 3 + 'user'.length

const line = (content: string) => JSON.stringify({ messages: [{ role: 'user', content }] })

/** Stores a text in objects of these sizes, the last taking the rest. */
const store = async (
  { platform }: Bench,
  text: string,
  { sizes = [], examples = null }: { sizes?: number[]; examples?: number | null } = {},
): Promise<FileRecord> => {
  const bytes = utf8(text)
  const segments: FileRecord['segments'] = []
  let at = 0
  for (const size of [...sizes, bytes.length]) {
    const part = bytes.slice(at, at + size)
    at += part.length
    const key = `part-${segments.length}`
    await platform.bucket.put(key, part)
    segments.push({ key, bytes: part.length })
  }
  const file: FileRecord = {
    id: 'file-1',
    owner: 'owner',
    filename: 'train.jsonl',
    purpose: 'fine-tune',
    bytes: bytes.length,
    created_at: 0,
    expires_at: null,
    deleted_at: null,
    segments,
    sha256: null,
    examples,
    copies: [],
  }
  await FILES.create(platform.store, file)
  return file
}

const bench = () => startBench(() => new Response(null, { status: 404 }))
const WHOLE = { window: null, budget: 1e9 }

/** Lines of very different lengths in many scripts, the long ones at the end. */
const uneven = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    line('äж漢😀a'.repeat(5 + ((index * 7919) % 97) + Math.floor((40 * index) / count))),
  )
const tokensOf = (lines: string[]) =>
  lines.reduce((sum, text) => sum + FRAME + JSON.parse(text).messages[0].content.length, 0)

describe('a file', () => {
  it.each([
    ['a last line end', '\n'],
    ['none', ''],
    ['blank lines', '\n\n \n'],
  ])('is counted whole, with %s', async (_what, end) => {
    const here = bench()
    const lines = uneven(50)
    const file = await store(here, `\uFEFF${lines.join('\r\n')}${end}`, { sizes: [7, 1000] })
    expect(await countFile(here.context, file, letters, WHOLE)).toMatchObject({
      counter: 'letters+tiles-85-170',
      examples: 50,
      tokens: tokensOf(lines),
      is_sampled: false,
      sampling_error: 0,
      bytes_counted: file.bytes,
    })
  })

  it('is counted as what it holds, where a provider has it in lines of its own', async () => {
    const here = bench()
    const part = (text: string) => ({ parts: [{ text }] })
    const gemini = {
      contents: [
        { role: 'user', ...part('hello') },
        { role: 'model', ...part('hi') },
      ],
    }
    const file = await store(here, `${JSON.stringify(gemini)}\n`.repeat(3))
    const tokens = 3 * (3 + 3 + 'user'.length + 'hello'.length + 3 + 'assistant'.length + 'hi'.length)
    expect(await countFile(here.context, file, letters, WHOLE)).toMatchObject({ examples: 3, tokens })
  })

  it('is counted without what is no example', async () => {
    const here = bench()
    const lines = [line('a'), '{}', 'x', '7', '{"messages":[{"role":"user","content":[null]}]}', line('b')]
    const file = await store(here, lines.join('\n'))
    expect(await countFile(here.context, file, letters, WHOLE)).toMatchObject({
      examples: 2,
      tokens: tokensOf([line('a'), line('b')]),
    })
  })

  it('is refused where it holds none: that is not nothing', async () => {
    const here = bench()
    const file = await store(here, '{}\n{}\n')
    await expect(countFile(here.context, file, letters, WHOLE)).rejects.toMatchObject({
      status: 400,
      code: 'invalid_dataset',
      param: 'training_file',
    })
  })

  it('counts what is beyond the window as cut off', async () => {
    const here = bench()
    const file = await store(here, [line('a'.repeat(100)), line('a'.repeat(10))].join('\n'))
    expect(await countFile(here.context, file, letters, { window: 50, budget: 1e9 })).toMatchObject({
      tokens: 50 + 10 + FRAME,
      truncated_examples: 1,
      window: 50,
    })
  })

  it('is counted once by one counter and window', async () => {
    const here = bench()
    const file = await store(here, uneven(20).join('\n'))
    const first = await countFile(here.context, file, letters, WHOLE)
    here.platform.bucket.objects.clear()
    expect(await countFile(here.context, file, letters, WHOLE)).toEqual(first)
    await expect(countFile(here.context, file, { ...letters, name: 'others' }, WHOLE)).rejects.toThrow()
    await expect(countFile(here.context, file, letters, { ...WHOLE, window: 9 })).rejects.toThrow()
  })

  it('takes its counts along when it is deleted', async () => {
    const here = bench()
    const file = await store(here, uneven(20).join('\n'))
    await countFile(here.context, file, letters, WHOLE)
    await deleteFile(here.context, file)
    await expect(countFile(here.context, file, letters, WHOLE)).rejects.toThrow()
  })
})

describe('a file beyond the budget', () => {
  it('is sampled all over, and its tokens are within the error that is told', async () => {
    const here = bench()
    const lines = uneven(12_000)
    const file = await store(here, lines.join('\n'), { sizes: [1_000_003, 999_983], examples: 12_000 })
    expect(file.bytes).toBeGreaterThan(4_000_000)
    const count = await countFile(here.context, file, letters, { window: null, budget: 1024 * 1024 })
    expect(count).toMatchObject({ is_sampled: true, examples: 12_000 })
    expect(count.bytes_counted).toBeLessThan(file.bytes / 2)
    expect(count.sampling_error).toBeGreaterThanOrEqual(0.01)
    expect(count.sampling_error).toBeLessThan(0.1)
    const off = Math.abs(count.tokens / tokensOf(lines) - 1)
    expect(off).toBeLessThanOrEqual(count.sampling_error)
  })

  it('tells how many examples there are where nobody has counted them', async () => {
    const here = bench()
    const file = await store(here, uneven(12_000).join('\n'))
    const { examples } = await countFile(here.context, file, letters, { window: null, budget: 1024 * 1024 })
    expect(Math.abs(examples / 12_000 - 1)).toBeLessThan(0.1)
  })

  it('is counted again when more may be looked at, and not for less', async () => {
    const here = bench()
    const lines = uneven(12_000)
    const file = await store(here, lines.join('\n'))
    const coarse = await countFile(here.context, file, letters, { window: null, budget: 512 * 1024 })
    const whole = await countFile(here.context, file, letters, WHOLE)
    expect(coarse.is_sampled).toBe(true)
    expect(whole).toMatchObject({ is_sampled: false, tokens: tokensOf(lines) })
    expect(await countFile(here.context, file, letters, { window: null, budget: 512 * 1024 })).toEqual(whole)
  })

  it('reads on to the end of a line that is longer than a sample', async () => {
    const here = bench()
    const lines = Array.from({ length: 6 }, () => line('a'.repeat(500_000)))
    const file = await store(here, lines.join('\n'))
    const count = await countFile(here.context, file, letters, { window: null, budget: 128 * 1024 })
    expect(Math.abs(count.tokens / tokensOf(lines) - 1)).toBeLessThanOrEqual(count.sampling_error)
  })

  it('is wholly uncertain with less than two samples', () => {
    const sample = { bytes: 100, examples: 1, tokens: 50, truncated: 0, images: 0, guessed: 0 }
    expect(extrapolate([sample], 1000)).toMatchObject({ tokens: 500, examples: 10, error: 1 })
    expect(extrapolate([sample, sample], 1000)).toMatchObject({ tokens: 500, error: 0.01 })
    expect(extrapolate([], 1000)).toMatchObject({ tokens: 0, error: 1 })
  })
})
