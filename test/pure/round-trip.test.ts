import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Example, FORMATS, READERS } from '../../shared/datasets/formats/index.ts'
import { createInspector } from '../../shared/datasets/inspector.ts'
import { utf8 } from './support/bytes.ts'

type Other = keyof typeof READERS

/** There and back through the line as it would be sent. */
const through = (format: Other, example: unknown) => {
  const made = FORMATS[format].convert?.(example as Example)
  const back = READERS[format](JSON.parse(JSON.stringify(made?.line)))
  return { losses: [...(made?.losses ?? []), ...back.losses], example: back.example }
}

const text = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter(each => each.isWellFormed()),
  fc.constantFrom('Hi', ' spaces ', '漢字', '👩‍👩‍👧', 'a\n\nb', '{"x":1}', '\uFEFF'),
)
const part = text.map(value => ({ type: 'text', text: value }))
const parts = fc.array(part, { minLength: 2, maxLength: 3 })
const image = fc
  .constantFrom('https://a.example/b.png', 'gs://bucket/c.jpeg', 'https://a.example/d.webp')
  .map(url => ({ type: 'image_url', image_url: { url } }))
const system = fc.option(text, { nil: undefined })

const withSystem = (first: string | undefined, turns: object[]) => [
  ...(first === undefined ? [] : [{ role: 'system', content: first }]),
  ...turns,
]
/** Question and answer in turn. */
const turns = (question: fc.Arbitrary<unknown>, answer: fc.Arbitrary<unknown>) =>
  fc.array(fc.tuple(question, answer), { minLength: 1, maxLength: 4 }).map(pairs =>
    pairs.flatMap(([asked, answered]) => [
      { role: 'user', content: asked },
      { role: 'assistant', content: answered },
    ]),
  )
const chats = (question: fc.Arbitrary<unknown>, answer: fc.Arbitrary<unknown>) =>
  fc.tuple(system, turns(question, answer)).map(([first, rest]) => ({ messages: withSystem(first, rest) }))

const NAMES = ['find', 'book'] as const
const object = fc.dictionary(fc.constantFrom('city', 'days'), fc.oneof(text, fc.integer()), { maxKeys: 2 })
/** Calls, their results in the order of the calls, and an answer. Ids are as the way back gives them. */
const toolChats = fc
  .tuple(
    text,
    fc.array(fc.tuple(fc.constantFrom(...NAMES), object, text), { minLength: 1, maxLength: 3 }),
    text,
    fc.option(text, { nil: null }),
  )
  .map(([question, calls, answer, thought]) => ({
    messages: [
      { role: 'user', content: question },
      {
        role: 'assistant',
        content: thought,
        tool_calls: calls.map(([name, args], index) => ({
          id: `call_${index + 1}`,
          type: 'function',
          function: { name, arguments: JSON.stringify(args) },
        })),
      },
      ...calls.map(([, , result], index) => ({
        role: 'tool',
        tool_call_id: `call_${index + 1}`,
        content: result,
      })),
      { role: 'assistant', content: answer },
    ],
    tools: NAMES.map(name => ({
      type: 'function',
      function: { name, description: 'Does it.', parameters: { type: 'object', properties: {} } },
    })),
  }))
const preferences = fc.tuple(system, text, text, text).map(([first, question, better, worse]) => ({
  input: { messages: withSystem(first, [{ role: 'user', content: question }]) },
  preferred_output: [{ role: 'assistant', content: better }],
  non_preferred_output: [{ role: 'assistant', content: worse }],
}))
/** Words that Nova has for itself are no part of what the formats share. */
const isFree = ({ messages }: { messages: object[] }) =>
  !/User:|Bot:|Assistant:|System:|<image>|<video>|\[EOS\]/.test(JSON.stringify(messages))

