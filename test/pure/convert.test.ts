import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { convert, MOST_LOSSES, survey } from '../../shared/datasets/convert.ts'
import { type Example, FORMATS } from '../../shared/datasets/formats/index.ts'
import { LONGEST_LINE } from '../../shared/datasets/lines.ts'
import type { DatasetFormat } from '../../shared/providers/index.ts'
import { cutAt, cuts, everyCut, joined, readAll, streamOf, utf8 } from './support/bytes.ts'

type Convertible = Exclude<DatasetFormat, 'openai' | 'openai_with_mark'>
const CONVERTIBLE = ['gemini', 'nova', 'claude', 'prompt_completion'] as const

const converted = (format: Convertible, example: object) => {
  const convertOne = FORMATS[format].convert
  if (!convertOne) throw new Error(`${format} converts nothing`)
  const { line, losses } = convertOne(example as Example)
  return { line, lost: losses.map(({ path }) => path), losses }
}

const user = (content: unknown) => ({ role: 'user', content })
const assistant = (content: unknown, more: object = {}) => ({ role: 'assistant', content, ...more })
const system = (content: unknown, role: 'system' | 'developer' = 'system') => ({ role, content })
const text = (value: string) => ({ type: 'text', text: value })
const image = (url: string) => ({ type: 'image_url', image_url: { url } })
const call = (id: string, name: string, args = '{}') => ({
  id,
  type: 'function',
  function: { name, arguments: args },
})
const calling = (...tool_calls: object[]) => ({ role: 'assistant', content: null, tool_calls })
const result = (tool_call_id: string, content: unknown) => ({ role: 'tool', tool_call_id, content })
const chat = (...messages: object[]) => ({ messages })
const preference = (input: object, preferred: object[], other: object[]) => ({
  input,
  preferred_output: preferred,
  non_preferred_output: other,
})
const TOOL = {
  type: 'function',
  function: { name: 'find', description: 'Finds.', parameters: { type: 'object' } },
}

const PLAIN = chat(system('Be brief.'), user('Hi'), assistant('Hello'))
const LONG = chat(user('a'), assistant('b'), user('c'), assistant('d'))

