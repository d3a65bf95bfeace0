import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createInput } from '../../shared/datasets/input/index.ts'
import { LONGEST_LINE } from '../../shared/datasets/lines.ts'
import type { Declaration } from '../../shared/openai/index.ts'
import { cutAt, cuts, everyCut, joined, utf8 } from './support/bytes.ts'

type Found = { line: number; value: unknown; index: number | undefined; text: string | undefined }
type Trouble = [line: number | null, code: string, path: string]

const read = (chunks: Uint8Array[], declaration: Declaration = {}) => {
  const values: Found[] = []
  const problems: Trouble[] = []
  const messages: string[] = []
  const input = createInput(declaration, {
    onValue: (value, line, text, index) => values.push({ line, value, index, text }),
    onProblem: ({ line, code, path, message }) => {
      problems.push([line, code, path])
      messages.push(message)
    },
  })
  for (const chunk of chunks) input.write(chunk)
  input.end()
  return {
    values,
    problems,
    messages,
    format: input.format,
    isCanonical: input.isCanonical,
    lines: input.lines,
  }
}
const readText = (text: string, declaration?: Declaration) => read([utf8(text)], declaration)

const chat = (user: string, assistant: string, system?: string) => ({
  messages: [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ],
})
const at = (line: number, value: unknown, index?: number) => ({ line, value, index, text: undefined })

describe('what a dataset is', () => {
  it.each([
    ['lines', '{"messages":[]}\n', 'jsonl', 'openai', true],
    ['lines after blank ones and a mark', '\uFEFF\r\n \n{"messages":[]}', 'jsonl', 'openai', true],
    ['an array', '\n [\n{"messages":[]}]', 'json', 'openai', false],
    ['an array after a mark', '\uFEFF[]', 'json', 'openai', false],
    ['columns', 'system,user,assistant\na,b,c\n', 'csv', 'openai', false],
    ['columns in any order and case, with others', 'id,Assistant,USER\n1,b,a\n', 'csv', 'openai', false],
    ['prompt and completion', 'prompt,completion\na,b\n', 'csv', 'openai', false],
    ['semicolons', '"user";"assistant"\na;b\n', 'csv', 'openai', false],
    ['tabs', 'user\tassistant\na\tb\n', 'csv', 'openai', false],
    ['Gemini', '{"contents":[{"role":"user","parts":[{"text":"a"}]}]}', 'jsonl', 'gemini', false],
    [
      'Gemini in an array',
      '[{"contents":[{"role":"user","parts":[{"text":"a"}]}]}]',
      'json',
      'gemini',
      false,
    ],
    ['Nova', '{"schemaVersion":"bedrock-conversation-2024","messages":[]}', 'jsonl', 'nova', false],
    ['Claude', '{"system":"s","messages":[]}', 'jsonl', 'claude', false],
    [
      'prompt and completion in lines',
      '{"prompt":"a","completion":"b"}',
      'jsonl',
      'prompt_completion',
      false,
    ],
    ['columns that are not known', 'text,label\na,b\n', 'csv', 'openai', false],
    ['half a line of JSON', '"role":"user","content":"a"}]}\n{}', 'jsonl', 'openai', true],
    ['nothing', '', 'jsonl', 'openai', true],
    ['blank', ' \n\n', 'jsonl', 'openai', true],
    ['other text', 'hello\nworld\n', 'jsonl', 'openai', true],
  ])('%s', (_, text, container, lines, isCanonical) => {
    for (const chunks of everyCut(utf8(text)))
      expect(read(chunks)).toMatchObject({ format: { container, lines }, isCanonical })
  })

  it('is what is declared', () => {
    expect(readText('[1]\n', { format: 'jsonl' }).format.container).toBe('jsonl')
    expect(readText('a;b\n1;2', { format: 'csv' }).problems).toEqual([[1, 'csv_header', '']])
    expect(readText('{"contents":[]}', { format: 'openai' }).values).toHaveLength(1)
    expect(readText('a,b\n1,2', { columns: { user: 'a', assistant: 'b' } }).values).toEqual([
      at(2, chat('1', '2')),
    ])
  })
})