const SHARED: [Other, string, fc.Arbitrary<object>][] = [
  [
    'gemini',
    'chats with texts and images',
    chats(fc.oneof(text, parts, fc.array(fc.oneof(part, image), { minLength: 2, maxLength: 3 })), text),
  ],
  ['gemini', 'chats with tools', toolChats],
  ['gemini', 'preferences', preferences],
  ['nova', 'chats', chats(text, text).filter(isFree)],
  ['claude', 'chats', chats(text, text)],
  [
    'prompt_completion',
    'a question and an answer',
    fc.tuple(text, text).map(([question, answer]) => ({
      messages: [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ],
    })),
  ],
]

describe('there and back', () => {
  it.each(SHARED)('%s: %s come back as they were', (format, _, examples) => {
    fc.assert(
      fc.property(examples, example => {
        const { losses, example: back } = through(format, example)
        expect(losses).toEqual([])
        expect(back).toEqual(example)
      }),
      { numRuns: 300 },
    )
  })

  it('calls keep what belongs together when their ids are others', () => {
    const example = {
      messages: [
        { role: 'user', content: 'a' },
        {
          role: 'assistant',
          content: null,
          tool_calls: ['x', 'y'].map(id => ({
            id,
            type: 'function',
            function: { name: id, arguments: '{}' },
          })),
        },
        { role: 'tool', tool_call_id: 'y', content: 'of y' },
        { role: 'tool', tool_call_id: 'x', content: 'of x' },
        { role: 'assistant', content: 'b' },
      ],
    }
    expect(through('gemini', example).example).toMatchObject({
      messages: [
        {},
        {
          tool_calls: [
            { id: 'call_1', function: { name: 'x' } },
            { id: 'call_2', function: { name: 'y' } },
          ],
        },
        { tool_call_id: 'call_2', content: 'of y' },
        { tool_call_id: 'call_1', content: 'of x' },
        {},
      ],
    })
  })
})

const contents = [
  { role: 'user', parts: [{ text: 'Hi' }] },
  { role: 'model', parts: [{ text: 'Hello' }] },
]
const HI = [
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello' },
]