describe('what is carried over whole', () => {
  const TABLE: [string, Convertible, object, unknown][] = [
    [
      'a plain example',
      'gemini',
      PLAIN,
      {
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        contents: [
          { role: 'user', parts: [{ text: 'Hi' }] },
          { role: 'model', parts: [{ text: 'Hello' }] },
        ],
      },
    ],
    [
      'a plain example',
      'nova',
      PLAIN,
      {
        schemaVersion: 'bedrock-conversation-2024',
        system: [{ text: 'Be brief.' }],
        messages: [
          { role: 'user', content: [{ text: 'Hi' }] },
          { role: 'assistant', content: [{ text: 'Hello' }] },
        ],
      },
    ],
    [
      'a plain example',
      'claude',
      PLAIN,
      {
        system: 'Be brief.',
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello' },
        ],
      },
    ],
    ['a plain example', 'prompt_completion', PLAIN, { prompt: 'Be brief.\n\nHi', completion: 'Hello' }],
    [
      'no system message',
      'prompt_completion',
      chat(user('Hi'), assistant('Hello')),
      { prompt: 'Hi', completion: 'Hello' },
    ],
    [
      'no system message',
      'claude',
      chat(user('Hi'), assistant('Hello')),
      {
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello' },
        ],
      },
    ],
    [
      'several turns',
      'nova',
      LONG,
      {
        schemaVersion: 'bedrock-conversation-2024',
        messages: ['a', 'b', 'c', 'd'].map((value, index) => ({
          role: index % 2 === 0 ? 'user' : 'assistant',
          content: [{ text: value }],
        })),
      },
    ],
    [
      'system and developer messages as one text, parts as theirs',
      'claude',
      chat(
        system('A'),
        system([text('B'), text('C')], 'developer'),
        user([text('x'), text('y')]),
        assistant('z'),
      ),
      {
        system: 'A\n\nBC',
        messages: [
          { role: 'user', content: 'xy' },
          { role: 'assistant', content: 'z' },
        ],
      },
    ],
    [
      'neighbours of one role as one turn',
      'claude',
      chat(user('a'), user('b'), assistant('c'), assistant('d')),
      {
        messages: [
          { role: 'user', content: 'a\n\nb' },
          { role: 'assistant', content: 'c\n\nd' },
        ],
      },
    ],
    [
      'neighbours of one role as parts of one turn',
      'gemini',
      chat(user('a'), user('b'), assistant('c')),
      {
        contents: [
          { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
          { role: 'model', parts: [{ text: 'c' }] },
        ],
      },
    ],
    [
      'images by their address',
      'gemini',
      chat(
        user([
          text('Which?'),
          image('https://example.com/a.PNG?size=2'),
          image('gs://bucket/b.jpg'),
          image('https://example.com/c.webp#x'),
        ]),
        assistant('The first.'),
      ),
      {
        contents: [
          {
            role: 'user',
            parts: [
              { text: 'Which?' },
              { fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a.PNG?size=2' } },
              { fileData: { mimeType: 'image/jpeg', fileUri: 'gs://bucket/b.jpg' } },
              { fileData: { mimeType: 'image/webp', fileUri: 'https://example.com/c.webp#x' } },
            ],
          },
          { role: 'model', parts: [{ text: 'The first.' }] },
        ],
      },
    ],
    [
      'tools, two calls at once and their results',
      'gemini',
      {
        ...chat(
          user('Find a and b'),
          calling(call('1', 'find', '{"q":"a"}'), call('2', 'look')),
          result('1', 'A'),
          result('2', [text('B'), text('!')]),
          assistant('Both.'),
        ),
        tools: [TOOL, { type: 'function', function: { name: 'look' } }],
      },
      {
        contents: [
          { role: 'user', parts: [{ text: 'Find a and b' }] },
          {
            role: 'model',
            parts: [
              { functionCall: { name: 'find', args: { q: 'a' } } },
              { functionCall: { name: 'look', args: {} } },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { name: 'find', response: { output: 'A' } } },
              { functionResponse: { name: 'look', response: { output: 'B!' } } },
            ],
          },
          { role: 'model', parts: [{ text: 'Both.' }] },
        ],
        tools: [
          {
            functionDeclarations: [
              { name: 'find', description: 'Finds.', parameters: { type: 'object' } },
              { name: 'look' },
            ],
          },
        ],
      },
    ],
    [
      'a call without arguments, and an example that ends in a call',
      'gemini',
      chat(user('Go'), calling(call('1', 'go', ''))),
      {
        contents: [
          { role: 'user', parts: [{ text: 'Go' }] },
          { role: 'model', parts: [{ functionCall: { name: 'go', args: {} } }] },
        ],
      },
    ],
    [
      'a preference',
      'gemini',
      preference(chat(system('S'), user('Q')), [assistant('good')], [assistant('bad')]),
      {
        systemInstruction: { parts: [{ text: 'S' }] },
        contents: [{ role: 'user', parts: [{ text: 'Q' }] }],
        completions: [
          { score: 1, completion: { role: 'model', parts: [{ text: 'good' }] } },
          { score: 0, completion: { role: 'model', parts: [{ text: 'bad' }] } },
        ],
      },
    ],
    [
      'weight 1, and null where there is nothing',
      'nova',
      chat(user('Hi'), assistant('Hello', { weight: 1, refusal: null })),
      {
        schemaVersion: 'bedrock-conversation-2024',
        messages: [
          { role: 'user', content: [{ text: 'Hi' }] },
          { role: 'assistant', content: [{ text: 'Hello' }] },
        ],
      },
    ],
  ]
  it.each(TABLE)('%s → %s', (_, format, example, line) => {
    expect(converted(format, example)).toEqual({ line, lost: [], losses: [] })
  })
})

