/** What Gemini's models answer: whole, streamed, with tools, and what they refuse. */
import { FinishReason, FunctionCallingConfigMode, type GenerateContentResponse } from '@google/genai'
import { describe, expect, it } from 'vitest'
import { refusal, servingName, text, tuned, useGoogle } from './support.ts'

const google = useGoogle()

const MODEL = 'gemini-3.5-flash'
const BASE = `/aiplatform/v1beta1/projects/sandbox-project/locations/us/publishers/google/models/${MODEL}`
const GENERIC = 'I can help with many things, but I have not been tuned for this one.'

const weather = {
  name: 'get_weather',
  parametersJsonSchema: {
    type: 'object',
    properties: { city: { type: 'string', enum: ['Oslo'] } },
    required: ['city'],
  },
}
const time = {
  name: 'get_time',
  parameters: { type: 'OBJECT', properties: { zone: { type: 'STRING' } }, required: ['zone'] },
}
const tools = [{ functionDeclarations: [weather, time] }]

/** Posts a body as it is, the SDK's help refused. */
const post = (body: unknown, verb = 'generateContent', base = BASE) =>
  google.call('POST', `${base}:${verb}`, body)

const hi = [text('user', 'hi')]

describe('generateContent', () => {
  it.each(['v1', 'v1beta1'] as const)('answers the official client in %s', async version => {
    const response = await google.ai('us', version).models.generateContent({
      model: MODEL,
      contents: 'hi there',
      config: { systemInstruction: 'Be terse.', temperature: 0.2, seed: 7, labels: { tenant: 't1' } },
    })
    expect(response.text).toBe(GENERIC)
    const { promptTokenCount = 0, candidatesTokenCount = 0, totalTokenCount } = response.usageMetadata ?? {}
    expect({ promptTokenCount, totalTokenCount }).toEqual({
      promptTokenCount: 5,
      totalTokenCount: 5 + candidatesTokenCount,
    })
    expect(candidatesTokenCount).toBeGreaterThan(5)
    expect(response).toMatchObject({
      modelVersion: MODEL,
      responseId: expect.any(String),
      candidates: [{ content: { role: 'model' }, finishReason: 'STOP' }],
    })
  })

  it('counts tokens as it does in usage', async () => {
    const { totalTokens } = await google.ai('us').models.countTokens({
      model: MODEL,
      contents: 'hi there',
      config: { systemInstruction: 'Be terse.' },
    })
    expect(totalTokens).toBe(5)
  })

  it('stops at the limit, and at a stop sequence', async () => {
    const say = (config: object) =>
      google.ai('us').models.generateContent({ model: MODEL, contents: 'hi', config })
    const cut = await say({ maxOutputTokens: 2 })
    expect(cut.text).toBe('I can')
    expect(cut.candidates?.[0]?.finishReason).toBe(FinishReason.MAX_TOKENS)
    expect(cut.usageMetadata?.candidatesTokenCount).toBe(2)
    const stopped = await say({ stopSequences: ['never said', ' many'] })
    expect(stopped.text).toBe('I can help with')
    expect(stopped.candidates?.[0]?.finishReason).toBe(FinishReason.STOP)
  })

  it('gives as many candidates as are asked for', async () => {
    const { candidates, usageMetadata } = await google.ai('us').models.generateContent({
      model: MODEL,
      contents: 'hi',
      config: { candidateCount: 3, maxOutputTokens: 2 },
    })
    expect(candidates?.map(({ index = 0 }) => index)).toEqual([0, 1, 2])
    expect(usageMetadata?.candidatesTokenCount).toBe(6)
  })

  it('keeps to the form of the answer', async () => {
    const json = async (config: object): Promise<string | undefined> => {
      const request = {
        model: MODEL,
        contents: 'hi',
        config: { responseMimeType: 'application/json', ...config },
      }
      return (await google.ai('us').models.generateContent(request)).text
    }
    const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 3 } }, required: ['n'] }
    expect(await json({})).toBe('{}')
    expect(await json({ responseJsonSchema: schema })).toBe('{"n":3}')
    expect(await json({ responseSchema: { type: 'ARRAY', items: { type: 'STRING' }, minItems: '2' } })).toBe(
      '[]',
    )
  })

  it('is not given by models that are not there', async () => {
    const { models } = google.ai('us')
    expect(await refusal(models.generateContent({ model: 'gemini-9', contents: 'hi' }))).toMatch(/^404/)
    const nowhere = google.ai('moon-west1').models.generateContent({ model: MODEL, contents: 'hi' })
    expect(await refusal(nowhere)).toMatch(/^404/)
  })
})

