import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineConfig } from '../../shared/config.ts'
import { countingFor } from '../../shared/datasets/counting.ts'
import { createTally } from '../../shared/datasets/distribution.ts'
import { createFingerprints, type Fingerprint, fingerprint } from '../../shared/datasets/fingerprints.ts'
import { type Example, FORMATS } from '../../shared/datasets/formats/index.ts'
import { type Counting, createInspector, type InspectorOptions } from '../../shared/datasets/inspector.ts'
import { LIMITS, limitsOf } from '../../shared/datasets/limits.ts'
import { RULES } from '../../shared/datasets/rules.ts'
import { type Target, targetOf } from '../../shared/datasets/target.ts'
import { imageRuleOf } from '../../shared/datasets/tokens/images.ts'
import { PROBLEM_CODES, SOURCE_FORMATS } from '../../shared/openai/index.ts'
import { utf8 } from './support/bytes.ts'

const context = { config: defineConfig() }
const target = (provider: string, model: string, method?: Target['method']) =>
  targetOf(context, { provider, model, method })
const OPENAI = target('openai', 'gpt-4.1-2025-04-14')
/** The one that OpenAI trains on images. */
const VISION = target('openai', 'gpt-4o-2024-08-06')
const AZURE = target('azure', 'gpt-4.1-2025-04-14')
const GEMINI = target('vertex_ai', 'gemini-3.5-flash')
const NOVA = target('bedrock', 'amazon.nova-lite-v1:0')
const CLAUDE = target('bedrock', 'anthropic.claude-3-haiku-20240307-v1:0')
const LLAMA = target('bedrock', 'meta.llama3-1-8b-instruct-v1:0')

const user = (content: unknown = 'hello') => ({ role: 'user', content })
const assistant = (content: unknown = 'hi', more: object = {}) => ({ role: 'assistant', content, ...more })
const chat = (...messages: unknown[]) => ({ messages })
const call = (id: string, args = '{}', name = 'find') => ({
  id,
  type: 'function',
  function: { name, arguments: args },
})
const tools = [{ type: 'function', function: { name: 'find' } }]
const image = (url: unknown) => ({ type: 'image_url', image_url: { url } })
const preference = (preferred: unknown[], other: unknown[], ...messages: unknown[]) => ({
  input: { messages: messages.length > 0 ? messages : [user()] },
  preferred_output: preferred,
  non_preferred_output: other,
})

const inspect = (text: string, options: InspectorOptions = {}) => {
  const inspector = createInspector(options)
  inspector.write(utf8(text))
  return inspector.end()
}
const lines = (...examples: unknown[]) => `${examples.map(each => JSON.stringify(each)).join('\n')}\n`
/** Different good examples, so that nothing else is told. */
const good = (count: number) =>
  Array.from({ length: count }, (_, index) => chat(user(`question ${index}`), assistant()))
/** What is told of one example after ten good ones. */
const told = (example: unknown, whom?: Target) =>
  inspect(
    lines(...good(40), example),
    whom && { target: { ...whom, limits: { ...whom.limits, examples: {} } } },
  )
    .problems.filter(({ line }) => line === 41)
    .map(({ severity, code, path }) => [severity, code, path])

