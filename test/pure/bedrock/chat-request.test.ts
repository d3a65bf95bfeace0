import { describe, expect, it } from 'vitest'
import { converseRequest } from '../../../sandbox/aws/runtime/converse-schema.ts'
import { toBody, toRequest } from '../../../shared/providers/bedrock/chat/request.ts'
import { errorOf, SETTINGS } from './support.ts'

const MODEL = 'amazon.nova-lite-v1:0'
const hello = [{ role: 'user', content: 'hello' }]
/** Converse's body, held against every field and no other that Converse has. */
const converse = (body: object, dropParams = false) => {
  const made = toBody({ model: MODEL, messages: hello, ...body }, dropParams).body
  expect(converseRequest.safeParse(made).error).toBeUndefined()
  return made
}
const refusal = (body: object, dropParams = false) =>
  errorOf(() => toBody({ model: MODEL, messages: hello, ...body }, dropParams))

const call = (id: string, name = 'f', text = '{}') => ({
  id,
  type: 'function',
  function: { name, arguments: text },
})
const tool = (name = 'f') => ({ type: 'function', function: { name } })
const text = (value: string) => ({ text: value })
const PNG = 'data:image/png;base64,iVBORw=='

describe('messages', () => {
  it.each([
    ['one', hello, { messages: [{ role: 'user', content: [text('hello')] }] }],
    [
      'system messages, wherever they stand',
      [
        { role: 'system', content: 'a' },
        ...hello,
        { role: 'developer', content: [{ type: 'text', text: 'b' }] },
      ],
      { system: [text('a\n\nb')], messages: [{ role: 'user', content: [text('hello')] }] },
    ],
    [
      'an empty system message',
      [{ role: 'system', content: '' }, ...hello],
      { messages: [{ role: 'user', content: [text('hello')] }] },
    ],
    [
      'neighbours of one role',
      [
        ...hello,
        { role: 'user', content: [{ type: 'text', text: 'again' }] },
        { role: 'assistant', content: 'x' },
        { role: 'assistant', content: 'y' },
        ...hello,
      ],
      {
        messages: [
          { role: 'user', content: [text('hello'), text('again')] },
          { role: 'assistant', content: [text('x'), text('y')] },
          { role: 'user', content: [text('hello')] },
        ],
      },
    ],
    [
      'an image',
      [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: PNG, detail: 'auto' } },
            { type: 'text', text: '' },
          ],
        },
      ],
      {
        messages: [{ role: 'user', content: [{ image: { format: 'png', source: { bytes: 'iVBORw==' } } }] }],
      },
    ],
    [
      'a refusal',
      [...hello, { role: 'assistant', content: [{ type: 'refusal', refusal: 'no' }] }, ...hello],
      {
        messages: [
          { role: 'user', content: [text('hello')] },
          { role: 'assistant', content: [text('no')] },
          { role: 'user', content: [text('hello')] },
        ],
      },
    ],
    [
      'an answer sent back as it came',
      [
        ...hello,
        {
          role: 'assistant',
          content: 'x',
          refusal: null,
          reasoning_content: 'hm',
          annotations: [],
          audio: null,
          function_call: null,
        },
        ...hello,
      ],
      {
        messages: [
          { role: 'user', content: [text('hello')] },
          { role: 'assistant', content: [text('x')] },
          { role: 'user', content: [text('hello')] },
        ],
      },
    ],
  ])('%s', (_, messages, expected) => {
    expect(converse({ messages })).toEqual(expected)
  })

  it('parallel calls: all results stand in one user message, with what the user says next', () => {
    const messages = [
      ...hello,
      {
        role: 'assistant',
        content: 'wait',
        tool_calls: [call('call_1', 'f', '{"a":1}'), call('call_2', 'g', '')],
      },
      { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'two' }] },
      { role: 'tool', tool_call_id: 'call_1', content: '12345678901234567890' },
      ...hello,
    ]
    expect(converse({ messages, tools: [tool('f'), tool('g')] }).messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          text('wait'),
          { toolUse: { toolUseId: 'call_1', name: 'f', input: { a: 1 } } },
          { toolUse: { toolUseId: 'call_2', name: 'g', input: {} } },
        ],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: 'call_2', content: [text('two')] } },
          // As text: a number would not survive JSON.
          { toolResult: { toolUseId: 'call_1', content: [text('12345678901234567890')] } },
          text('hello'),
        ],
      },
    ])
  })

  it.each(['call_x.y', 'x'.repeat(65), 'gemini/thought+signature==', 'é'])(
    'the call id %s, which Bedrock would not take, is exchanged in call and result alike',
    id => {
      const messages = [
        ...hello,
        { role: 'assistant', tool_calls: [call('call_1'), call(id)] },
        { role: 'tool', tool_call_id: id, content: 'b' },
        { role: 'tool', tool_call_id: 'call_1', content: 'a' },
      ]
      const [, calls, results] = converse({ messages, tools: [tool()] }).messages
      const made = calls?.content.map(block => ('toolUse' in block ? block.toolUse.toolUseId : ''))
      expect(made?.[0]).toBe('call_1')
      expect(made?.[1]).toMatch(/^tunegate_call_\d+$/)
      expect(results?.content).toMatchObject([
        { toolResult: { toolUseId: made?.[1] } },
        { toolResult: { toolUseId: 'call_1' } },
      ])
    },
  )

  it.each([
    [
      'an address',
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] },
      'messages[0].content[0].image_url.url',
      /not fetched/,
    ],
    [
      'a type of image',
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/bmp;base64,AA==' } }] },
      'messages[0].content[0].image_url.url',
      /png, jpeg/,
    ],
    [
      'an image without bytes',
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png,AA' } }] },
      'messages[0].content[0].image_url.url',
      /data URL/,
    ],
    [
      'audio',
      { role: 'user', content: [{ type: 'input_audio', input_audio: {} }] },
      'messages[0].content[0].type',
      /'text', 'image_url'/,
    ],
    ['nothing', { role: 'user', content: '' }, 'messages[0].content', /nothing/],
    [
      'an assistant that says nothing',
      { role: 'assistant', content: null },
      'messages[0].content',
      /nothing/,
    ],
    ['a role', { role: 'function', name: 'f', content: 'x' }, 'messages[0].role', /role/],
    ['a field', { role: 'user', content: 'x', cache_control: {} }, 'messages[0].cache_control', /Unknown/],
    [
      'broken arguments',
      { role: 'assistant', tool_calls: [call('c', 'f', '{"a"')] },
      'messages[0].tool_calls[0].function.arguments',
      /JSON object/,
    ],
    [
      'arguments that are no object',
      { role: 'assistant', tool_calls: [call('c', 'f', '[1]')] },
      'messages[0].tool_calls[0].function.arguments',
      /JSON object/,
    ],
    [
      'a result of no call',
      { role: 'tool', tool_call_id: 'c', content: 'x' },
      'messages[0].tool_call_id',
      /no tool call/,
    ],
    [
      'a custom tool',
      { role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'x', input: '' } }] },
      'messages[0].tool_calls[0]',
      /./,
    ],
  ])('%s is refused by its path', async (_, message, param, why) => {
    const error = await refusal({ messages: [message] })
    expect(error).toMatchObject({ status: 400, param: expect.stringContaining(param) })
    expect(error.message).toMatch(why)
  })
})