describe('a tuned endpoint', () => {
  it('answers at the multi-region of its region alone', async () => {
    const job = await tuned(google, { config: { epochCount: 3 } })
    const endpoint = job.tunedModel?.endpoint ?? ''
    const at = (location: string) =>
      post({ contents: hi }, 'generateContent', `/aiplatform/v1/${endpoint.replace('us-central1', location)}`)
    expect(await at('us')).toMatchObject({ status: 200, json: { modelVersion: MODEL } })
    expect(await at('us-central1')).toMatchObject({
      status: 400,
      json: { error: { status: 'FAILED_PRECONDITION', message: expect.stringContaining("'us'") } },
    })
    for (const location of ['eu', 'global']) expect(await at(location)).toMatchObject({ status: 404 })
  })

  it('of europe-west4 answers at eu', async () => {
    const name = servingName(await tuned(google, { region: 'europe-west4', config: { epochCount: 1 } }))
    expect(name).toContain('locations/eu/')
    const response = await google.ai('eu').models.generateContent({ model: name, contents: 'hi' })
    expect(response.text).toEqual(expect.any(String))
    const wrong = name.replace('locations/eu/', 'locations/us/')
    expect(await refusal(google.ai('us').models.generateContent({ model: wrong, contents: 'hi' }))).toMatch(
      /^404/,
    )
  })

  it('does not speak the way custom models do', async () => {
    const name = servingName(await tuned(google, { config: { epochCount: 1 } }))
    expect(await post({ instances: [] }, 'predict', `/aiplatform/v1/${name}`)).toMatchObject({
      status: 400,
      json: { error: { status: 'FAILED_PRECONDITION' } },
    })
    const chat = await google.call('POST', `/aiplatform/v1/${name}/chat/completions`, { messages: [] })
    expect(chat).toMatchObject({ status: 400, json: { error: { status: 'FAILED_PRECONDITION' } } })
  })
})

