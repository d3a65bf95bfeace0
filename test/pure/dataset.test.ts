import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exampleProblem } from '../../shared/datasets/example.ts'
import { createValidator } from '../../shared/datasets/validator.ts'
import { ApiError } from '../../shared/openai/index.ts'
import { cutAt, cuts, everyCut, joined, utf8 } from './support/bytes.ts'

const user = { role: 'user', content: 'hello' }
const assistant = { role: 'assistant', content: 'hi' }
const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } }
const chat = (...messages: unknown[]) => ({ messages })

const GOOD: Record<string, unknown> = {
  'a chat': chat(user, assistant),
  'with a system message': chat({ role: 'system', content: 'Be terse.' }, user, assistant),
  'with a developer message': chat({ role: 'developer', content: 'Be terse.' }, user, assistant),
  'without a system message (Portkey 3: such lines were dropped)': chat(user, assistant),
  'several turns, weighted': chat(user, { ...assistant, weight: 0 }, user, { ...assistant, weight: 1 }),
  'an empty answer': chat(user, { role: 'assistant', content: '' }),
  'tool calls (Portkey 3)': {
    messages: [
      user,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: '3 °C' },
      assistant,
    ],
    tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }],
    parallel_tool_calls: false,
  },
  'tool calls without content': chat(user, { role: 'assistant', tool_calls: [call, call] }),
  'tool calls beside content': chat(user, { ...assistant, tool_calls: [call] }),
  'a function call of the old kind': {
    messages: [
      user,
      { role: 'assistant', function_call: { name: 'weather', arguments: '{}' } },
      { role: 'function', name: 'weather', content: '3 °C' },
    ],
    functions: [{ name: 'weather' }],
  },
  'no name': chat({ ...user, name: null }, { role: 'assistant', content: 'hi' }),
  'a refusal': chat(user, { role: 'assistant', content: null, refusal: 'No.' }),
  'images (Portkey 3)': chat(
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
      ],
    },
    assistant,
  ),
  'a preference': {
    input: { messages: [user], tools: [], parallel_tool_calls: true },
    preferred_output: [assistant],
    non_preferred_output: [{ role: 'assistant', content: 'no' }],
  },
  'a preference between tool calls': {
    input: { messages: [user] },
    preferred_output: [{ role: 'assistant', tool_calls: [call] }],
    non_preferred_output: [assistant],
  },
  'for a grader: a question and fields beside it': { messages: [user], answer: '42', rubric: { points: 3 } },
}