describe('what is lost is told, with its path, and the rest kept', () => {
  const QUESTION = user('Hi')
  const ANSWER = assistant('Hello')
  const EVERY: [string, object, string[]][] = [
    ['weight 0', chat(QUESTION, assistant('no', { weight: 0 }), QUESTION, ANSWER), ['messages[1].weight']],
    ['a name', chat({ ...QUESTION, name: 'Ann' }, ANSWER), ['messages[0].name']],
    [
      'the name of a system message',
      chat({ ...system('S'), name: 'S' }, QUESTION, ANSWER),
      ['messages[0].name'],
    ],
    ['a refusal', chat(QUESTION, assistant('No', { refusal: 'I must not.' })), ['messages[1].refusal']],
    ['a deprecated call', chat(QUESTION, assistant('x', { function_call: { name: 'f' } })), ['messages[1]']],
    ['audio', chat(user([text('Hi'), { type: 'input_audio' }]), ANSWER), ['messages[0].content[1]']],
    [
      'an image in a system message',
      chat(system([text('S'), image('https://e.com/a.png')]), QUESTION, ANSWER),
      ['messages[0].content[1]'],
    ],
    [
      'a field of a message that no format has',
      chat({ ...QUESTION, audio: { id: 'a' } }, { ...ANSWER, reasoning_content: 'r' }),
      ['messages[0]', 'messages[1]'],
    ],
    [
      'a field of an example that no format has',
      { ...chat(QUESTION, ANSWER), response_format: { type: 'text' } },
      [''],
    ],
    ['the deprecated functions', { ...chat(QUESTION, ANSWER), functions: [{ name: 'f' }] }, ['functions']],
    [
      'parallel tool calls',
      { ...chat(QUESTION, ANSWER), parallel_tool_calls: false },
      ['parallel_tool_calls'],
    ],
  ]
  it.each(CONVERTIBLE.flatMap(format => EVERY.map(row => [format, ...row] as const)))(
    '%s: %s',
    (format, _, example, paths) => {
      const { line, lost, losses } = converted(format, example)
      // Single turns are another loss, told beside.
      expect(lost.filter(path => format !== 'prompt_completion' || path !== 'messages')).toEqual(paths)
      for (const { message } of losses) expect(message).toMatch(/^.{5,}$/)
      expect(line).toBeDefined()
    },
  )

  it.each(CONVERTIBLE)('%s: a field that is null says nothing', format => {
    const nulls = { audio: null, function_call: null, name: null, refusal: null }
    const example = {
      ...chat(QUESTION, { ...ANSWER, ...nulls }),
      response_format: null,
      parallel_tool_calls: null,
    }
    expect(converted(format, example)).toEqual(converted(format, chat(QUESTION, ANSWER)))
  })

  it("a preference's fields that no format has", () => {
    const input = { ...chat(QUESTION), store: true }
    const example = { ...preference(input, [ANSWER], [{ ...ANSWER, audio: 'a' }]), note: 'n' }
    expect(converted('gemini', example).lost.sort()).toEqual(['', 'input', 'non_preferred_output[0]'])
  })

  const strictTool = (strict: boolean | null) => ({ type: 'function', function: { name: 'f', strict } })
  const OWN: [string, Convertible, object, string[]][] = [
    [
      'an inline image',
      'gemini',
      chat(user([text('x'), image('data:image/png;base64,AAAA')]), ANSWER),
      ['messages[0].content[1]'],
    ],
    [
      'an image of no known type',
      'gemini',
      chat(user([text('x'), image('https://e.com/a.gif')]), ANSWER),
      ['messages[0].content[1]'],
    ],
    [
      'an image over plain http',
      'gemini',
      chat(user([text('x'), image('http://e.com/a.png')]), ANSWER),
      ['messages[0].content[1]'],
    ],
    [
      'a tool that is no function',
      'gemini',
      { ...chat(QUESTION, ANSWER), tools: [TOOL, { type: 'custom' }] },
      ['tools[1]'],
    ],
    [
      'a tool whose schema is to be kept to',
      'gemini',
      { ...chat(QUESTION, ANSWER), tools: [strictTool(true), strictTool(false), strictTool(null)] },
      ['tools[0].function.strict'],
    ],
    [
      'how closely an image is to be looked at',
      'gemini',
      chat(
        user([
          text('x'),
          { type: 'image_url', image_url: { url: 'https://e.com/kept.png', detail: 'high' } },
          { type: 'image_url', image_url: { url: 'https://e.com/other.png', detail: 'auto' } },
        ]),
        ANSWER,
      ),
      ['messages[0].content[1].image_url.detail'],
    ],
    [
      'arguments that are no JSON',
      'gemini',
      chat(QUESTION, assistant('x', { tool_calls: [call('1', 'f', '{')] })),
      ['messages[1].tool_calls[0].function.arguments'],
    ],
    [
      'arguments that are a list',
      'gemini',
      chat(QUESTION, assistant('x', { tool_calls: [call('1', 'f', '[]')] })),
      ['messages[1].tool_calls[0].function.arguments'],
    ],
    [
      'arguments that are null',
      'gemini',
      chat(QUESTION, assistant('x', { tool_calls: [call('1', 'f', 'null')] })),
      ['messages[1].tool_calls[0].function.arguments'],
    ],
    [
      'a result without a call',
      'gemini',
      chat(QUESTION, result('9', 'x'), ANSWER),
      ['messages[1].tool_call_id'],
    ],
    [
      'an image in a result',
      'gemini',
      chat(QUESTION, calling(call('1', 'f')), result('1', [text('x'), image('https://e.com/a.png')]), ANSWER),
      ['messages[2].content[1]'],
    ],
    [
      'tools of a preference',
      'gemini',
      preference({ ...chat(QUESTION), tools: [TOOL] }, [ANSWER], [assistant('b')]),
      ['input.tools'],
    ],
    [
      'functions of a preference',
      'gemini',
      preference({ ...chat(QUESTION), functions: [] }, [ANSWER], [assistant('b')]),
      ['input.functions'],
    ],
    [
      'a weight in a preference',
      'gemini',
      preference(chat(QUESTION), [assistant('a', { weight: 0 })], [ANSWER]),
      ['preferred_output[0].weight'],
    ],
    [
      'a call in a preference',
      'gemini',
      preference(chat(QUESTION), [ANSWER], [assistant('b', { tool_calls: [call('1', 'f')] })]),
      ['non_preferred_output'],
    ],
    ...(['nova', 'claude', 'prompt_completion'] as const).flatMap((format): typeof OWN => [
      [
        'an image',
        format,
        chat(user([text('x'), image('https://e.com/a.png')]), ANSWER),
        ['messages[0].content[1]'],
      ],
      ['tools', format, { ...chat(QUESTION, ANSWER), tools: [TOOL] }, ['tools']],
      [
        'a call and its result',
        format,
        chat(QUESTION, calling(call('1', 'f')), result('1', 'r'), ANSWER),
        ['messages[1].tool_calls', 'messages[2]'],
      ],
    ]),
    ['earlier turns', 'prompt_completion', LONG, ['messages']],
  ]
  it.each(OWN)('%s: %s', (_, format, example, paths) => {
    const { line, lost } = converted(format, example)
    expect(lost).toEqual(paths)
    expect(line).toBeDefined()
    // What was told as lost is not in the line either.
    const sent = JSON.stringify(line)
    for (const gone of ['a.png', 'a.gif', 'base64', 'weight', 'custom']) expect(sent).not.toContain(gone)
    if (paths.some(path => path.includes('preferred_output') || path.includes('arguments')))
      expect(sent).not.toContain('functionCall')
  })

  it('keeps what earlier turns said as part of the prompt', () => {
    expect(converted('prompt_completion', LONG).line).toEqual({ prompt: 'a\n\nb\n\nc', completion: 'd' })
  })
})