describe('a stream', () => {
  async function collect(config: object = {}, contents = 'hi'): Promise<GenerateContentResponse[]> {
    const chunks: GenerateContentResponse[] = []
    const stream = await google.ai('us').models.generateContentStream({ model: MODEL, contents, config })
    for await (const chunk of stream) chunks.push(chunk)
    return chunks
  }

  it('comes piece by piece, with usage at its end', async () => {
    const chunks = await collect()
    expect(chunks.length).toBeGreaterThan(5)
    expect(chunks.map(chunk => chunk.text).join('')).toBe(GENERIC)
    expect(chunks.slice(0, -1).some(chunk => chunk.candidates?.[0]?.finishReason)).toBe(false)
    expect(chunks.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 1, totalTokenCount: expect.any(Number) },
    })
    expect(new Set(chunks.map(({ responseId }) => responseId)).size).toBe(1)
  })

  it('has function calls in one piece', async () => {
    const chunks = await collect({ tools }, 'call get_weather please')
    expect(chunks).toHaveLength(1)
    expect(chunks[0]?.functionCalls).toEqual([{ name: 'get_weather', args: { city: 'Oslo' } }])
  })

  it('is events with CRLF and no end mark', async () => {
    const { headers, text: body } = await post({ contents: hi }, 'streamGenerateContent?alt=sse')
    expect(headers.get('content-type')).toContain('text/event-stream')
    const events = body.split('\r\n\r\n')
    expect(events.pop()).toBe('')
    for (const event of events) expect(JSON.parse(event.replace(/^data: /, ''))).toHaveProperty('candidates')
  })

  it('is a JSON array where events are not asked for, and so are its errors', async () => {
    const { json, headers } = await post({ contents: hi }, 'streamGenerateContent')
    expect(headers.get('content-type')).toContain('application/json')
    const pieces = json as { candidates: { content: { parts: { text: string }[] } }[] }[]
    expect(pieces.map(each => each.candidates[0]?.content.parts[0]?.text).join('')).toBe(GENERIC)
    expect(await post({}, 'streamGenerateContent')).toMatchObject({
      status: 400,
      json: [{ error: { code: 400 } }],
    })
    expect(await post({}, 'streamGenerateContent?alt=sse')).toMatchObject({ json: { error: { code: 400 } } })
  })

  it('can break off with an error where an event would be', async () => {
    await google.control('POST', '/google/broken-stream', { afterChunks: 2, status: 'UNAVAILABLE' })
    const { text: body, status } = await post({ contents: hi }, 'streamGenerateContent?alt=sse')
    expect(status).toBe(200)
    const [first, second, error] = body.split('\r\n\r\n')
    expect([first, second].every(event => event?.startsWith('data: '))).toBe(true)
    expect(JSON.parse(error ?? '')).toMatchObject({ error: { code: 503, status: 'UNAVAILABLE' } })
    await google.control('POST', '/google/broken-stream', { afterChunks: 0, status: 'RESOURCE_EXHAUSTED' })
    expect(await refusal(collect())).toMatch(/429/)
    expect((await collect()).length).toBeGreaterThan(5)
  })

  it('can be cut by the sandbox’s faults', async () => {
    google.sandbox.fault({ path: ':streamGenerateContent', kind: 'end-stream', afterChunks: 2 })
    expect(
      (await post({ contents: hi }, 'streamGenerateContent?alt=sse')).text.split('\r\n\r\n'),
    ).toHaveLength(3)
    google.sandbox.fault({
      path: ':generateContent',
      kind: 'status',
      status: 429,
      body: { error: { code: 429, message: 'Resource exhausted', status: 'RESOURCE_EXHAUSTED' } },
    })
    const call = google.ai('us').models.generateContent({ model: MODEL, contents: 'hi' })
    expect(await refusal(call)).toMatch(/^429.*RESOURCE_EXHAUSTED/s)
  })

  it('is no longer generated when the client has left', async () => {
    await google.control('POST', '/settings', { chunkMs: 60_000 })
    const streams = async () =>
      ((await google.control('GET', '/state')) as { streams: { open: number; items: { end: unknown }[] } })
        .streams
    const leaving = new AbortController()
    const response = await fetch(`${google.sandbox.origin}/google${BASE}:streamGenerateContent?alt=sse`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await google.token()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ contents: hi }),
      signal: leaving.signal,
    })
    await response.body?.getReader().read()
    expect(await streams()).toMatchObject({ open: 1, items: [{ chunks: 1, end: null }] })
    leaving.abort()
    while ((await streams()).open > 0) await new Promise(resolve => setTimeout(resolve, 2))
    await google.control('POST', '/settings', { chunkMs: 0 })
    expect((await streams()).items).toMatchObject([{ end: 'client_gone', chunks: 1 }])
  })
})

