/** OpenAI's chat requests as Gemini gets them. The first is what @google/genai 3.1.0 sent for the same intent. */
import { describe, expect, it } from 'vitest'
import { fromCallId, toCallId } from '../../../shared/providers/vertex_ai/chat/call-id.ts'
import { toGenerateRequest } from '../../../shared/providers/vertex_ai/chat/request.ts'
import { vertexAi } from '../../../shared/providers/vertex_ai/index.ts'
import { channelOf, SETTINGS, wire } from './support/channel.ts'

const USER = { role: 'user', content: 'hi' }
const MODEL = 'projects/123/locations/us-central1/endpoints/1011'

type Body = Record<string, unknown>
const convert = (more: Body, dropParams = false) =>
  toGenerateRequest({ body: { model: MODEL, messages: [USER], ...more }, dropParams }).body
const droppedOf = (more: Body, dropParams = true) =>
  toGenerateRequest({ body: { model: MODEL, messages: [USER], ...more }, dropParams }).dropped
const contentsOf = (...messages: unknown[]) => convert({ messages }).contents
const config = (more: Body) => convert(more).generationConfig

const call = (id: string, name = 'get_weather', args = '{"city":"Oslo"}', more: Body = {}) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
  ...more,
})
const tool = (name: string, more: Body = {}) => ({
  type: 'function',
  function: {
    name,
    description: 'd',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    ...more,
  },
})
const FOREIGN = 'skip_thought_signature_validator'

describe('recordings', () => {
  const reply = {
    candidates: [{ content: { role: 'model', parts: [{ text: 'Hi' }] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 },
    responseId: 'resp1',
  }
  const sent = async (body: Body, dropParams = false) => {
    const { channel, requests } = channelOf(() => ({ body: reply }), { ...SETTINGS, project: 'proj-x' })
    await vertexAi.chat.complete(channel, { text: '', body: body as never, dropParams, isTune: true })
    return requests.map(wire)[0]
  }

  it('of a tuned model, with all that Gemini takes', async () => {
    const request = await sent({
      model: MODEL,
      messages: [
        { role: 'system', content: 'Be terse.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'hi' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
          ],
        },
        { role: 'assistant', content: null, tool_calls: [call('call_1')] },
        { role: 'tool', tool_call_id: 'call_1', content: '{"t":3}' },
      ],
      tools: [tool('get_weather')],
      tool_choice: { type: 'function', function: { name: 'get_weather' } },
      metadata: { tenant: 't1' },
      temperature: 0.2,
      top_p: 0.9,
      top_k: 40,
      n: 1,
      max_tokens: 64,
      stop: ['END'],
      presence_penalty: 0.1,
      frequency_penalty: 0.1,
      seed: 7,
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'a',
          schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        },
      },
      reasoning_effort: 'minimal',
    })
    expect(request).toEqual({
      method: 'POST',
      // The SDK was pointed at the region; Gemini 3 answers from the multi-region.
      host: 'aiplatform.us.rep.googleapis.com',
      path: '/v1beta1/projects/123/locations/us/endpoints/1011:generateContent',
      query: {},
      body: {
        contents: [
          {
            parts: [{ text: 'hi' }, { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } }],
            role: 'user',
          },
          {
            // A call that this model has not made needs a word in the signature's place.
            parts: [
              { functionCall: { name: 'get_weather', args: { city: 'Oslo' } }, thoughtSignature: FOREIGN },
            ],
            role: 'model',
          },
          {
            parts: [{ functionResponse: { name: 'get_weather', response: { output: { t: 3 } } } }],
            role: 'user',
          },
        ],
        systemInstruction: { parts: [{ text: 'Be terse.' }], role: 'user' },
        tools: [
          {
            functionDeclarations: [
              {
                name: 'get_weather',
                description: 'd',
                parametersJsonSchema: {
                  type: 'object',
                  properties: { city: { type: 'string' } },
                  required: ['city'],
                },
              },
            ],
          },
        ],
        toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['get_weather'] } },
        labels: { tenant: 't1' },
        generationConfig: {
          temperature: 0.2,
          topP: 0.9,
          topK: 40,
          candidateCount: 1,
          maxOutputTokens: 64,
          stopSequences: ['END'],
          presencePenalty: 0.1,
          frequencyPenalty: 0.1,
          seed: 7,
          responseMimeType: 'application/json',
          responseJsonSchema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
          thinkingConfig: { thinkingLevel: 'MINIMAL' },
        },
      },
    })
  })

  it('of a base model', async () => {
    expect(await sent({ model: 'gemini-3.5-flash', messages: [USER] })).toEqual({
      method: 'POST',
      host: 'aiplatform.us.rep.googleapis.com',
      path: '/v1beta1/projects/proj-x/locations/us/publishers/google/models/gemini-3.5-flash:generateContent',
      query: {},
      body: { contents: [{ parts: [{ text: 'hi' }], role: 'user' }] },
    })
  })
})