describe('numbers in arguments that the format would round', () => {
  const lossesOf = (args: string) =>
    converted('gemini', chat(user('a'), calling(call('c', 'f', args)), result('c', 'r'), assistant('b'))).lost
  const PATH = 'messages[1].tool_calls[0].function.arguments'

  it.each([
    '{"id": 1234567890123456789}',
    '{"id": [{"a": -9007199254740993}]}',
    '{"id": 1e400}',
    '{"id": -1e400}',
    '{"__proto__": 1234567890123456789}',
  ])('%s is told', args => expect(lossesOf(args)).toEqual([PATH]))

  it.each([
    '{"id": "1234567890123456789"}',
    '{"id": 9007199254740991, "text": "1234567890123456789"}',
    '{"id": 9007199254740992}',
    '{"mass": 1.989e30, "cost": 1.50, "count": 2.0, "tiny": 1e-400}',
    '{"pi": 3.14159265358979323846}',
    '{"far": 1e20, "far too": 100000000000000000000}',
  ])('%s is not', args => expect(lossesOf(args)).toEqual([]))
})

describe('what cannot be trained on is left out, and told', () => {
  const BAD: [string, object, string][] = [
    ['begins with the assistant', chat(assistant('b'), user('a'), assistant('b')), 'messages'],
    ['ends with the user', chat(user('a'), assistant('b'), user('c')), 'messages'],
    ['has a user alone', chat(user('a')), 'messages'],
    ['has a system message alone', chat(system('a')), 'messages'],
    ['has an empty answer', chat(user('a'), assistant('')), 'messages'],
  ]
  it.each(CONVERTIBLE.flatMap(format => BAD.map(row => [format, ...row] as const)))(
    '%s: an example that %s',
    (format, _, example, path) => {
      const { line, lost } = converted(format, example)
      expect(line).toBeUndefined()
      expect(lost).toContain(path)
    },
  )

  it.each(['nova', 'claude', 'prompt_completion'] as const)('%s: a preference', format => {
    expect(converted(format, preference(chat(user('a')), [assistant('b')], [assistant('c')]))).toMatchObject({
      line: undefined,
      lost: ['preferred_output'],
    })
  })

  it.each([
    [
      'whose input ends with the assistant',
      preference(chat(user('a'), assistant('b')), [assistant('c')], [assistant('d')]),
    ],
    ['with an empty answer', preference(chat(user('a')), [assistant('')], [assistant('d')])],
    [
      'with an answer that is a call alone',
      preference(chat(user('a')), [calling(call('1', 'f'))], [assistant('d')]),
    ],
  ])('gemini: a preference %s', (_, example) => {
    const { line, lost } = converted('gemini', example)
    expect(line).toBeUndefined()
    expect(lost).toContain('input.messages')
  })

  it.each(['User:', 'Bot:', 'Assistant:', 'System:', '<image>', '<video>', '[EOS]'])(
    'nova: a text that holds the reserved %s, wherever it stands',
    word => {
      for (const [path, example] of [
        ['messages[0].content', chat(system(`x ${word}`), user('a'), assistant('b'))],
        ['messages[0].content', chat(user(`${word} a`), assistant('b'))],
        ['messages[1].content', chat(user('a'), assistant(word))],
      ] as const) {
        const { line, losses } = converted('nova', example)
        expect(line).toBeUndefined()
        expect(losses).toEqual([
          { path, message: expect.stringContaining(`'${word}'`), code: 'reserved_string' },
        ])
        // The other formats have no such words.
        expect(converted('claude', example).lost).toEqual([])
      }
    },
  )
})