describe('tools', () => {
  const call = async (
    contents: string,
    mode?: FunctionCallingConfigMode,
    allowedFunctionNames?: string[],
  ) => {
    const response = await google.ai('us').models.generateContent({
      model: MODEL,
      contents,
      config: {
        tools: tools as never,
        ...(mode && {
          toolConfig: {
            functionCallingConfig: { mode, ...(allowedFunctionNames && { allowedFunctionNames }) },
          },
        }),
      },
    })
    return response.functionCalls
  }

  it('are called by name, unless they must or must not be', async () => {
    expect(await call('hi')).toBeUndefined()
    expect(await call('please get_time')).toEqual([{ name: 'get_time', args: { zone: '' } }])
    expect(await call('please get_time', FunctionCallingConfigMode.NONE)).toBeUndefined()
    expect(await call('hi', FunctionCallingConfigMode.ANY)).toEqual([
      { name: 'get_weather', args: { city: 'Oslo' } },
    ])
    expect(await call('hi', FunctionCallingConfigMode.ANY, ['get_time'])).toMatchObject([
      { name: 'get_time' },
    ])
  })

  it('want the thought signature back in the same turn', async () => {
    const { models } = google.ai('us')
    const config = { tools: tools as never }
    const asked = await models.generateContent({ model: MODEL, contents: 'get_weather', config })
    const turn = asked.candidates?.[0]?.content ?? expect.fail('There is no content.')
    expect(turn.parts?.[0]?.thoughtSignature).toMatch(/^[A-Za-z0-9+/]+=*$/)
    expect(asked.candidates?.[0]?.finishReason).toBe('STOP')
    const result = {
      role: 'user',
      parts: [{ functionResponse: { name: 'get_weather', response: { output: { t: 3 } } } }],
    }
    const again = (parts: unknown, ...more: unknown[]) =>
      models.generateContent({
        model: MODEL,
        contents: [text('user', 'get_weather'), { role: 'model', parts }, result, ...more] as never,
        config,
      })
    const { functionCall } = turn.parts?.[0] ?? {}
    expect((await again(turn.parts)).text).toBe(GENERIC)
    expect(await refusal(again([{ functionCall }]))).toMatch(/^400.*thought_signature/s)
    expect(await refusal(again([{ functionCall, thoughtSignature: 'bm9uc2Vuc2U=' }]))).toMatch(
      /^400.*not valid/s,
    )
    const other = await models.generateContent({ model: MODEL, contents: 'get_time', config })
    const { thoughtSignature } = other.candidates?.[0]?.content?.parts?.[0] ?? {}
    expect(await refusal(again([{ functionCall, thoughtSignature }]))).toMatch(/^400/)
    const waiver = 'skip_thought_signature_validator'
    expect((await again([{ functionCall, thoughtSignature: waiver }])).text).toBe(GENERIC)
    // The turn is over once the user speaks again.
    expect((await again([{ functionCall }], text('model', 'cold'), text('user', 'hi'))).text).toBe(GENERIC)
  })
})