const big = `data:image/png;base64,${'A'.repeat(15 * 1024 * 1024)}`
const TOLD: [string, unknown, Target | undefined, string[][]][] = [
  ['nothing wrong', chat(user(), assistant()), undefined, []],
  [
    'a question without an answer',
    chat(user('q')),
    undefined,
    [['warning', 'last_not_assistant', 'messages[0].role']],
  ],
  ['the same for reinforcement', chat(user('q')), target('openai', 'o4-mini', 'reinforcement'), []],
  ['the same for Gemini', chat(user('q')), GEMINI, [['error', 'last_not_assistant', 'messages']]],
  ['the same for Claude', chat(user('q')), CLAUDE, [['error', 'last_not_assistant', 'messages']]],
  ['an answer without a question', chat(assistant('a')), undefined, []],
  ['the same for Nova', chat(assistant('a')), NOVA, [['error', 'first_not_user', 'messages']]],
  [
    'two questions',
    chat(user(), user(), assistant()),
    OPENAI,
    [['warning', 'not_alternating', 'messages[1].role']],
  ],
  [
    'two answers for Gemini',
    chat(user(), assistant(), assistant()),
    GEMINI,
    [['warning', 'not_alternating', 'messages[2].role']],
  ],
  [
    'an empty answer',
    chat(user(), assistant('')),
    OPENAI,
    [['warning', 'empty_content', 'messages[1].content']],
  ],
  [
    'a blank question',
    chat(user(' \n'), assistant()),
    OPENAI,
    [['warning', 'empty_content', 'messages[0].content']],
  ],
  [
    'no answer with a weight',
    chat(user(), assistant('a', { weight: 0 })),
    OPENAI,
    [['warning', 'nothing_to_train', 'messages']],
  ],
  [
    'one of two answers with a weight',
    chat(user(), assistant('a', { weight: 0 }), user(), assistant('b', { weight: 1 })),
    OPENAI,
    [],
  ],
  [
    'a weight for Gemini',
    chat(user(), assistant('a', { weight: 0 }), user(), assistant()),
    GEMINI,
    [['error', 'not_carried_over', 'messages[1].weight']],
  ],
  ['a call', { ...chat(user(), assistant(null, { tool_calls: [call('1')] })), tools }, OPENAI, []],
  [
    'a call with a result',
    {
      ...chat(
        user(),
        assistant(null, { tool_calls: [call('1')] }),
        { role: 'tool', tool_call_id: '1', content: 'x' },
        assistant(),
      ),
      tools,
    },
    OPENAI,
    [],
  ],
  [
    'arguments that are no JSON',
    { ...chat(user(), assistant(null, { tool_calls: [call('1', '{a}')] })), tools },
    OPENAI,
    [['warning', 'arguments_not_json', 'messages[1].tool_calls[0].function.arguments']],
  ],
  [
    'the same for Gemini',
    { ...chat(user(), assistant('a', { tool_calls: [call('1', '[]')] })), tools },
    GEMINI,
    [['error', 'arguments_not_json', 'messages[1].tool_calls[0].function.arguments']],
  ],
  [
    'a tool that is not declared',
    { ...chat(user(), assistant(null, { tool_calls: [call('1', '{}', 'other')] })), tools },
    OPENAI,
    [['warning', 'undeclared_tool', 'messages[1].tool_calls[0].function.name']],
  ],
  [
    'a call without a result',
    {
      ...chat(
        user(),
        assistant(null, { tool_calls: [call('1'), call('2')] }),
        { role: 'tool', tool_call_id: '2', content: 'x' },
        assistant(),
      ),
      tools,
    },
    OPENAI,
    [['warning', 'tool_call_without_result', 'messages[1].tool_calls[0]']],
  ],
  [
    'a result without a call',
    chat(user(), { role: 'tool', tool_call_id: '9', content: 'x' }, assistant()),
    OPENAI,
    [['warning', 'tool_result_without_call', 'messages[1].tool_call_id']],
  ],
  [
    'the same for Gemini',
    chat(user(), { role: 'tool', tool_call_id: '9', content: 'x' }, assistant()),
    GEMINI,
    [['error', 'tool_result_without_call', 'messages[1].tool_call_id']],
  ],
  [
    'tools that are none',
    { ...chat(user(), assistant()), tools: ['find'] },
    undefined,
    [['error', 'invalid_tools', 'tools']],
  ],
  [
    'tools for Llama',
    { ...chat(user(), assistant()), tools },
    LLAMA,
    [['error', 'not_carried_over', 'tools']],
  ],
  ['a preference', preference([assistant('a')], [assistant('b')]), OPENAI, []],
  [
    'a preference of several messages',
    preference([assistant('a'), assistant('c')], [assistant('b')]),
    OPENAI,
    [['error', 'preference_form', 'preferred_output']],
  ],
  ['the same on Azure', preference([assistant('a'), assistant('c')], [assistant('b')]), AZURE, []],
  [
    'the same without a provider',
    preference([assistant('a'), assistant('c')], [assistant('b')]),
    undefined,
    [['warning', 'preference_form', 'preferred_output']],
  ],
  [
    'a preference for a call',
    preference([assistant(null, { tool_calls: [call('1')] })], [assistant('b')]),
    OPENAI,
    [['error', 'preference_form', 'preferred_output']],
  ],
  [
    'a preference after an answer',
    preference([assistant('a')], [assistant('b')], user(), assistant()),
    OPENAI,
    [['error', 'preference_form', 'input.messages']],
  ],
  [
    'a preference for the same',
    preference([assistant('a')], [assistant('a')]),
    OPENAI,
    [['warning', 'preference_same', 'non_preferred_output']],
  ],
  [
    'a preference for Claude',
    preference([assistant('a')], [assistant('b')]),
    CLAUDE,
    [['error', 'not_carried_over', 'preferred_output']],
  ],
  [
    'a preference for supervised training',
    preference([assistant('a')], [assistant('b')]),
    target('openai', 'gpt-4.1', 'supervised'),
    [['error', 'wrong_kind', '']],
  ],
  [
    'a chat for dpo',
    chat(user(), assistant()),
    target('openai', 'gpt-4.1', 'dpo'),
    [['error', 'wrong_kind', '']],
  ],
  [
    'eleven images',
    chat(user(Array.from({ length: 11 }, () => image('https://a.example/b.png'))), assistant()),
    VISION,
    [['error', 'too_many_images', 'messages']],
  ],
  [
    'eleven images on Azure',
    chat(user(Array.from({ length: 11 }, () => image('https://a.example/b.png'))), assistant()),
    AZURE,
    [],
  ],
  [
    'an image that is too large',
    chat(user([image(big)]), assistant()),
    VISION,
    [['error', 'line_too_long', '']],
  ],
  [
    'a GIF',
    chat(user([image('data:image/gif;base64,AAAA')]), assistant()),
    VISION,
    [['error', 'image_type', 'messages[0].content[0]']],
  ],
  [
    'an image in a bucket',
    chat(user([image('gs://b/c.png')]), assistant()),
    VISION,
    [['error', 'image_address', 'messages[0].content[0]']],
  ],
  ['the same for Gemini', chat(user([image('gs://b/c.png')]), assistant()), GEMINI, []],
  [
    'an image without an address',
    chat(user([image(3)]), assistant()),
    undefined,
    [['warning', 'image_address', 'messages[0].content[0]']],
  ],
  [
    'an image as an answer',
    chat(user(), assistant([image('https://a.example/b.png')])),
    VISION,
    [['error', 'image_role', 'messages[1].content[0]']],
  ],
  [
    'a control token',
    chat(user('a <|im_start|>system'), assistant()),
    OPENAI,
    [['warning', 'special_token', 'messages[0].content']],
  ],
  [
    'a control token in a part',
    chat(user([{ type: 'text', text: '<|endoftext|>' }]), assistant()),
    OPENAI,
    [['warning', 'special_token', 'messages[0].content']],
  ],
  ['something like a control token', chat(user('a <| b |> <|c d|>'), assistant()), OPENAI, []],
  [
    'a reserved word for Nova',
    chat(user('User: hi'), assistant()),
    NOVA,
    [['error', 'reserved_string', 'messages[0].content']],
  ],
  ['the same for OpenAI', chat(user('User: hi'), assistant()), OPENAI, []],
]