/** Converts a whole file, cut anywhere. */
const convertFile = async (format: DatasetFormat, chunks: Uint8Array[]) =>
  readAll(streamOf(chunks).pipeThrough(convert(FORMATS[format])))
const surveyFile = (format: DatasetFormat, chunks: Uint8Array[]) => survey(streamOf(chunks), FORMATS[format])
const decoded = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

const lineOf = (example: object) => JSON.stringify(example)

describe("OpenAI's own format", () => {
  const ODD =
    '{ "messages" : [ {"role":"user","content":"\\u00fc 漢字 🎈"},{"role":"assistant","content":"b","weight":0}] }'

  it.each([
    ['lines as they are', `${ODD}\n${ODD}\n`, `${ODD}\n${ODD}\n`],
    ['no last line end', `${ODD}\n${ODD}`, `${ODD}\n${ODD}\n`],
    ['CRLF', `${ODD}\r\n${ODD}\r\n`, `${ODD}\n${ODD}\n`],
    ['blank lines', `\n\n${ODD}\n \t\n\r\n${ODD}\n\n`, `${ODD}\n${ODD}\n`],
    ['a byte order mark', `\uFEFF${ODD}\n`, `${ODD}\n`],
    ['a mark within', `\uFEFF{"a":"\uFEFF"}\n`, '{"a":"\uFEFF"}\n'],
    ['nothing', '', ''],
    ['nothing but a mark', '\uFEFF', ''],
  ])('%s, whatever the cuts', async (_, given, expected) => {
    const bytes = utf8(given)
    for (const chunks of [[bytes], ...everyCut(bytes)]) {
      expect(decoded(await convertFile('openai', chunks))).toBe(expected)
      expect(decoded(await convertFile('openai_with_mark', chunks))).toBe(`\uFEFF${expected}`)
    }
  })

  it.each(['openai', 'openai_with_mark'] as const)('%s loses nothing', async format => {
    const found = await surveyFile(format, [utf8(`\uFEFF${ODD}\n\n${ODD}`)])
    expect(found).toMatchObject({ examples: 2, losses: [], lossCount: 0 })
  })
})