const BAD: [string, unknown, string][] = [
  ['a string', 'hello', ''],
  ['a number', 1, ''],
  ['null', null, ''],
  ['a list', [chat(user, assistant)], ''],
  ['an empty object', {}, 'messages'],
  ['prompt and completion, the old form', { prompt: 'a', completion: 'b' }, 'messages'],
  ['no messages', chat(), 'messages'],
  ['messages that are none', { messages: 'hello' }, 'messages'],
  ['messages of null', { messages: null }, 'messages'],
  ['a message that is a string', chat('hello'), 'messages[0]'],
  ['a message of null', chat(user, null), 'messages[1]'],
  ['a message that is a list', chat([user]), 'messages[0]'],
  ['a message without a role', chat(user, { content: 'hi' }), 'messages[1].role'],
  ['a role that is none', chat({ role: 'bot', content: 'hi' }), 'messages[0].role'],
  ['a role in capitals', chat({ role: 'User', content: 'hi' }), 'messages[0].role'],
  ['a role that is no string', chat({ role: 1, content: 'hi' }), 'messages[0].role'],
  ['a role out of a prototype', chat({ role: 'constructor', content: 'hi' }), 'messages[0].role'],
  ['no content', chat({ role: 'user' }), 'messages[0].content'],
  ['content of null', chat({ role: 'user', content: null }), 'messages[0].content'],
  ['content that is a number', chat({ role: 'user', content: 1 }), 'messages[0].content'],
  ['content that is an object', chat({ role: 'user', content: {} }), 'messages[0].content'],
  ['content without parts', chat({ role: 'user', content: [] }), 'messages[0].content'],
  ['a part that is a string', chat({ role: 'user', content: ['hi'] }), 'messages[0].content'],
  ['a part without a type', chat({ role: 'user', content: [{ text: 'hi' }] }), 'messages[0].content'],
  ['a text without text', chat({ role: 'user', content: [{ type: 'text' }] }), 'messages[0].content'],
  [
    'a text of an object',
    chat({ role: 'user', content: [{ type: 'text', text: {} }] }),
    'messages[0].content',
  ],
  ['a name that is a number', chat({ role: 'user', content: 'hi', name: 7 }), 'messages[0].name'],
  [
    'a refusal that is an object',
    chat(user, { role: 'assistant', content: null, refusal: {}, tool_calls: [call] }),
    'messages[1].refusal',
  ],
  ['an assistant that says nothing', chat(user, { role: 'assistant', content: null }), 'messages[1].content'],
  ['an assistant without content', chat(user, { role: 'assistant' }), 'messages[1].content'],
  [
    'a tool without the id of its call',
    chat(user, { role: 'tool', content: 'x' }),
    'messages[1].tool_call_id',
  ],
  ['tool calls of a user', chat({ ...user, tool_calls: [call] }), 'messages[0].tool_calls'],
  ['tool calls that are none', chat(user, { ...assistant, tool_calls: {} }), 'messages[1].tool_calls'],
  ['no tool calls', chat(user, { ...assistant, tool_calls: [] }), 'messages[1].tool_calls'],
  [
    'a tool call of null',
    chat(user, { ...assistant, tool_calls: [call, null] }),
    'messages[1].tool_calls[1]',
  ],
  [
    'a tool call without an id',
    chat(user, { ...assistant, tool_calls: [{ ...call, id: undefined }] }),
    'messages[1].tool_calls[0].id',
  ],
  [
    'a tool call of another type',
    chat(user, { ...assistant, tool_calls: [{ ...call, type: 'tool' }] }),
    'messages[1].tool_calls[0].type',
  ],
  [
    'a tool call of nothing',
    chat(user, { ...assistant, tool_calls: [{ ...call, function: null }] }),
    'messages[1].tool_calls[0].function',
  ],
  [
    'a tool call without a name',
    chat(user, { ...assistant, tool_calls: [{ ...call, function: { arguments: '{}' } }] }),
    'messages[1].tool_calls[0].function.name',
  ],
  [
    'arguments that are an object',
    chat(user, { ...assistant, tool_calls: [{ ...call, function: { name: 'f', arguments: {} } }] }),
    'messages[1].tool_calls[0].function.arguments',
  ],
  ['a weight of two', chat(user, { ...assistant, weight: 2 }), 'messages[1].weight'],
  ['a weight of a half', chat(user, { ...assistant, weight: 0.5 }), 'messages[1].weight'],
  ['a weight that is a string', chat(user, { ...assistant, weight: '1' }), 'messages[1].weight'],
  ['a weight of a user', chat({ ...user, weight: 1 }, assistant), 'messages[0].weight'],
  [
    'a preference without input',
    { preferred_output: [assistant], non_preferred_output: [assistant] },
    'input',
  ],
  [
    'a preference over nothing',
    { input: {}, preferred_output: [assistant], non_preferred_output: [assistant] },
    'input.messages',
  ],
  [
    'a preference over a bad message',
    { input: chat({ role: 'user' }), preferred_output: [assistant], non_preferred_output: [assistant] },
    'input.messages[0].content',
  ],
  ['half a preference', { input: chat(user), preferred_output: [assistant] }, 'non_preferred_output'],
  ['the other half', { input: chat(user), non_preferred_output: [assistant] }, 'preferred_output'],
  [
    'a preference for nothing',
    { input: chat(user), preferred_output: [], non_preferred_output: [assistant] },
    'preferred_output',
  ],
  [
    'a preference for a string',
    { input: chat(user), preferred_output: 'hi', non_preferred_output: [assistant] },
    'preferred_output',
  ],
  [
    'a preference for a question',
    { input: chat(user), preferred_output: [user], non_preferred_output: [assistant] },
    'preferred_output[0].role',
  ],
  [
    'a preference for a bad answer',
    { input: chat(user), preferred_output: [assistant], non_preferred_output: [{ role: 'assistant' }] },
    'non_preferred_output[0].content',
  ],
]