describe('a request is refused', () => {
  const calls = {
    role: 'model',
    parts: [{ functionCall: { name: 'f' }, thoughtSignature: 'skip_thought_signature_validator' }],
  }
  const respond = (...names: string[]) => ({
    role: 'user',
    parts: names.map(name => ({ functionResponse: { name, response: {} } })),
  })
  const declared = (declaration: object) => ({
    tools: [{ functionDeclarations: [{ name: 'f', ...declaration }] }],
  })
  const mode = (functionCallingConfig: object) => ({ tools, toolConfig: { functionCallingConfig } })
  const config = (generationConfig: object) => ({ generationConfig })

  it.each<[name: string, changes: object, message: string]>([
    ['no contents', { contents: undefined }, 'The contents field is required.'],
    ['empty contents', { contents: [] }, 'contents'],
    ['an unknown field', { messages: [] }, 'Unknown name "messages": Cannot find field.'],
    ['the role of another API', { contents: [text('assistant', 'x')] }, 'contents[0].role'],
    ['no part', { contents: [{ role: 'user', parts: [] }] }, 'contents[0].parts'],
    ['an empty part', { contents: [{ role: 'user', parts: [{}] }] }, "'data' field"],
    [
      'two kinds in a part',
      { contents: [{ role: 'user', parts: [{ text: 'x', functionCall: { name: 'f' } }] }] },
      'oneof',
    ],
    [
      'an unknown field in a part',
      { contents: [{ role: 'user', parts: [{ text: 'x', image: 1 }] }] },
      '"image" at \'contents[0].parts[0]\'',
    ],
    ['two turns of the user', { contents: [...hi, ...hi] }, 'alternate'],
    ['the model’s turn at the end', { contents: [...hi, text('model', 'x')] }, 'end with a user role'],
    ['no response to a call', { contents: [...hi, calls, ...hi] }, 'number of function response parts'],
    [
      'two responses to one call',
      { contents: [...hi, calls, respond('f', 'f')] },
      'number of function response parts',
    ],
    ['a response to another call', { contents: [...hi, calls, respond('g')] }, "'g'"],
    ['an unknown setting', config({ max_tokens: 4 }), '"max_tokens" at \'generation_config\''],
    ['a hot temperature', config({ temperature: 3 }), 'generation_config.temperature'],
    ['a share above one', config({ topP: 2 }), 'generation_config.top_p'],
    ['nine candidates', config({ candidateCount: 9 }), 'generation_config.candidate_count'],
    ['no tokens', config({ maxOutputTokens: 0 }), 'generation_config.max_output_tokens'],
    ['six stop sequences', config({ stopSequences: ['a', 'b', 'c', 'd', 'e', 'f'] }), 'stop_sequences'],
    ['a penalty of two', config({ presencePenalty: 2 }), 'presence_penalty'],
    ['logprobs alone', config({ logprobs: 2 }), 'response_logprobs'],
    ['another type of answer', config({ responseMimeType: 'text/html' }), '(TYPE_ENUM), "text/html"'],
    ['a schema for prose', config({ responseJsonSchema: {} }), 'response_mime_type'],
    [
      'two schemas',
      config({ responseMimeType: 'application/json', responseSchema: {}, responseJsonSchema: {} }),
      'together',
    ],
    [
      'an unknown thinking level',
      config({ thinkingConfig: { thinkingLevel: 'NONE' } }),
      '(TYPE_ENUM), "NONE"',
    ],
    [
      'two measures of thought',
      config({ thinkingConfig: { thinkingLevel: 'LOW', thinkingBudget: 1 } }),
      'together',
    ],
    ['OpenAI’s tools', { tools: [{ type: 'function', function: {} }] }, 'tools[0]'],
    [
      'a schema beyond OpenAPI',
      declared({ parameters: { type: 'OBJECT', $schema: 'x' } }),
      '"$schema" at \'tools[0].function_declarations[0].parameters\'',
    ],
    ['two forms of parameters', declared({ parameters: {}, parametersJsonSchema: {} }), 'together'],
    ['a bad name', { tools: [{ functionDeclarations: [{ name: 'a b' }] }] }, 'function_declarations[0].name'],
    ['an unknown mode', mode({ mode: 'REQUIRED' }), '(TYPE_ENUM), "REQUIRED"'],
    ['allowed names in mode AUTO', mode({ mode: 'AUTO', allowedFunctionNames: ['get_time'] }), 'not ANY'],
    ['an allowed name that is not declared', mode({ mode: 'ANY', allowedFunctionNames: ['x'] }), "'x'"],
    ['mode ANY without tools', { ...mode({ mode: 'ANY' }), tools: undefined }, 'needs function declarations'],
  ])('for %s', async (_name, changes, message) => {
    const { status, json } = await post({ contents: hi, ...changes })
    expect({ status, json }).toMatchObject({ status: 400, json: { error: { status: 'INVALID_ARGUMENT' } } })
    expect((json as { error: { message: string } }).error.message).toContain(message)
  })

  it('for the id of a call in v1, which does not know it', async () => {
    const contents = [
      ...hi,
      { role: 'model', parts: [{ ...calls.parts[0], functionCall: { id: '1', name: 'f' } }] },
      respond('f'),
    ]
    expect(await post({ contents })).toMatchObject({ status: 200 })
    expect(await post({ contents }, 'generateContent', BASE.replace('v1beta1', 'v1'))).toMatchObject({
      status: 400,
      json: { error: { message: expect.stringContaining('"id" at \'contents[1].parts[0].function_call\'') } },
    })
  })

  it('for a method that is none', async () => {
    expect(await post({ contents: hi }, 'embedContent')).toMatchObject({ status: 404 })
    expect(await post({ instances: [] }, 'predict')).toMatchObject({ status: 400 })
  })
})