describe('the survey', () => {
  const message = fc.oneof(
    fc.record({
      role: fc.constantFrom('system', 'user'),
      content: fc.string({ unit: 'binary', maxLength: 20 }),
    }),
    fc.record({
      role: fc.constant('assistant'),
      content: fc.string({ unit: 'grapheme', maxLength: 20 }),
      weight: fc.constantFrom(0, 1),
    }),
    fc.record({
      role: fc.constant('user'),
      content: fc.array(
        fc.oneof(
          fc.record({ type: fc.constant('text'), text: fc.string({ maxLength: 9 }) }),
          fc.constantFrom(image('https://e.com/a.png'), image('data:x'), { type: 'input_audio' }),
        ),
        { minLength: 1, maxLength: 3 },
      ),
    }),
    fc.constantFrom(calling(call('1', 'f')), result('1', 'x'), assistant(null, { refusal: 'No' })),
  )
  const messages = fc.array(message, { minLength: 1, maxLength: 5 })
  const output = fc.array(fc.record({ role: fc.constant('assistant'), content: fc.string() }), {
    minLength: 1,
    maxLength: 2,
  })
  const example = fc.oneof(
    fc.record({ messages }),
    fc.record({
      input: fc.record({ messages }),
      preferred_output: output,
      non_preferred_output: output,
    }),
  )
  const format = fc.constantFrom(...(Object.keys(FORMATS) as DatasetFormat[]))

  it('knows the bytes and the lines of the conversion, whatever the cuts', async () => {
    await fc.assert(
      fc.asyncProperty(
        format,
        fc.array(fc.oneof(example.map(lineOf), fc.constantFrom('', '  ')), { maxLength: 8 }),
        fc.constantFrom('\n', '\r\n'),
        fc.constantFrom('', '\uFEFF'),
        cuts(2000),
        cuts(2000),
        async (to, lines, end, mark, some, others) => {
          const bytes = utf8(mark + lines.join(end))
          const found = await surveyFile(to, cutAt(bytes, some))
          const made = await convertFile(to, cutAt(bytes, others))
          expect(made.length).toBe(found.bytes)
          const written = decoded(made)
            .replace(/^\uFEFF/, '')
            .split('\n')
            .slice(0, -1)
          expect(written).toHaveLength(found.examples)
          for (const line of written) JSON.parse(line)
          expect(made).toEqual(await convertFile(to, [bytes]))
          expect(found).toEqual(await surveyFile(to, [bytes]))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('takes no valid example for more than it is: what is sent alternates and ends with the answer', () => {
    fc.assert(
      fc.property(example, given => {
        const { line } = converted('claude', given)
        if (line === undefined) return
        const { messages: sent } = line as { messages: { role: string }[] }
        expect(sent.map(({ role }) => role)).toEqual(
          sent.map((_, index) => (index % 2 === 0 ? 'user' : 'assistant')),
        )
        expect(sent.length % 2).toBe(0)
      }),
    )
  })

  it.each([
    ['is not UTF-8', [...utf8('{"a":"'), 0xff, ...utf8('"}')]],
    ['is too long', utf8('x'.repeat(LONGEST_LINE + 1))],
  ])('refuses a line that %s, as does the conversion: no line goes in silence', async (why, bad) => {
    const good = utf8(`${JSON.stringify(PLAIN)}\n`)
    const refusal = { status: 400, message: `Invalid dataset: line 2 ${why}.` }
    const line = Uint8Array.from(bad)
    for (const after of [[], [utf8('\n'), good]]) {
      const body = () => streamOf([good, line, ...after])
      await expect(survey(body(), FORMATS.gemini)).rejects.toMatchObject(refusal)
      await expect(readAll(body().pipeThrough(convert(FORMATS.gemini)))).rejects.toMatchObject(refusal)
    }
  })

  it('refuses a line that is nested too deeply to be written', async () => {
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const example = JSON.stringify(chat(user('a'), calling(call('c', 'f', deep)), assistant('b')))
    await expect(survey(streamOf([utf8(`\n${example}\n`)]), FORMATS.gemini)).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('line 2'),
    })
  })

  it('names the line of each loss, blank ones counted, and stops naming but not counting', async () => {
    const lossy = lineOf({ ...PLAIN, tools: [TOOL] })
    const file = utf8(`\uFEFF${lineOf(PLAIN)}\r\n\r\n${lossy}\r\n${`${lossy}\n`.repeat(MOST_LOSSES + 5)}`)
    const { losses, lossCount, examples } = await surveyFile('claude', [file])
    expect(losses[0]).toMatchObject({ line: 3, path: 'tools' })
    expect(losses[1]).toMatchObject({ line: 4 })
    expect([losses.length, lossCount]).toEqual([MOST_LOSSES, MOST_LOSSES + 6])
    expect(examples).toBe(MOST_LOSSES + 7)
  })

  it('is passed on as it comes: no more is held than the line that is cut', async () => {
    const { readable, writable } = convert(FORMATS.nova)
    const [reader, writer] = [readable.getReader(), writable.getWriter()]
    const line = utf8(`${lineOf(PLAIN)}\n`)
    for (let count = 0; count < 3; count++) {
      const [, { value }] = await Promise.all([writer.write(joined([line, line.slice(0, 5)])), reader.read()])
      expect(decoded(value ?? new Uint8Array()).split('\n')).toHaveLength(2)
      const [, rest] = await Promise.all([writer.write(line.slice(5)), reader.read()])
      expect(rest.done).toBe(false)
    }
  })
})