describe('contents', () => {
  const text = (value: string) => ({ text: value })
  it('system messages are one, wherever they stand', () => {
    const body = convert({
      messages: [
        { role: 'system', content: 'a' },
        USER,
        { role: 'developer', content: [{ type: 'text', text: 'b' }] },
      ],
    })
    expect(body.systemInstruction).toEqual({ parts: [text('a\n\nb')], role: 'user' })
    expect(body.contents).toEqual([{ role: 'user', parts: [text('hi')] }])
  })
  it('neighbours of one role are one', () => {
    expect(
      contentsOf(
        USER,
        { role: 'user', content: 'again' },
        { role: 'assistant', content: 'a' },
        { role: 'assistant', content: 'b' },
        USER,
      ),
    ).toEqual([
      { role: 'user', parts: [text('hi'), text('again')] },
      { role: 'model', parts: [text('a'), text('b')] },
      { role: 'user', parts: [text('hi')] },
    ])
  })
  it('what is empty is left out', () => {
    expect(
      contentsOf(USER, { role: 'assistant', content: '' }, { role: 'assistant', content: null }),
    ).toEqual([{ role: 'user', parts: [text('hi')] }])
  })
  it('a refusal is what the model said', () => {
    expect(contentsOf(USER, { role: 'assistant', content: null, refusal: 'no' })).toHaveProperty(
      '[1].parts',
      [text('no')],
    )
  })
  it('results of one turn are in one content, in the order of the calls, before what the user says next', () => {
    const answers = [
      { role: 'tool', tool_call_id: 'b', content: 'B' },
      { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: 'A' }] },
    ]
    const result = (name: string, output: string) => ({ functionResponse: { name, response: { output } } })
    expect(
      contentsOf(USER, { role: 'assistant', tool_calls: [call('a', 'f'), call('b', 'g')] }, ...answers, USER),
    ).toHaveProperty('[2]', { role: 'user', parts: [result('f', 'A'), result('g', 'B'), text('hi')] })
  })
  it.each([
    ['data:image/jpeg;base64,AAAA', { inlineData: { mimeType: 'image/jpeg', data: 'AAAA' } }],
    ['data:image/png;charset=x;base64,AA,A', { inlineData: { mimeType: 'image/png', data: 'AA,A' } }],
    [
      'https://a.test/x.PNG?y=1',
      { fileData: { mimeType: 'image/png', fileUri: 'https://a.test/x.PNG?y=1' } },
    ],
    ['gs://b/x.webp', { fileData: { mimeType: 'image/webp', fileUri: 'gs://b/x.webp' } }],
  ])('image %s', (url, part) => {
    expect(
      contentsOf({ role: 'user', content: [{ type: 'image_url', image_url: { url, detail: 'auto' } }] }),
    ).toEqual([{ role: 'user', parts: [part] }])
  })
  it.each([
    'data:image/png,abc',
    'data:;base64,AA',
    'http://a.test/x.png',
    'https://a.test/x',
    'file:///x.png',
    'https://a.test/x.constructor',
  ])('image %s is refused', url => {
    expect(() => contentsOf({ role: 'user', content: [{ type: 'image_url', image_url: { url } }] })).toThrow(
      expect.objectContaining({ status: 400, param: 'messages[0].content[0].image_url.url' }),
    )
  })
  it('sound', () => {
    expect(
      contentsOf({
        role: 'user',
        content: [{ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }],
      }),
    ).toHaveProperty('[0].parts', [{ inlineData: { mimeType: 'audio/wav', data: 'AA' } }])
  })
  it.each<[string, unknown[], string]>([
    [
      'arguments that are no object',
      [USER, { role: 'assistant', tool_calls: [call('a', 'f', '[1]')] }],
      'messages[1].tool_calls[0].function.arguments',
    ],
    [
      'arguments that are no JSON',
      [USER, { role: 'assistant', tool_calls: [call('a', 'f', '{')] }],
      'messages[1].tool_calls[0].function.arguments',
    ],
    [
      'a result without a call',
      [USER, { role: 'tool', tool_call_id: 'x', content: 'y' }],
      'messages[1].tool_call_id',
    ],
    ['an unknown role', [{ role: 'function', content: 'x', name: 'f' }], 'messages[0].role'],
    ['an unknown part', [{ role: 'user', content: [{ type: 'video' }] }], 'messages[0].content[0].type'],
    ['an unknown field', [{ ...USER, weight: 1 }], 'messages[0].weight'],
    ['no messages', [], 'messages'],
  ])('%s is refused', (_, messages, param) => {
    expect(() => contentsOf(...messages)).toThrow(expect.objectContaining({ status: 400, param }))
  })
})