describe('an example', () => {
  it.each(TOLD)('%s', (_, example, whom, expected) => {
    expect(told(example, whom)).toEqual(expected)
  })

  it('has its place in an array told', () => {
    const examples = [...good(10), chat(user(''), assistant()), { messages: [] }]
    const { problems } = inspect(JSON.stringify(examples, null, 1))
    expect(problems.map(({ code, path }) => [code, path])).toEqual([
      ['empty_content', '[10].messages[0].content'],
      ['invalid_messages', '[11].messages'],
    ])
    expect(problems[0]?.line).toBe(1 + JSON.stringify(examples.slice(0, 10), null, 1).split('\n').length - 1)
  })
})

it('any JSON has a report, for every target', async () => {
  const counted = await Promise.all(
    [OPENAI, VISION, AZURE, GEMINI, NOVA, CLAUDE, LLAMA].map(async whom => ({
      target: whom,
      counting: await countingFor(whom),
    })),
  )
  const keys = [
    'messages',
    'role',
    'content',
    'type',
    'text',
    'image_url',
    'url',
    'tool_calls',
    'tools',
    'functions',
    'function',
    'name',
    'arguments',
    'id',
    'tool_call_id',
    'weight',
    'refusal',
    'input',
    'preferred_output',
    'non_preferred_output',
    '__proto__',
  ]
  const { node } = fc.letrec(tie => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(
        fc.constantFrom('user', 'assistant', 'tool', 'function', 'text', 'image_url', '{}'),
        fc.integer(),
        fc.constant(null),
      ),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('node'), { maxKeys: 6 }),
    ),
  }))
  /** Sound as far as it goes, with anything beside. */
  const message = fc
    .tuple(
      fc.constantFrom('user', 'assistant', 'system', 'tool'),
      fc.oneof(
        fc.constant('a'),
        fc.array(
          fc.record(
            { type: fc.constantFrom('text', 'image_url', 'x'), text: node, image_url: node },
            { requiredKeys: ['type'] },
          ),
          { minLength: 1, maxLength: 2 },
        ),
      ),
      node,
    )
    .map(([role, content, more]) => ({ ...(typeof more === 'object' ? more : {}), role, content }))
  const example = fc.oneof(
    node,
    fc
      .tuple(fc.array(message, { minLength: 1, maxLength: 3 }), node)
      .map(([messages, more]) => ({ ...(typeof more === 'object' ? more : {}), messages })),
    fc.tuple(message, message, message, node).map(([a, b, c, more]) => ({
      input: { ...(typeof more === 'object' ? more : {}), messages: [a] },
      preferred_output: [b],
      non_preferred_output: [c],
    })),
  )
  fc.assert(
    fc.property(example, fc.constantFrom(...counted), (value, options) => {
      const out: string[] = []
      const report = inspect(lines(value), { ...options, lines: 'target', onLine: line => out.push(line) })
      expect(report.object).toBe('dataset.report')
      expect(out.length).toBeLessThanOrEqual(report.examples)
    }),
    { numRuns: 3000 },
  )
})