describe('CSV', () => {
  it('gives an example a record', () => {
    const { values, problems } = readText(
      'system,user,assistant\r\nBe brief.,Hi,Hello\r\n,"a ""b"", c","d\r\ne"\r\n\r\n,x,y',
    )
    expect(problems).toEqual([])
    expect(values).toEqual([
      at(2, chat('Hi', 'Hello', 'Be brief.')),
      at(3, chat('a "b", c', 'd\r\ne')),
      at(6, chat('x', 'y')),
    ])
  })

  it('takes a mapping, with texts that are the same each time', () => {
    const columns = { system: { text: 'Name it.' }, user: 'text', assistant: 'category' }
    expect(readText('text,category\nWhere is it?,card_arrival\n', { columns }).values).toEqual([
      at(2, chat('Where is it?', 'card_arrival', 'Name it.')),
    ])
    const { problems, messages } = readText('text,label\na,b\n', { columns })
    expect(problems).toEqual([[1, 'csv_header', '']])
    expect(messages[0]).toContain("'category'")
  })

  it.each<[string, string, Trouble[], number]>([
    ['columns that are not used', 'id,user,assistant\n1,a,b', [[1, 'csv_unused_columns', '']], 1],
    ['a record too short', 'user,assistant\na\nb,c\n', [[2, 'csv_fields', '']], 1],
    [
      'a record too long, behind one of two lines',
      'user,assistant\n"a\nb",c\nd,e,f\n',
      [[4, 'csv_fields', '']],
      1,
    ],
    ['a quote that does not end', 'user,assistant\na,b\n\n"c,d\ne,f\n', [[4, 'csv_quotes', '']], 1],
    ['a quote within a field', 'user,assistant\na,b\nc"d,e\nf,g\n', [[3, 'csv_quotes', '']], 1],
    ['text after a quoted field', 'user,assistant\n"a"b,c\nf,g\n', [[2, 'csv_quotes', '']], 0],
    ['no header', '\n\n', [[null, 'csv_header', '']], 0],
  ])('%s', (_, text, expected, count) => {
    for (const chunks of everyCut(utf8(text))) {
      const { problems, values } = read(chunks, { format: 'csv' })
      expect(problems).toEqual(expected)
      expect(values).toHaveLength(count)
    }
  })

  it('refuses a record that is too long', () => {
    const long = `user,assistant\na,b\n"${'x\n'.repeat(LONGEST_LINE / 2 + 1)}`
    const { problems, values } = readText(long)
    expect(problems.map(([, code]) => code)).toEqual(['line_too_long'])
    expect(values).toHaveLength(1)
  })
})

describe('a JSON array', () => {
  it('gives its elements with the lines they begin in', () => {
    const { values, problems } = readText('[\n  {"a": 1},\n\n  {"b": "],}\\"["\n  }, 3,"x"\n]\n')
    expect(problems).toEqual([])
    expect(values).toEqual([
      { ...at(2, { a: 1 }, 0), text: '{"a": 1}' },
      { ...at(4, { b: '],}"[' }, 1), text: '{"b": "],}\\"["}' },
      { ...at(5, 3, 2), text: '3' },
      { ...at(5, 'x', 3), text: '"x"' },
    ])
  })

  it('gives each as a line of its own, in which nothing is written otherwise', () => {
    const written =
      '{"n": 9223372036854775807, "big": 1e400, "exact": 1.0, "two": 1, "two": "\\ud800 \\u0000\\n"}'
    const spread = written.replaceAll(', ', ' ,\r\n \t').replaceAll(': ', ' :\n\n ')
    for (const chunks of everyCut(utf8(`[${spread}]`)))
      expect(read(chunks).values.map(({ text }) => text)).toEqual([
        written.replaceAll(', ', ' ,').replaceAll(': ', ' :'),
      ])
  })

  it.each<[string, string, Trouble[], number]>([
    ['no elements', '[ \n ]', [], 0],
    ['a bad element between good ones', '[{},\n{"a":},\n{}]', [[2, 'not_json', '[1]']], 2],
    ['nothing between commas', '[{},\n,{}]', [[2, 'not_json', '[1]']], 2],
    ['a comma at the end', '[{},\n]', [[2, 'not_json', '[1]']], 1],
    ['no end', '[{},\n{}', [[2, 'not_json', '']], 1],
    ['no end in a string', '[{},\n"a]', [[2, 'not_json', '']], 1],
    ['more after its end', '[{}]\n{}', [[2, 'not_json', '']], 1],
    ['a closing brace', '[{}\n}', [[2, 'not_json', '']], 0],
  ])('%s', (_, text, expected, count) => {
    for (const chunks of everyCut(utf8(text))) {
      const { problems, values } = read(chunks)
      expect(problems).toEqual(expected)
      expect(values).toHaveLength(count)
    }
  })

  it('refuses an element that is too long, and keeps none of it', () => {
    const { problems } = readText(`[{},\n"${'x'.repeat(LONGEST_LINE + 1)}`)
    expect(problems).toEqual([[2, 'line_too_long', '']])
  })
})