describe('tools', () => {
  const tools = [
    {
      type: 'function',
      function: { name: 'f', description: 'd', parameters: { type: 'object', properties: {} }, strict: true },
    },
    { type: 'function', function: { name: 'g', description: '', parameters: null } },
  ]
  const specs = [
    {
      toolSpec: {
        name: 'f',
        description: 'd',
        inputSchema: { json: { type: 'object', properties: {} } },
        strict: true,
      },
    },
    { toolSpec: { name: 'g', inputSchema: { json: { type: 'object', properties: {} } } } },
  ]
  it.each([
    [undefined, { toolConfig: { tools: specs } }],
    [null, { toolConfig: { tools: specs } }],
    ['auto', { toolConfig: { tools: specs, toolChoice: { auto: {} } } }],
    ['required', { toolConfig: { tools: specs, toolChoice: { any: {} } } }],
    [
      { type: 'function', function: { name: 'f' } },
      { toolConfig: { tools: specs, toolChoice: { tool: { name: 'f' } } } },
    ],
    ['none', {}],
  ])('with the choice %j', (tool_choice, expected) => {
    const { messages: _, ...rest } = converse({ tools, tool_choice })
    expect(rest).toEqual(expected)
  })

  it('stay when there were calls, though none is wanted', () => {
    const messages = [
      ...hello,
      { role: 'assistant', tool_calls: [call('c')] },
      { role: 'tool', tool_call_id: 'c', content: 'x' },
    ]
    expect(converse({ messages, tools, tool_choice: 'none' }, true).toolConfig).toEqual({ tools: specs })
  })

  it('none at all are left out', () => {
    expect(converse({ tools: [] })).not.toHaveProperty('toolConfig')
  })
})