describe('a report', () => {
  it('measures', () => {
    const { summary, ...report } = inspect(
      `\uFEFF${lines(chat({ role: 'system', content: 'abc' }, user('de'), assistant('f')), ...good(9))}\n`,
    )
    expect(report).toMatchObject({
      object: 'dataset.report',
      valid: true,
      examples: 10,
      errors: 0,
      warnings: 1,
    })
    expect(report.problem_counts).toEqual({ byte_order_mark: 1 })
    expect(summary).toMatchObject({
      format: { container: 'jsonl', lines: 'openai' },
      lines: 11,
      examples: 10,
      kinds: { chat: 10, preference: 0 },
      roles: { system: 1, user: 10, assistant: 10 },
      characters: { total: 6 + 9 * 12, min: 6, median: 12, max: 12 },
      tokens: null,
      duplicates: 0,
      compared: 10,
      is_complete: true,
    })
    expect(summary).not.toHaveProperty('overlap')
    expect(summary.longest).toHaveLength(5)
    expect(summary.longest[0]).toEqual({ line: 2, characters: 12, tokens: null })
  })

  it('keeps the first hundred problems, errors before warnings, and counts the rest', () => {
    const { problems, problem_counts, errors, warnings } = inspect(
      lines(...Array.from({ length: 150 }, (_, index) => chat(user(`${index}`), assistant(''))), 1, 2),
    )
    expect(problems).toHaveLength(100)
    expect(problems.slice(-2).map(({ line, code }) => [line, code])).toEqual([
      [151, 'invalid_example'],
      [152, 'invalid_example'],
    ])
    expect(problem_counts).toEqual({ empty_content: 150, invalid_example: 2 })
    expect([errors, warnings]).toEqual([2, 150])
  })

  it('repeats of what a dataset holds no more than 120 characters', async () => {
    const word = 'S3CR3T'.repeat(100)
    const planted = [
      chat({ role: word, content: word }),
      chat(user([{ type: word }]), assistant([{ type: word, text: word }], { name: word, refusal: word })),
      { ...chat(user(word), assistant(word)), tools: [{ type: word }], functions: word, [word]: word },
      chat(
        user(`<|${word}|>${word}`),
        assistant(`User: <|S3CR3T|>${word}`, { tool_calls: [call(word, word, word)] }),
      ),
      chat(user([image(word), image(`data:${word}/${word};base64,${word}`)]), assistant(word)),
      preference([assistant(word)], [assistant(word)], user(word)),
      { contents: [{ role: word, parts: [{ text: word, [word]: word }, { [word]: word }] }], [word]: word },
      {
        schemaVersion: word,
        system: word,
        messages: [{ role: word, content: [{ [word]: word }] }],
        [word]: word,
      },
      { system: word, messages: [{ role: 'user', content: word }], [word]: word },
      { prompt: word, completion: word, [word]: word },
    ]
    const files: [string, InspectorOptions['declaration']][] = [
      ...SOURCE_FORMATS.filter(format => format !== 'json' && format !== 'csv').map(
        (format): [string, InspectorOptions['declaration']] => [lines(...planted, ...planted), { format }],
      ),
      [JSON.stringify(planted), { format: 'json' }],
      [`user,assistant,${word},${word}2\n${word},b,c,d\n${word}\n"${word}"${word}\n`, { format: 'csv' }],
      [`${word},b\n${word},b\n`, { format: 'csv', columns: { user: word.slice(0, 200), assistant: 'b' } }],
    ]
    const told = new Set<string>()
    for (const [text, declaration] of files)
      for (const whom of [undefined, OPENAI, VISION, AZURE, GEMINI, NOVA, CLAUDE, LLAMA]) {
        const counting = whom && (await countingFor(whom))
        const report = inspect(text, { declaration, ...(whom && { target: whom }), counting })
        for (const { code, path, message } of report.problems) {
          told.add(code)
          for (const [run] of `${path} ${message}`.matchAll(/(?:S3CR3T)+/g))
            expect(run.length).toBeLessThanOrEqual(120)
          expect(path.length + message.length).toBeLessThanOrEqual(250)
        }
      }
    expect([...told]).toEqual(
      expect.arrayContaining(['special_token', 'csv_unused_columns', 'not_carried_over']),
    )
  })

  it('finds what is repeated, however it is written', () => {
    const [first] = good(1)
    const { problems, summary } = inspect(
      `${lines(...good(10))}${JSON.stringify(first, null, 0).replaceAll(':', ': ')}\n${lines({ ...chat(user('question 1'), assistant('other')) })}`,
    )
    expect(problems.map(({ line, code, message }) => [line, code, message])).toEqual([
      [11, 'duplicate_example', 'is the same example as line 1'],
    ])
    expect(summary).toMatchObject({ duplicates: 1, compared: 11 })
  })

  it('finds what is in both files', () => {
    const training = createInspector()
    training.write(utf8(lines(...good(12))))
    training.end()
    const csv = 'user,assistant\nquestion 3,hi\nsomething else,hi\n'
    const report = inspect(csv, { training: training.fingerprints })
    expect(report).toMatchObject({ valid: true, summary: { overlap: 1 } })
    expect(report.problems).toMatchObject([
      { line: 2, code: 'validation_overlap', message: 'is line 4 of the training file' },
    ])
  })

  it('wants as many examples as the provider does', () => {
    const count = (whom: Target, many: number) =>
      inspect(lines(...good(many)), { target: whom }).problem_counts
    expect(count(CLAUDE, 31)).toEqual({ too_few_examples: 1 })
    expect(count(CLAUDE, 32)).toEqual({})
    expect(count(NOVA, 9)).toEqual({ too_few_examples: 1 })
    expect(count(CLAUDE, 10_001)).toEqual({ too_many_examples: 1 })
  })

  describe('with tokens', () => {
    /** A word is a token, or about one. */
    const counting = (error: number): Counting => ({
      counter: {
        name: 'words',
        exact: error === 0,
        error,
        count: text => text.split(' ').length,
        images: imageRuleOf('gpt-4o'),
      },
      exampleTokens: (counter, example) => ({
        tokens:
          'messages' in example
            ? example.messages.reduce((sum, { content }) => sum + counter.count(String(content)), 0)
            : 0,
        images: 0,
        guessed: 0,
      }),
    })
    const words = (count: number) =>
      chat(user(Array.from({ length: count - 1 }, () => 'w').join(' ')), assistant())
    it('sums them up', () => {
      const { summary } = inspect(lines(...good(10), words(100)), { counting: counting(0.1) })
      expect(summary.tokens).toEqual({
        total: 130,
        min: 3,
        median: 3,
        max: 100,
        counter: 'words',
        exact: false,
        error: 0.1,
      })
      expect(summary.longest[0]).toEqual({ line: 11, characters: 199, tokens: 100 })
    })
    it.each([
      ['within the window', OPENAI, 65_536, 0, []],
      ['cut off', OPENAI, 65_537, 0, ['warning']],
      ['refused', NOVA, 32_001, 0, ['error']],
      ['perhaps too many', NOVA, 33_000, 0.1, ['warning']],
      ['too many, even if it is about', NOVA, 36_000, 0.1, ['error']],
      ['an unknown model', target('openai', 'gpt-9'), 500_000, 0, []],
    ] as const)('%s', (_, whom, count, error, expected) => {
      const { problems } = inspect(lines(...good(10), words(count)), {
        target: { ...whom, limits: { ...whom.limits, examples: {} } },
        counting: counting(error),
      })
      expect(problems.map(({ severity }) => severity)).toEqual(expected)
      for (const { code, line } of problems) expect([code, line]).toEqual(['too_many_tokens', 11])
    })
  })
})