/** JSON that can be parsed, but not written again. */
const DEEP = '['.repeat(100_000) + ']'.repeat(100_000)

describe('values nested deeper than can be handled', () => {
  it('are no examples, whoever fails on them', () => {
    const problems: unknown[] = []
    const values: unknown[] = []
    const input = createInput(
      {},
      {
        onValue(value) {
          JSON.stringify(value)
          values.push(value)
        },
        onProblem: problem => problems.push(problem),
      },
    )
    input.write(utf8(`{}\n{"a":${DEEP}}\n{}\n`))
    input.end()
    expect(values).toEqual([{}, {}])
    expect(problems).toEqual([
      { line: 2, path: '', code: 'invalid_example', message: 'is nested too deeply' },
    ])
  })

  it("are none in a provider's form either", () => {
    const part = `{"functionCall":{"name":"f","args":{"a":${DEEP}}}}`
    const { problems, values } = readText(`[{"contents":[{"role":"model","parts":[${part}]}]}]`)
    expect(values).toEqual([])
    expect(problems).toEqual([[1, 'invalid_example', '[0]']])
  })

  it('leave other failures what they are', () => {
    const input = createInput(
      {},
      {
        onValue() {
          throw new TypeError('other')
        },
        onProblem: () => undefined,
      },
    )
    expect(() => input.write(utf8('{}\n'))).toThrow('other')
  })
})

const messageText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    'ß, "漢"',
    'line\nend',
    'two\r\nends\r\n',
    '👩‍👩‍👧',
    '\uFEFFmark',
    ';\t',
    '{"a":[1]}',
    '\\"',
    '\u2028',
  ),
)
const example = fc
  .tuple(
    messageText,
    messageText,
    fc.option(
      messageText.filter(text => text !== ''),
      { nil: undefined },
    ),
  )
  .map(([user, assistant, system]) => chat(user, assistant, system))
const examples = fc.array(example, { minLength: 1, maxLength: 12 })
const lineEnd = fc.constantFrom('\n', '\r\n')
const layout = fc.record({
  end: lineEnd,
  hasLastEnd: fc.boolean(),
  hasMark: fc.boolean(),
  blanks: fc.nat({ max: 2 }),
})
type Example = ReturnType<typeof chat>
type Layout = { end: string; hasLastEnd: boolean; hasMark: boolean; blanks: number }