const verdict = (chunks: Uint8Array[]): { examples: number } | ApiError => {
  const validator = createValidator()
  for (const chunk of chunks) validator.write(chunk)
  try {
    const { examples } = validator.finish()
    return { examples }
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
}

const line = JSON.stringify(chat(user, assistant))
const lines = (count: number, each = line): string => `${each}\n`.repeat(count)

describe('an example', () => {
  it.each(Object.entries(GOOD))('%s passes', (_, example) => {
    expect(exampleProblem(example)).toBeUndefined()
  })

  it.each(BAD)('%s is refused', (_, example, path) => {
    expect(exampleProblem(example)?.path).toBe(path)
  })

  it('is told by its first problem', () => {
    expect(exampleProblem(chat({ role: 'x' }, { role: 'y' }))?.path).toBe('messages[0].role')
  })
})

describe('the validator', () => {
  it.each(Object.entries(GOOD))('takes %s', (_, example) => {
    expect(verdict([utf8(lines(10, JSON.stringify(example)))])).toEqual({ examples: 10 })
  })

  it.each(BAD)('refuses %s with line and path (Portkey 4: such lines were dropped)', (_, example, path) => {
    const file = `${lines(3)}\n${JSON.stringify(example)}\n${lines(20)}`
    const error = verdict([utf8(file)])
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 400, code: 'invalid_dataset', param: 'file' })
    expect(error).toMatchObject({
      message: expect.stringMatching(/^Invalid dataset: line 5 is not a training example: .+\.$/),
    })
    if (path) expect(error).toMatchObject({ message: expect.stringContaining(` ${path} `) })
  })

  it.each([
    ['no JSON', 'hello', 'line 2 is not JSON'],
    ['half an object', line.slice(0, -5), 'line 2 is not JSON'],
    ['two objects', `${line}${line}`, 'line 2 is not JSON'],
    ['a trailing comma', `${line},`, 'line 2 is not JSON'],
    ['NaN', '{"messages":NaN}', 'line 2 is not JSON'],
    ['brackets without end', '['.repeat(200_000), 'line 2 is not JSON'],
    [
      'deep nesting',
      `${'['.repeat(5000)}${']'.repeat(5000)}`,
      'line 2 is not a training example: must be a JSON object',
    ],
    ['a list over several lines', '[\n', 'line 2 is not JSON'],
    ['a byte order mark in the middle', `\uFEFF${line}`, 'line 2 is not JSON'],
  ])('%s', (_, bad, message) => {
    expect(verdict([utf8(`${line}\n${bad}\n${lines(10)}`)])).toMatchObject({
      code: 'invalid_dataset',
      message: `Invalid dataset: ${message}.`,
    })
  })

  it.each([0, 1, 9])('%i examples are too few', count => {
    expect(verdict([utf8(lines(count))])).toMatchObject({
      status: 400,
      code: 'too_few_examples',
      param: 'file',
      message: expect.stringContaining(`has ${count} ${count === 1 ? 'example;' : 'examples;'}`),
    })
  })

  it('ten are enough, without a last line end, after a byte order mark, with CRLF', () => {
    expect(verdict([utf8(lines(10).trimEnd())])).toEqual({ examples: 10 })
    expect(verdict([utf8(`\uFEFF${lines(10)}`)])).toEqual({ examples: 10 })
    expect(verdict([utf8(lines(10).replaceAll('\n', '\r\n'))])).toEqual({ examples: 10 })
  })

  it('blank lines are lines but no examples', () => {
    expect(verdict([utf8(`\n \n\t\r\n${lines(9)}\n\n`)])).toMatchObject({ code: 'too_few_examples' })
    expect(verdict([utf8(`\n\n${lines(10)}\n \n`)])).toEqual({ examples: 10 })
    expect(verdict([utf8(`\n \n${lines(9)}x`)])).toMatchObject({
      message: 'Invalid dataset: line 12 is not JSON.',
    })
  })

  it('tells the first bad line only', () => {
    expect(verdict([utf8(`x\n{}\n${lines(10)}`)])).toMatchObject({
      message: 'Invalid dataset: line 1 is not JSON.',
    })
  })

  it.each([
    [
      'a bad line before one that is not UTF-8',
      joined([utf8(`x\n${line}\n`), Uint8Array.of(0xff)]),
      'line 1 is not JSON',
    ],
    [
      'one that is not UTF-8 before a bad line',
      joined([utf8(`${line}\n`), Uint8Array.of(0xc3), utf8('\nx\n')]),
      'line 2 is not UTF-8',
    ],
    ['UTF-16', Uint8Array.from([0xff, 0xfe, 0x7b, 0x00]), 'line 1 is not UTF-8'],
    [
      'Latin-1',
      Uint8Array.from([...utf8(`${line}\n{"m":"Gr`), 0xfc, ...utf8('n"}\n')]),
      'line 2 is not UTF-8',
    ],
    ['a gzip', Uint8Array.from([0x1f, 0x8b, 0x08, 0x00]), 'line 1 is not UTF-8'],
  ])('%s: the same verdict at every cut', (_, bytes, message) => {
    for (const chunks of everyCut(bytes)) {
      expect(verdict(chunks)).toMatchObject({
        code: 'invalid_dataset',
        message: `Invalid dataset: ${message}.`,
      })
    }
  })

  it('gives any file the same verdict, whatever the cuts', () => {
    const bad = fc.constantFrom(
      ...BAD.map(([, example]) => utf8(JSON.stringify(example))),
      utf8('x'),
      Uint8Array.of(0xed, 0xa0, 0x80),
    )
    const good = fc.constantFrom(
      ...Object.values(GOOD).map(example => utf8(JSON.stringify(example))),
      utf8(''),
      utf8(' '),
    )
    const file = fc
      .array(fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: bad }), {
        minLength: 8,
        maxLength: 20,
      })
      .map(all => joined(all.flatMap(each => [each, utf8('\n')])))
    fc.assert(
      fc.property(file, cuts(6000), (bytes, offsets) => {
        const whole = verdict([bytes])
        const cut = verdict(cutAt(bytes, offsets))
        expect(cut instanceof ApiError ? cut.message : cut).toEqual(
          whole instanceof ApiError ? whole.message : whole,
        )
      }),
      { numRuns: 200 },
    )
  })

  it('never repeats the data (Portkey 8: the error echoed training data)', () => {
    const MARK = 'S3CR3T'
    const secret = fc.oneof(
      fc.constant(MARK),
      fc.string({ maxLength: 8 }).map(noise => `${noise}${MARK}${noise}`),
    )
    const keys = [
      'messages',
      'role',
      'content',
      'type',
      'text',
      'tool_calls',
      'function',
      'name',
      'arguments',
      'id',
      'weight',
      'input',
      'preferred_output',
      'non_preferred_output',
      'tool_call_id',
      MARK,
    ]
    const { node } = fc.letrec(tie => ({
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.oneof(
          secret,
          fc.constantFrom('user', 'assistant', 'tool', 'function'),
          fc.integer(),
          fc.constant(null),
        ),
        fc.array(tie('node'), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom(...keys), tie('node'), { maxKeys: 6 }),
      ),
    }))
    // Each example of the tables, its strings but for roles and types replaced.
    const planted = [...Object.values(GOOD), ...BAD.map(([, example]) => example)].map(example =>
      JSON.parse(JSON.stringify(example), (key, value: unknown) =>
        typeof value === 'string' && key !== 'role' && key !== 'type' ? MARK : value,
      ),
    )
    const spoiled = [
      ...planted,
      chat({ role: MARK, content: MARK }),
      chat({ role: 'user', content: [{ type: MARK }, MARK] }),
    ]
    const broken = fc.tuple(fc.constantFrom(...spoiled), fc.nat({ max: 60 })).map(([example, at]) => {
      const text = JSON.stringify(example)
      return text.slice(0, Math.max(1, text.length - at))
    })
    fc.assert(
      fc.property(
        fc.oneof(
          node.map(value => JSON.stringify(value)),
          fc.constantFrom(...spoiled).map(example => JSON.stringify(example)),
          broken,
          secret,
        ),
        text => {
          const error = verdict([utf8(`${text}\n`)])
          expect(error).toBeInstanceOf(ApiError)
          expect(
            JSON.stringify(error instanceof ApiError ? [error.toBody(), error.stack, error.cause] : []),
          ).not.toContain(MARK)
        },
      ),
      { numRuns: 2000 },
    )
  })
})