describe('thought signatures', () => {
  const SIGNATURE = 'c2lnbmF0dXJl/+8='
  const parts = (...calls: Body[]) =>
    (contentsOf(USER, { role: 'assistant', tool_calls: calls }) as { parts: Body[] }[])[1]?.parts
  it('come back out of the id', () => {
    expect(parts(call(toCallId({ signature: SIGNATURE })))?.[0]?.thoughtSignature).toBe(SIGNATURE)
  })
  it("come back out of Google's own place", () => {
    const extra = { extra_content: { google: { thought_signature: SIGNATURE } } }
    expect(parts(call('call_1', 'f', '{}', extra))?.[0]?.thoughtSignature).toBe(SIGNATURE)
  })
  it('of parallel calls are on the first', () => {
    const [first, second] = parts(call('call_1'), call('call_2')) ?? []
    expect([first?.thoughtSignature, second?.thoughtSignature]).toEqual([FOREIGN, undefined])
  })
  it("Gemini's own id of a call comes back, on the call and on its result", () => {
    const id = toCallId({ native: 'fc-ü/1', signature: SIGNATURE })
    const contents = contentsOf(
      USER,
      { role: 'assistant', tool_calls: [call(id)] },
      { role: 'tool', tool_call_id: id, content: 'x' },
    )
    expect(contents).toHaveProperty('[1].parts[0].functionCall.id', 'fc-ü/1')
    expect(contents).toHaveProperty('[2].parts[0].functionResponse.id', 'fc-ü/1')
  })
  it.each(['call_abc', 'toolu_01', '', 'call_a.x', 'call_a.', 'call_a.n%%'])(
    'an id of others (%s) holds nothing',
    id => {
      expect(fromCallId(id)).toEqual({})
    },
  )
  it('an id is of a form that others take too, and no two are the same', () => {
    const id = toCallId({ native: 'a', signature: SIGNATURE })
    expect(id).toMatch(/^[A-Za-z0-9._-]+$/)
    expect(toCallId({})).not.toBe(toCallId({}))
    expect(fromCallId(toCallId({ signature: 'A'.repeat(5000) }))).toEqual({})
  })
})