describe("a provider's own lines", () => {
  it.each<[string, Other, object, object]>([
    [
      'a role that only instructions have',
      'gemini',
      { systemInstruction: { role: 'system', parts: [{ text: 'S' }] }, contents },
      { messages: [{ role: 'system', content: 'S' }, ...HI] },
    ],
    [
      'results under the old role',
      'gemini',
      {
        contents: [
          contents[0],
          { role: 'model', parts: [{ functionCall: { name: 'f', args: { a: 1 } } }] },
          { role: 'function', parts: [{ functionResponse: { name: 'f', response: { sum: 2 } } }] },
          contents[1],
        ],
      },
      {
        messages: [
          HI[0],
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
          },
          { role: 'tool', tool_call_id: 'call_1', content: '{"sum":2}' },
          HI[1],
        ],
      },
    ],
    [
      'an image by value',
      'gemini',
      {
        contents: [
          { role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
          contents[1],
        ],
      },
      {
        messages: [
          {
            role: 'user',
            content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
          },
          HI[1],
        ],
      },
    ],
    [
      'the worse answer first',
      'gemini',
      {
        contents: [contents[0]],
        completions: [
          { score: 0, completion: { role: 'model', parts: [{ text: 'bad' }] } },
          { score: 1, completion: { role: 'model', parts: [{ text: 'good' }] } },
        ],
      },
      {
        input: { messages: [HI[0]] },
        preferred_output: [{ role: 'assistant', content: 'good' }],
        non_preferred_output: [{ role: 'assistant', content: 'bad' }],
      },
    ],
    [
      'Nova',
      'nova',
      {
        schemaVersion: 'bedrock-conversation-2024',
        system: [{ text: 'S' }],
        messages: [
          { role: 'user', content: [{ text: 'Hi' }] },
          { role: 'assistant', content: [{ text: 'Hello' }] },
        ],
      },
      { messages: [{ role: 'system', content: 'S' }, ...HI] },
    ],
    [
      'Claude with blocks',
      'claude',
      {
        system: 'S',
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
          { role: 'assistant', content: 'Hello' },
        ],
      },
      { messages: [{ role: 'system', content: 'S' }, ...HI] },
    ],
  ])('%s', (_, format, line, example) => {
    expect(READERS[format](line as Record<string, unknown>)).toEqual({ example, losses: [] })
  })

  it.each<[string, Other, object, [string, string | undefined][]]>([
    [
      'a video',
      'gemini',
      {
        contents: [
          {
            role: 'user',
            parts: [{ text: 'a' }, { fileData: { mimeType: 'video/mp4', fileUri: 'gs://b/c' } }],
          },
          contents[1],
        ],
      },
      [['contents[0].parts[1]', undefined]],
    ],
    [
      'thoughts',
      'gemini',
      { contents: [contents[0], { role: 'model', parts: [{ text: 'x', thought: true }, { text: 'y' }] }] },
      [['contents[1].parts[0]', undefined]],
    ],
    ['settings', 'gemini', { contents, generationConfig: {} }, [['', undefined]]],
    ['a tool of Google’s', 'gemini', { contents, tools: [{ googleSearch: {} }] }, [['tools[0]', undefined]]],
    [
      'a role of no one',
      'gemini',
      { contents: [{ role: 'assistant', parts: [] }] },
      [['contents[0].role', 'not_in_format']],
    ],
    [
      'no parts',
      'gemini',
      { contents: [{ role: 'user', text: 'a' }] },
      [['contents[0].parts', 'not_in_format']],
    ],
    ['no list', 'gemini', { contents: {} }, [['contents', 'not_in_format']]],
    [
      'a result of no call',
      'gemini',
      { contents: [{ role: 'user', parts: [{ functionResponse: { name: 'f', response: {} } }] }] },
      [['contents[0].parts[0].functionResponse', 'not_in_format']],
    ],
    [
      'one completion',
      'gemini',
      { contents: [contents[0]], completions: [{ score: 1, completion: contents[1] }] },
      [['completions', 'not_in_format']],
    ],
    [
      'an image in S3',
      'nova',
      {
        schemaVersion: 'x',
        messages: [
          {
            role: 'user',
            content: [{ image: { format: 'png', source: { s3Location: { uri: 's3://b/c' } } } }],
          },
        ],
      },
      [['messages[0].content[0]', undefined]],
    ],
    [
      'a system message among the others',
      'nova',
      { schemaVersion: 'x', messages: [{ role: 'system', content: [{ text: 'a' }] }] },
      [['messages[0].role', 'not_in_format']],
    ],
    ['a message of null', 'claude', { system: 's', messages: [null] }, [['messages[0]', 'not_in_format']]],
    [
      'a prompt that is a list',
      'prompt_completion',
      { prompt: [], completion: 'b' },
      [['prompt', 'not_in_format']],
    ],
    ['a weight beside', 'prompt_completion', { prompt: 'a', completion: 'b', weight: 2 }, [['', undefined]]],
  ])('%s has no place, or is none', (_, format, line, expected) => {
    const { losses, example } = READERS[format](line as Record<string, unknown>)
    expect(losses.map(({ path, code }) => [path, code])).toEqual(expected)
    expect(example === undefined).toBe(expected.some(([, code]) => code !== undefined))
  })

  it('takes any JSON without failing', () => {
    const { node } = fc.letrec(tie => ({
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.oneof(fc.constantFrom('user', 'model', 'assistant', 'text'), fc.integer(), fc.constant(null)),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(
          fc.constantFrom(
            'contents',
            'role',
            'parts',
            'text',
            'functionCall',
            'functionResponse',
            'name',
            'messages',
            'content',
            'system',
            'systemInstruction',
            'tools',
            'functionDeclarations',
            'completions',
            'score',
            'completion',
            'prompt',
            'image',
            'source',
            'fileData',
            'inlineData',
            'mimeType',
          ),
          tie('node'),
          { maxKeys: 5 },
        ),
      ),
    }))
    fc.assert(
      fc.property(fc.constantFrom('gemini', 'nova', 'claude', 'prompt_completion'), node, (format, value) => {
        const inspector = createInspector({ declaration: { format } })
        inspector.write(utf8(JSON.stringify(value)))
        expect(inspector.end()).toMatchObject({ object: 'dataset.report' })
      }),
      { numRuns: 1000 },
    )
  })
})