describe('the rest of a request', () => {
  it.each([
    [{ max_tokens: 5 }, { inferenceConfig: { maxTokens: 5 } }],
    [{ max_tokens: 5, max_completion_tokens: 6 }, { inferenceConfig: { maxTokens: 6 } }],
    [{ stop: 'a' }, { inferenceConfig: { stopSequences: ['a'] } }],
    [{ stop: ['a', 'b'] }, { inferenceConfig: { stopSequences: ['a', 'b'] } }],
    [{ stop: [] }, {}],
    [{ temperature: 0, top_p: 1 }, { inferenceConfig: { temperature: 0, topP: 1 } }],
    [{ user: 'u', metadata: { a: 'b' } }, { requestMetadata: { user: 'u', a: 'b' } }],
    [{ reasoning_effort: 'high' }, { outputConfig: { effort: 'high' } }],
    [{ response_format: { type: 'text' } }, {}],
    [
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'n', strict: true, schema: { type: 'object' } },
        },
      },
      {
        outputConfig: {
          textFormat: {
            type: 'json_schema',
            structure: { jsonSchema: { schema: '{"type":"object"}', name: 'n' } },
          },
        },
      },
    ],
    [{ stream: true, stream_options: { include_usage: true } }, {}],
    // What asks for what happens anyway.
    [
      {
        n: 1,
        seed: null,
        frequency_penalty: 0,
        presence_penalty: 0,
        logprobs: false,
        logit_bias: {},
        store: false,
      },
      {},
    ],
    [
      {
        parallel_tool_calls: true,
        modalities: ['text'],
        service_tier: 'auto',
        verbosity: 'medium',
        stop: null,
        temperature: null,
      },
      {},
    ],
  ])('%j', (body, expected) => {
    const { messages: _, ...rest } = converse(body)
    expect(rest).toEqual(expected)
  })

  const UNSUPPORTED = [
    { n: 2 },
    { seed: 1 },
    { frequency_penalty: 0.5 },
    { presence_penalty: -0.5 },
    { logprobs: true },
    { top_logprobs: 2 },
    { logit_bias: { 1: 2 } },
    { parallel_tool_calls: false },
    { store: true },
    { service_tier: 'flex' },
    { modalities: ['audio'] },
    { audio: {} },
    { prediction: {} },
    { web_search_options: {} },
    { functions: [] },
    { function_call: 'auto' },
    { verbosity: 'low' },
    { safety_identifier: 'x' },
    { prompt_cache_key: 'x' },
    { response_format: { type: 'json_object' } },
    { reasoning_effort: 'minimal' },
    { messages: [{ role: 'user', content: 'hello', name: 'Ann' }] },
  ]
  it.each(UNSUPPORTED)('%j has no place: refused by name, or dropped where that is asked for', async body => {
    const [field = ''] = Object.keys(body)
    const error = await refusal(body)
    expect(error).toMatchObject({ status: 400, code: 'unsupported_parameter' })
    expect(error.param).toMatch(new RegExp(`^${field}`))
    expect(error.message).toContain('drop_params')
    expect(converse(body, true)).toEqual({ messages: [{ role: 'user', content: [text('hello')] }] })
    expect(toBody({ model: MODEL, messages: hello, ...body }, true).dropped).toEqual([error.param])
  })

  const HISTORY = [
    { role: 'user', content: 'hello' },
    {
      role: 'assistant',
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'done' },
  ]
  const TOOLS = [{ type: 'function', function: { name: 'f' } }]
  const image = (detail: string) => [
    { type: 'text', text: 'look' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail } },
  ]
  it.each([
    [{ messages: HISTORY, tools: TOOLS, tool_choice: 'none' }, ['tool_choice']],
    [
      {
        messages: [
          { role: 'system', content: 'Be terse.', name: 'ops' },
          { role: 'user', content: image('low') },
          { role: 'user', content: image('high'), name: 'Ann' },
        ],
        seed: 1,
        logprobs: true,
      },
      [
        'seed',
        'logprobs',
        'messages[0].name',
        'messages[1].content[1].image_url.detail',
        'messages[2].name',
        'messages[2].content[1].image_url.detail',
      ],
    ],
    [{ messages: HISTORY, tools: TOOLS, tool_choice: 'auto' }, []],
    [{ tools: TOOLS, tool_choice: 'none' }, []],
    [{ messages: [{ role: 'user', content: image('auto') }], n: 1, store: false }, []],
    [{ user: 'Ann', metadata: { team: 'a' } }, []],
  ])('every field left out is told: %j', async (body, dropped) => {
    expect(toBody({ model: MODEL, messages: hello, ...body }, true).dropped).toEqual(dropped)
    const [first] = dropped
    if (first === undefined) converse(body)
    else expect(await refusal(body)).toMatchObject({ code: 'unsupported_parameter', param: first })
  })

  it.each([
    [{ temperature: 1.1 }, 'temperature', /from 0 to 1/],
    [{ temperature: -0.1 }, 'temperature', /./],
    [{ top_p: 1.5 }, 'top_p', /from 0 to 1/],
    [{ max_tokens: 0 }, 'max_tokens', /./],
    [{ stop: ['1', '2', '3', '4', '5'] }, 'stop', /./],
    [{ tool_choice: 'sometimes' }, 'tool_choice', /./],
    [{ top_k: 3 }, 'top_k', /Unknown parameter/],
    [{ api_base: 'https://evil.example' }, 'api_base', /Unknown parameter/],
  ])(
    '%j is wrong, whatever may be dropped (Portkey 26: unknown fields dropped)',
    async (body, param, why) => {
      const error = await refusal(body, true)
      expect(error).toMatchObject({ status: 400, param })
      expect(error.message).toMatch(why)
    },
  )
})

describe('the request', () => {
  const ask = (model: string, more: object = {}) =>
    toRequest(SETTINGS, { text: '', body: { model, messages: hello, ...more }, dropParams: false }).outgoing

  it.each([
    [{}, 'converse'],
    [{ stream: false }, 'converse'],
    [{ stream: null }, 'converse'],
    [{ stream: true }, 'converse-stream'],
  ])('%j goes to %s', (more, operation) => {
    expect(ask(MODEL, more).url.pathname).toBe(`/model/amazon.nova-lite-v1%3A0/${operation}`)
  })

  it('to a tune that is not deployed says so (Portkey 13)', async () => {
    const arn = 'arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:300k/abc'
    const error = await errorOf(() => ask(arn))
    expect(error).toMatchObject({ status: 400, code: 'model_not_available', param: 'model' })
    expect(error.message).toContain('not deployed')
  })
})