describe('parameters', () => {
  it.each<[Body, Body | undefined]>([
    [{}, undefined],
    [{ max_tokens: 5 }, { maxOutputTokens: 5 }],
    [{ max_tokens: 5, max_completion_tokens: 6 }, { maxOutputTokens: 6 }],
    [{ stop: 'END' }, { stopSequences: ['END'] }],
    [{ stop: ['a', 'b'] }, { stopSequences: ['a', 'b'] }],
    [{ stop: null, temperature: null }, undefined],
    [{ temperature: 0 }, { temperature: 0 }],
    [{ n: 3 }, { candidateCount: 3 }],
    [{ seed: 0 }, { seed: 0 }],
    [{ response_format: { type: 'text' } }, undefined],
    [{ response_format: { type: 'json_object' } }, { responseMimeType: 'application/json' }],
    [{ reasoning_effort: 'none' }, { thinkingConfig: { thinkingLevel: 'MINIMAL' } }],
    [{ reasoning_effort: 'low' }, { thinkingConfig: { thinkingLevel: 'LOW' } }],
    [{ reasoning_effort: 'medium' }, { thinkingConfig: { thinkingLevel: 'MEDIUM' } }],
    [{ reasoning_effort: 'high' }, { thinkingConfig: { thinkingLevel: 'HIGH' } }],
  ])('%j → %j', (body, expected) => expect(config(body)).toEqual(expected))

  it.each<[unknown, unknown]>([
    [undefined, undefined],
    ['none', { functionCallingConfig: { mode: 'NONE' } }],
    ['auto', { functionCallingConfig: { mode: 'AUTO' } }],
    ['required', { functionCallingConfig: { mode: 'ANY' } }],
    [
      { type: 'function', function: { name: 'f' } },
      { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      { functionCallingConfig: { mode: 'VALIDATED', allowedFunctionNames: ['f'] } },
    ],
  ])('tool_choice %j', (choice, expected) => {
    expect(
      convert({ tools: [tool('f')], ...(choice !== undefined && { tool_choice: choice }) }).toolConfig,
    ).toEqual(expected)
  })
  it('strict functions are held to their schemas', () => {
    expect(convert({ tools: [tool('f', { strict: true })] }).toolConfig).toEqual({
      functionCallingConfig: { mode: 'VALIDATED' },
    })
  })
  it('a function may have no parameters', () => {
    expect(
      convert({ tools: [{ type: 'function', function: { name: 'f' } }], parallel_tool_calls: true }),
    ).toHaveProperty('tools[0].functionDeclarations', [{ name: 'f' }])
  })
  it.each<[Body, unknown, string[]]>([
    [{ user: 'user-1' }, { user: 'user-1' }, []],
    [{ user: 'User@x' }, undefined, ['user']],
    [{ metadata: { a: 'b', C: 'd', e: 'F' } }, { a: 'b' }, ['metadata.C', 'metadata.e']],
  ])('bookkeeping %j → labels %j, the rest told as dropped: %j', (body, labels, dropped) => {
    expect(convert(body).labels).toEqual(labels)
    expect(droppedOf(body, false)).toEqual(dropped)
  })

  it.each<[string, unknown]>([
    ['audio', { voice: 'x', format: 'wav' }],
    ['function_call', 'auto'],
    ['functions', []],
    ['logit_bias', { 1: 2 }],
    ['logprobs', true],
    ['top_logprobs', 2],
    ['modalities', ['text', 'audio']],
    ['parallel_tool_calls', false],
    ['prediction', { type: 'content', content: 'x' }],
    ['service_tier', 'priority'],
    ['store', true],
    ['verbosity', 'low'],
    ['web_search_options', {}],
  ])('%s is refused, or dropped where that is asked for', (field, value) => {
    expect(() => convert({ [field]: value })).toThrow(
      expect.objectContaining({ status: 400, param: field, code: 'unsupported_parameter' }),
    )
    expect(convert({ [field]: value }, true)).toEqual(convert({}))
    expect(droppedOf({ [field]: value })).toEqual([field])
  })
  it.each<[string, unknown]>([
    ['logprobs', false],
    ['store', false],
    ['service_tier', 'auto'],
    ['modalities', ['text']],
    ['logit_bias', {}],
    ['logit_bias', null],
    ['audio', null],
  ])('%s %j says nothing', (field, value) => {
    expect(convert({ [field]: value })).toEqual(convert({}))
    expect(droppedOf({ [field]: value })).toEqual([])
  })

  it.each<[Body, string]>([
    [{ temprature: 1 }, 'temprature'],
    [{ constructor: 1 }, 'constructor'],
    [{ temperature: 3 }, 'temperature'],
    [{ n: 9 }, 'n'],
    [{ reasoning_effort: 'xhigh' }, 'reasoning_effort'],
    [{ tool_choice: 'maybe' }, 'tool_choice'],
    [{ tools: [{ type: 'custom', custom: {} }] }, 'tools[0].type'],
    [{ response_format: { type: 'grammar' } }, 'response_format.type'],
  ])('%j is refused even where parameters may be dropped', (body, param) => {
    for (const dropParams of [true, false])
      expect(() => convert(body, dropParams)).toThrow(expect.objectContaining({ status: 400, param }))
  })
  it('names and details of messages are dropped with the rest', () => {
    const messages = [
      { ...USER, name: 'me' },
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'gs://b/x.png', detail: 'high' } }] },
    ]
    expect(() => convert({ messages })).toThrow(expect.objectContaining({ param: 'messages[0].name' }))
    expect(() => convert({ messages: messages.slice(1) })).toThrow(
      expect.objectContaining({ param: 'messages[0].content[0].image_url.detail' }),
    )
    expect(convert({ messages }, true).contents).toHaveLength(1)
    expect(droppedOf({ messages, logprobs: true })).toEqual([
      'logprobs',
      'messages[0].name',
      'messages[1].content[0].image_url.detail',
    ])
  })
})