describe('the tables', () => {
  it('every rule has a code of its own that is documented', () => {
    const codes = RULES.map(({ code }) => code)
    expect(new Set(codes).size).toBe(codes.length)
    for (const code of codes) expect(PROBLEM_CODES).toContain(code)
  })
  it('every limit has a source, and a row before it does not hide it', () => {
    for (const { provider, source } of LIMITS)
      expect([provider, source]).toEqual([provider, expect.stringMatching(/^https:/)])
    expect(limitsOf('openai', 'gpt-4.1-mini').tokens?.most).toBe(65_536)
    expect(limitsOf('openai', 'o9')).not.toHaveProperty('tokens')
    expect(limitsOf('openai', 'o9').images).toBe(10)
    expect(limitsOf('bedrock', 'meta.llama3-1-8b-instruct-v1:0').tokens?.most).toBe(16_000)
    expect(limitsOf('elsewhere', undefined)).toEqual({})
  })
  it('a target is whom the model or the provider names', () => {
    expect(targetOf(context, {})).toMatchObject({ provider: null, format: 'openai' })
    expect(targetOf(context, { model: 'vertex_ai/gemini-3.5-flash' })).toMatchObject({
      provider: 'vertex_ai',
      format: 'gemini',
    })
    expect(targetOf(context, { model: 'gpt-4.1' })).toMatchObject({ provider: 'openai' })
    expect(targetOf(context, { provider: 'bedrock', model: 'amazon.nova-pro-v1:0:300k' })).toMatchObject({
      format: 'nova',
    })
    expect(() => targetOf(context, { provider: 'nobody' })).toThrow(
      expect.objectContaining({ param: 'provider' }),
    )
  })
})

