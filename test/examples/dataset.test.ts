import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DatasetError, parseDataset, readDataset } from '../../examples/lib/dataset.ts'

const line = (...messages: unknown[]): string => JSON.stringify({ messages })
const user = { role: 'user', content: 'Where is my bag?' }
const assistant = { role: 'assistant', content: 'lost_item' }

describe('parseDataset', () => {
  it('cuts each example into prompt and expected answer', () => {
    const system = { role: 'system', content: 'Sort.' }
    expect(parseDataset(`${line(system, user, assistant)}\n`, 'f')).toEqual([
      { prompt: [system, user], expected: 'lost_item' },
    ])
  })

  it('keeps earlier answers of a conversation in the prompt', () => {
    const [example] = parseDataset(line(user, assistant, user, { ...assistant, content: 'two' }), 'f')
    expect(example).toEqual({ prompt: [user, assistant, user], expected: 'two' })
  })

  it('takes Windows line ends and skips blank lines', () => {
    expect(parseDataset(`${line(user, assistant)}\r\n\r\n${line(user, assistant)}\r\n`, 'f')).toHaveLength(2)
  })

  it.each([
    { name: 'not JSON', bad: '{oops', says: /not JSON: [^(]*$/ },
    { name: 'not an object', bad: '[]', says: /must be a JSON object/ },
    { name: 'no messages', bad: '{}', says: /"messages" must be a list/ },
    { name: 'only an answer', bad: line(assistant), says: /needs a question/ },
    { name: 'empty messages', bad: line(), says: /needs a question/ },
    { name: 'no answer', bad: line(user, user), says: /last message must be the assistant/ },
    {
      name: 'an answer that is no text',
      bad: line(user, { role: 'assistant', content: null }),
      says: /last message/,
    },
    {
      name: 'a message without role',
      bad: line({ content: 'x' }, assistant),
      says: /messages\[0\] has no role/,
    },
    {
      name: 'a message that is text',
      bad: line('hello', assistant),
      says: /messages\[0\] must be a JSON object/,
    },
  ])('refuses $name and names file and line', ({ bad, says }) => {
    const parse = () => parseDataset(`${line(user, assistant)}\n\n${bad}`, 'my.jsonl')
    expect(parse).toThrow(DatasetError)
    expect(parse).toThrow(/^my\.jsonl, line 3: /)
    expect(parse).toThrow(says)
  })

  it('refuses a file without examples', () => {
    expect(() => parseDataset('\n\n', 'my.jsonl')).toThrow('my.jsonl has no examples')
  })
})

describe('readDataset', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tunegate-test-'))
  })
  afterAll(() => rm(dir, { recursive: true }))

  it('refuses bytes that are not UTF-8', async () => {
    const path = join(dir, 'latin1.jsonl')
    await writeFile(path, Buffer.from(line(user, { ...assistant, content: 'café' }), 'latin1'))
    await expect(readDataset(path)).rejects.toThrow(`${path} is not UTF-8`)
  })

  it('says what is wrong with a path', async () => {
    await expect(readDataset(join(dir, 'nothing'))).rejects.toThrow('there is no such file')
    await expect(readDataset(dir)).rejects.toThrow('it is a directory')
  })
})

describe('examples/support', () => {
  const read = (split: string) => {
    const path = new URL(`../../examples/support/${split}.jsonl`, import.meta.url)
    return parseDataset(readFileSync(path, 'utf8'), split)
  }
  const splits = { train: read('train'), valid: read('valid'), test: read('test') }
  const all = Object.values(splits).flat()

  it('has enough lines and ten intents', () => {
    expect(splits.train.length).toBeGreaterThanOrEqual(240)
    expect(splits.valid.length).toBeGreaterThanOrEqual(48)
    expect(splits.test.length).toBeGreaterThanOrEqual(48)
    expect(new Set(all.map(example => example.expected)).size).toBe(10)
  })

  it.each(Object.entries(splits))('has all intents equally often in %s', (_split, examples) => {
    const counts = Object.values(Object.groupBy(examples, example => example.expected)).map(
      group => group?.length,
    )
    expect(new Set(counts).size).toBe(1)
    expect(counts).toHaveLength(10)
  })

  it('says nothing twice, within a split or across them', () => {
    const plain = all.map(example =>
      String(example.prompt.at(-1)?.content)
        .toLowerCase()
        .replace(/[^\p{L}\p{N}]+/gu, ' ')
        .trim(),
    )
    expect(new Set(plain).size).toBe(plain.length)
  })
})