/** A file with these records, and the line each begins in. */
const write = (records: string[], { end, hasLastEnd, hasMark, blanks }: Layout, separator = '') => {
  let text = ''
  const lines: number[] = []
  for (const [index, record] of records.entries()) {
    lines.push(text.split('\n').length)
    const isLast = index === records.length - 1
    text +=
      record + (isLast ? '' : separator) + (isLast && !hasLastEnd ? '' : end.repeat(isLast ? 1 : 1 + blanks))
  }
  return { text: (hasMark ? '\uFEFF' : '') + text, lines }
}
const cell = (text: string) =>
  /[",;\t\r\n]/.test(text) || text.trim() === '' || /^\uFEFF/.test(text)
    ? `"${text.replaceAll('"', '""')}"`
    : text
const said = ({ messages }: Example, role: string) =>
  messages.find(message => message.role === role)?.content ?? ''

/** Each container: how it is written, by the book. */
const WRITERS: Record<string, (all: Example[], layout: Layout) => { text: string; lines: number[] }> = {
  jsonl: (all, how) =>
    write(
      all.map(each => JSON.stringify(each)),
      how,
    ),
  csv(all, how) {
    const record = (each: Example) =>
      ['assistant', 'system', 'user'].map(role => cell(said(each, role))).join(',')
    const { text, lines } = write(['assistant,system,user', ...all.map(record)], how)
    return { text, lines: lines.slice(1) }
  },
  json(all, how) {
    const { text, lines } = write(
      all.map(each => JSON.stringify(each, null, 1)),
      how,
      ',',
    )
    return { text: how.hasMark ? `\uFEFF[${text.slice(1)}]` : `[${text}]`, lines }
  },
}

describe.each(Object.entries(WRITERS))('any dataset as %s', (container, writer) => {
  it('is read whole, each example with its line', () => {
    fc.assert(
      fc.property(examples, layout, cuts(1500), (all, how, offsets) => {
        const { text, lines } = writer(all, how)
        const { values, problems, format, lines: count } = read(cutAt(utf8(text), offsets))
        expect(problems).toEqual([])
        expect(count).toBe(text.split('\n').length - (text.endsWith('\n') ? 1 : 0))
        expect(format).toEqual({ container, lines: 'openai' })
        expect(values.map(({ value }) => value)).toEqual(all)
        expect(values.map(({ line }) => line)).toEqual(lines)
      }),
      { numRuns: 60 },
    )
  })

  it('is read the same at every cut', () => {
    const all = [chat('ü "x",\r\n漢', 'a\nb', 's;'), chat('\uFEFF👩‍👩‍👧', ''), chat(' ', '[{\\"')]
    for (const how of [
      { end: '\r\n', hasLastEnd: false, hasMark: true, blanks: 1 },
      { end: '\n', hasLastEnd: true, hasMark: false, blanks: 0 },
    ]) {
      const { text, lines } = writer(all, how)
      for (const chunks of everyCut(utf8(text))) {
        const { values, problems } = read(chunks)
        expect(problems).toEqual([])
        expect(values.map(({ value, line }) => [line, value])).toEqual(
          all.map((each, index) => [lines[index], each]),
        )
      }
    }
  })

  it('ends where it is not UTF-8, with the line of that', () => {
    const all = [chat('a', 'b'), chat('Q', 'd'), chat('e', 'f')]
    const { text } = writer(all, { end: '\n', hasLastEnd: true, hasMark: false, blanks: 0 })
    const bytes = utf8(text)
    const bad = bytes.indexOf('Q'.charCodeAt(0))
    bytes[bad] = 0xff
    const line = text.slice(0, bad).split('\n').length
    for (const chunks of everyCut(bytes)) {
      const { values, problems } = read(chunks)
      expect(problems).toEqual([[line, 'not_utf8', '']])
      expect(values).toHaveLength(1)
    }
  })

  it('takes any bytes without failing, the same at every cut', () => {
    fc.assert(
      fc.property(
        examples,
        layout,
        fc.array(fc.tuple(fc.nat(1500), fc.nat(255)), { maxLength: 3 }),
        cuts(1500),
        (all, how, damage, offsets) => {
          const bytes = utf8(writer(all, how).text)
          for (const [place, byte] of damage) if (place < bytes.length) bytes[place] = byte
          // How many lines were read before all is given up is the only thing that may differ.
          const { lines: _, ...whole } = read([bytes], { format: container as 'csv' })
          expect(read(cutAt(bytes, offsets), { format: container as 'csv' })).toMatchObject(whole)
        },
      ),
      { numRuns: 40 },
    )
  })
})

it('a byte that is none is met at the same place in the midst of a line, however the line is cut', () => {
  const bytes = utf8(JSON.stringify([chat('a', 'b'), chat('ü', 'c'), chat('e', 'f')]))
  bytes[bytes.indexOf(0xc3)] = 0x80
  const whole = read([bytes], { format: 'json' })
  expect(whole.values.map(({ index }) => index)).toEqual([0])
  expect(whole.problems).toMatchObject([[1, 'not_utf8', '']])
  for (const chunks of everyCut(bytes)) expect(read(chunks, { format: 'json' })).toEqual(whole)
})

describe('large files', () => {
  it.each(['jsonl', 'csv', 'json'])('%s: read the same at random offsets', container => {
    const all = Array.from({ length: 600 }, (_, index) =>
      chat(`ü\n"${index}", 漢`, `${index}`.repeat(index % 40), 's'),
    )
    const made = WRITERS[container]?.(all, { end: '\r\n', hasLastEnd: true, hasMark: true, blanks: 1 })
    const bytes = utf8(made?.text ?? '')
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 200 }), offsets => {
        const { values, problems } = read(cutAt(bytes, offsets))
        expect(problems).toEqual([])
        expect(values.map(({ line }) => line)).toEqual(made?.lines)
        expect(values.map(({ value }) => value)).toEqual(all)
      }),
      { numRuns: 10 },
    )
  })
})

it('a chunk may be used again for other bytes', () => {
  const text = utf8('{"messages":[1]}\n{"messages":[2]}\n')
  for (const cut of [1, 3, 20]) {
    const memory = new Uint8Array(cut)
    const values: unknown[] = []
    const input = createInput({}, { onValue: value => values.push(value), onProblem: () => undefined })
    for (let start = 0; start < text.length; start += cut) {
      const piece = text.subarray(start, start + cut)
      memory.set(piece)
      input.write(memory.subarray(0, piece.length))
      memory.fill(0x20)
    }
    input.end()
    expect(values).toEqual([{ messages: [1] }, { messages: [2] }])
  }
  expect(joined([text])).toEqual(text)
})