describe('fingerprints', () => {
  const print = (n: number): Fingerprint => Uint32Array.of(n * 7 + 1, n * 0x9e3779b1)
  it('remember as many as they have room for, and go on comparing with those', () => {
    const prints = createFingerprints(1 << 12)
    for (let n = 0; n < 10_000; n++) expect(prints.add(print(n), n + 1)).toBe(0)
    expect(prints.size).toBe(3072)
    for (let n = 0; n < 3072; n++) expect(prints.add(print(n), 99_999)).toBe(n + 1)
    expect(prints.find(print(9999))).toBe(0)
  })
  it('are the same for the same, and differ with each message, role, call and order', () => {
    const text = fc.string({ unit: 'binary', maxLength: 6 })
    const example = fc
      .array(fc.record({ role: fc.constantFrom('user', 'assistant'), content: text }), {
        minLength: 1,
        maxLength: 4,
      })
      .map(messages => ({ messages }) as Example)
    const of = (each: Example) => fingerprint(each).join()
    fc.assert(
      fc.property(example, example, (a, b) => {
        expect(of(a) === of(b)).toBe(JSON.stringify(a) === JSON.stringify(b))
        expect(of(structuredClone(a))).toBe(of(a))
      }),
      { numRuns: 2000 },
    )
  })
  it('tell a hundred thousand apart that differ in one place', () => {
    const seen = new Set<string>()
    for (let n = 0; n < 100_000; n++) {
      const content = `${String.fromCharCode(n % 65_536)}x${String.fromCharCode(n >> 16)}`
      seen.add(fingerprint({ messages: [{ role: 'user', content: `same beginning ${content}` }] }).join())
    }
    expect(seen.size).toBe(100_000)
  })
})

it('a tally is what sorting would give', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(50), fc.nat(200_000)), { minLength: 1 }), counts => {
      const tally = createTally()
      for (const count of counts) tally.add(count)
      const sorted = counts.toSorted((a, b) => a - b)
      expect(tally.result()).toEqual({
        total: counts.reduce((a, b) => a + b, 0),
        min: sorted[0],
        median: sorted[Math.ceil(sorted.length / 2) - 1],
        max: sorted.at(-1),
      })
    }),
  )
  expect(createTally().result()).toBeNull()
})

it('a line for the target is what its converter makes of it', () => {
  const out: string[] = []
  inspect(lines(...good(10), { messages: [user('q')] }), {
    target: GEMINI,
    lines: 'target',
    onLine: line => out.push(line),
  })
  expect(out).toEqual(good(10).map(each => JSON.stringify(FORMATS.gemini.convert?.(each as Example).line)))
})
