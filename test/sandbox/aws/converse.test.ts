import {
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  type ConverseStreamOutput,
  type Message,
  type Tool,
  type ToolConfiguration,
} from '@aws-sdk/client-bedrock-runtime'
import { EventStreamCodec } from '@smithy/eventstream-codec'
import { describe, expect, it } from 'vitest'
import { answerOf, CLAUDE, deployed, LLAMA, NOVA, refusal, signer, trained, useAws } from './support.ts'

const bench = useAws()

const BASE = 'amazon.nova-lite-v1:0'
const user = (...texts: string[]): Message => ({ role: 'user', content: texts.map(text => ({ text })) })
const assistant = (text: string): Message => ({ role: 'assistant', content: [{ text }] })
const HELLO = { messages: [user('hello')] }

const converse = (input: Partial<ConverseCommandInput>) =>
  bench.runtime.send(new ConverseCommand({ modelId: BASE, ...HELLO, ...input }))

const WEATHER: Tool.ToolSpecMember = {
  toolSpec: {
    name: 'get_weather',
    description: 'The weather in a city.',
    inputSchema: {
      json: {
        type: 'object',
        properties: { city: { type: 'string', enum: ['Oslo', 'Rome'] } },
        required: ['city'],
      },
    },
  },
}
const CLOCK: Tool.ToolSpecMember = {
  toolSpec: { name: 'get_time', inputSchema: { json: { type: 'object' } } },
}
const tools = (toolChoice?: ToolConfiguration['toolChoice']): { toolConfig: ToolConfiguration } => ({
  toolConfig: { tools: [CLOCK, WEATHER], ...(toolChoice && { toolChoice }) },
})

async function events(input: Partial<ConverseCommandInput>): Promise<ConverseStreamOutput[]> {
  const { stream } = await bench.runtime.send(
    new ConverseStreamCommand({ modelId: BASE, ...HELLO, ...input }),
  )
  const seen: ConverseStreamOutput[] = []
  for await (const event of stream ?? []) seen.push(event)
  return seen
}

/** Sends a body as it is, signed by aws4fetch. */
async function raw(
  body: unknown,
  { id = encodeURIComponent(BASE), verb = 'converse' } = {},
): Promise<Response> {
  const url = `${bench.sandbox.aws.bedrockRuntimeUrl}/model/${id}/${verb}`
  return signer(bench.sandbox, 'bedrock').fetch(url, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

describe('a conversation', () => {
  it('is answered, and counted', async () => {
    const answer = await converse({})
    expect(answer).toMatchObject({
      output: { message: { role: 'assistant', content: [{ text: expect.any(String) }] } },
      stopReason: 'end_turn',
      metrics: { latencyMs: expect.any(Number) },
    })
    const { inputTokens = 0, outputTokens = 0, totalTokens } = answer.usage ?? {}
    expect(inputTokens).toBeGreaterThan(0)
    expect(outputTokens).toBeGreaterThan(5)
    expect(totalTokens).toBe(inputTokens + outputTokens)
    const longer = await converse({ messages: [user('hello hello hello')] })
    expect(longer.usage?.inputTokens).toBe(inputTokens + 2)
  })

  it.each([BASE, `us.${BASE}`, `arn:aws:bedrock:us-east-1::foundation-model/${BASE}`])(
    'can be had with %s',
    async modelId => {
      expect((await converse({ modelId })).stopReason).toBe('end_turn')
    },
  )

  it('can be had with an API key', async () => {
    const body = JSON.stringify({ messages: [{ role: 'user', content: [{ text: 'hello' }] }] })
    const call = (key: string) =>
      fetch(`${bench.sandbox.aws.bedrockRuntimeUrl}/model/${BASE}/converse`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body,
      })
    expect((await call(bench.sandbox.aws.bedrockApiKey)).status).toBe(200)
    const refused = await call('wrong')
    expect(refused.status).toBe(403)
    expect(refused.headers.get('x-amzn-errortype')).toMatch(/^AccessDeniedException:/)
  })

  it('ends where it should', async () => {
    const whole = answerOf(await converse({})) ?? ''
    const short = await converse({ inferenceConfig: { maxTokens: 3 } })
    expect(short).toMatchObject({ stopReason: 'max_tokens', usage: { outputTokens: 3 } })
    expect(whole.startsWith(answerOf(short) ?? 'x')).toBe(true)
    const stopped = await converse({ inferenceConfig: { stopSequences: ['never', 'many'] } })
    expect(stopped.stopReason).toBe('stop_sequence')
    expect(answerOf(stopped)).toBe(whole.slice(0, whole.indexOf('many')))
  })

  it('takes a form for the answer', async () => {
    const schema = JSON.stringify({
      type: 'object',
      properties: { city: { enum: ['Oslo'] } },
      required: ['city'],
    })
    const answer = await converse({
      outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema: { schema, name: 'o' } } } },
    })
    expect(answerOf(answer)).toBe('{"city":"Oslo"}')
  })

  it('takes what the official client was recorded to send', async () => {
    const body = {
      messages: [
        {
          role: 'user',
          content: [{ text: 'hi' }, { image: { format: 'png', source: { bytes: 'iVBORw==' } } }],
        },
        {
          role: 'assistant',
          content: [{ toolUse: { toolUseId: 'tooluse_1', name: 'get_weather', input: { city: 'Oslo' } } }],
        },
        {
          role: 'user',
          content: [
            { toolResult: { toolUseId: 'tooluse_1', content: [{ json: { t: 3 } }], status: 'success' } },
          ],
        },
      ],
      system: [{ text: 'Be terse.' }],
      inferenceConfig: { maxTokens: 64, temperature: 0.2, topP: 0.9, stopSequences: ['END'] },
      toolConfig: { tools: [{ toolSpec: { ...WEATHER.toolSpec, strict: true } }], toolChoice: { auto: {} } },
      additionalModelRequestFields: { top_k: 40 },
      requestMetadata: { tenant: 't1' },
    }
    const response = await raw(body)
    expect([response.status, await response.json()]).toMatchObject([200, { stopReason: 'end_turn' }])
  })

  it('takes all that the API has', async () => {
    await converse({
      system: [{ text: 'Be terse.' }],
      messages: [
        {
          role: 'user',
          content: [{ text: 'hi' }, { image: { format: 'png', source: { bytes: Buffer.from('x') } } }],
        },
        assistant('hm'),
        user('go on', 'please'),
      ],
      inferenceConfig: { maxTokens: 64, temperature: 0.2, topP: 0.9, stopSequences: ['END'] },
      additionalModelRequestFields: { top_k: 40 },
      requestMetadata: { tenant: 't1' },
      performanceConfig: { latency: 'standard' },
      serviceTier: { type: 'default' },
    })
  })
})

describe('tools', () => {
  it.each([
    [
      'auto, when the user names one',
      tools({ auto: {} }),
      'please get_weather',
      'get_weather',
      { city: 'Oslo' },
    ],
    ['auto by default', tools(), 'please get_weather', 'get_weather', { city: 'Oslo' }],
    ['any', tools({ any: {} }), 'hello', 'get_time', {}],
    ['a certain one', tools({ tool: { name: 'get_weather' } }), 'hello', 'get_weather', { city: 'Oslo' }],
  ])('are called with %s', async (_what, toolConfig, text, name, input) => {
    const answer = await converse({ messages: [user(text)], ...toolConfig })
    expect(answer.stopReason).toBe('tool_use')
    expect(answer.output?.message?.content).toEqual([
      { toolUse: { toolUseId: expect.stringMatching(/^tooluse_\w{22}$/), name, input } },
    ])
  })

  it('are not called without need', async () => {
    expect((await converse(tools({ auto: {} }))).stopReason).toBe('end_turn')
  })

  it('answer in the next turn', async () => {
    const messages: Message[] = [user('get_weather and get_time')]
    const call = await converse({ messages, ...tools({ any: {} }) })
    const [use] = call.output?.message?.content ?? []
    messages.push(call.output?.message ?? assistant(''), {
      role: 'user',
      content: [
        {
          toolResult: {
            toolUseId: use?.toolUse?.toolUseId,
            content: [{ json: { t: 3 } }],
            status: 'success',
          },
        },
      ],
    })
    expect(await converse({ messages, ...tools() })).toMatchObject({ stopReason: 'end_turn' })
  })
})

const use = (...ids: string[]): Message => ({
  role: 'assistant',
  content: ids.map(toolUseId => ({ toolUse: { toolUseId, name: 'get_time', input: {} } })),
})
const result = (...ids: string[]): Message => ({
  role: 'user',
  content: ids.map(toolUseId => ({ toolResult: { toolUseId, content: [{ text: 'noon' }] } })),
})

describe('a request that makes no sense', () => {
  const text = (value: string) => ({ messages: [{ role: 'user', content: [{ text: value }] }] })
  const hello = text('hello')

  it.each<[string, unknown, RegExp]>([
    ['an unknown field', { ...hello, model: 'x' }, /'model'.*not known/],
    ['an unknown inference parameter', { ...hello, inferenceConfig: { topK: 1 } }, /inferenceConfig\.topK/],
    ['a field of OpenAI', { ...hello, inferenceConfig: { max_tokens: 1 } }, /inferenceConfig\.max_tokens/],
    ['no messages', {}, /null at 'messages'/],
    ['an empty list of messages', { messages: [] }, /'messages'.*greater than or equal to 1/],
    ['text for content', { messages: [{ role: 'user', content: 'hello' }] }, /messages\.0\.content.*array/],
    [
      'content of two kinds',
      { messages: [{ role: 'user', content: [{ text: 'a', cachePoint: { type: 'default' } }] }] },
      /exactly one/,
    ],
    [
      'content of OpenAI',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] },
      /'messages\.0\.content\.0\.type'/,
    ],
    [
      'a system message',
      { messages: [{ role: 'system', content: [{ text: 'a' }] }] },
      /'system' at 'messages\.0\.role'/,
    ],
    ['text for a system', { ...hello, system: 'be nice' }, /system.*array/],
    [
      'too hot',
      { ...hello, inferenceConfig: { temperature: 1.5 } },
      /'1\.5' at 'inferenceConfig\.temperature'.*less than or equal to 1/,
    ],
    ['no tokens', { ...hello, inferenceConfig: { maxTokens: 0 } }, /maxTokens/],
    ['an empty tool list', { ...hello, toolConfig: { tools: [] } }, /toolConfig\.tools/],
    [
      'a tool of OpenAI',
      { ...hello, toolConfig: { tools: [{ type: 'function', function: {} }] } },
      /toolConfig\.tools\.0/,
    ],
    [
      'a tool name with a dot',
      { ...hello, toolConfig: { tools: [{ toolSpec: { ...CLOCK.toolSpec, name: 'a.b' } }] } },
      /'a\.b'/,
    ],
    [
      'a tool choice of OpenAI',
      { ...hello, toolConfig: { tools: [CLOCK], toolChoice: 'auto' } },
      /toolChoice/,
    ],
    [
      'two tool choices',
      { ...hello, toolConfig: { tools: [CLOCK], toolChoice: { auto: {}, any: {} } } },
      /exactly one/,
    ],
    [
      'a schema that is no text',
      {
        ...hello,
        outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema: { schema: {} } } } },
      },
      /schema.*type string/,
    ],
    [
      'an unknown guardrail',
      { ...hello, guardrailConfig: { guardrailIdentifier: 'g', guardrailVersion: '1' } },
      /guardrail/,
    ],
    ['metadata that are no text', { ...hello, requestMetadata: { a: 1 } }, /requestMetadata\.a/],
  ])('is refused for %s', async (_what, body, message) => {
    const response = await raw(body)
    expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([
      400,
      expect.stringMatching(/^ValidationException:/),
    ])
    expect(await response.json()).toEqual({ message: expect.stringMatching(message) })
    expect(response.headers.get('x-amzn-requestid')).toMatch(/^[-0-9a-f]{36}$/)
  })

  it.each<[string, Partial<ConverseCommandInput>, RegExp]>([
    [
      'an assistant at the beginning',
      { messages: [assistant('a'), user('b')] },
      /must start with a user message/,
    ],
    ['two users in a row', { messages: [user('a'), user('b')] }, /must alternate/],
    ['two assistants in a row', { messages: [user('a'), assistant('b'), assistant('c')] }, /must alternate/],
    ['empty content', { messages: [{ role: 'user', content: [] }] }, /messages\.0 is empty/],
    ['blank text', { messages: [user('a', ' ')] }, /messages\.0\.content\.1 is blank/],
    [
      'tools in the history, but none offered',
      { messages: [user('a'), use('x'), result('x')] },
      /toolConfig field must be defined/,
    ],
    [
      'no result of a call',
      { messages: [user('a'), use('x', 'y'), result('x')], ...tools() },
      /Expected toolResult blocks at messages\.2\.content for the following Ids: y/,
    ],
    ['a text after a call', { messages: [user('a'), use('x'), user('b')], ...tools() }, /Ids: x/],
    [
      'a result of another call',
      { messages: [user('a'), use('x'), result('x', 'z')], ...tools() },
      /exceeds the number of toolUse/,
    ],
    ['a result of no call', { messages: [result('x')], ...tools() }, /exceeds the number of toolUse/],
    [
      'a call by the user',
      { messages: [{ ...use('x'), role: 'user' }], ...tools() },
      /only allowed from the assistant/,
    ],
    ['a tool that is not there', tools({ tool: { name: 'other' } }), /other/],
    ['the same tool twice', { toolConfig: { tools: [CLOCK, CLOCK] } }, /unique/],
    [
      'a picture for a model without eyes',
      {
        modelId: 'amazon.nova-micro-v1:0',
        messages: [
          { role: 'user', content: [{ image: { format: 'png', source: { bytes: Buffer.from('x') } } }] },
        ],
      },
      /image/,
    ],
    [
      'words put into the mouth of a Llama',
      { modelId: LLAMA.replace(':128k', ''), messages: [user('a'), assistant('b')] },
      /last turn/,
    ],
    [
      'a choice that a Llama does not have',
      { modelId: LLAMA.replace(':128k', ''), ...tools({ any: {} }) },
      /toolChoice\.any/,
    ],
    ['a system for Titan', { modelId: 'amazon.titan-text-lite-v1', system: [{ text: 'x' }] }, /system/],
    ['tools for Titan', { modelId: 'amazon.titan-text-lite-v1', ...tools() }, /tool use/],
    ['variables of a prompt', { promptVariables: { a: { text: 'b' } } }, /promptVariables/],
  ])('is refused for %s', async (_what, input, message) => {
    const expected = { name: 'ValidationException', status: 400, message: expect.stringMatching(message) }
    expect(await refusal(converse(input))).toMatchObject(expected)
    expect(await refusal(events(input))).toMatchObject(expected)
  })

  it('is told from one that does: words in the mouth of Claude', async () => {
    await converse({ modelId: CLAUDE.replace(':200k', ''), messages: [user('a'), assistant('b')] })
  })

  it('is refused for tools in a stream of Llama, and only there', async () => {
    const input = { modelId: LLAMA.replace(':128k', ''), ...tools() }
    expect(await refusal(events(input))).toMatchObject({ message: expect.stringContaining('streaming mode') })
    await converse(input)
  })

  it('is refused if it is no JSON', async () => {
    const response = await raw('{')
    expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([
      400,
      expect.stringMatching(/^SerializationException/),
    ])
  })
})

describe('a model that cannot be called', () => {
  const arn = (rest: string) => `arn:aws:bedrock:us-east-1:123456789012:${rest}`

  it.each([
    ['an unknown deployment', arn('custom-model-deployment/abcdefghijkl'), 'ResourceNotFoundException', 404],
    ['unknown throughput', arn('provisioned-model/abcdefghijkl'), 'ResourceNotFoundException', 404],
    ['an imported model', arn('imported-model/abcdefghijkl'), 'ResourceNotFoundException', 404],
    ['an unknown model', 'amazon.nova-nothing-v1:0', 'ValidationException', 400],
    [
      'a model of another region',
      'arn:aws:bedrock:eu-west-1:123456789012:imported-model/a',
      'ValidationException',
      400,
    ],
    ['a base with its context', NOVA, 'ValidationException', 400],
  ])('is %s', async (_what, modelId, name, status) => {
    expect(await refusal(converse({ modelId }))).toMatchObject({ name, status })
  })

  it('is a custom model that is not deployed', async () => {
    const { outputModelArn } = await trained(bench)
    expect(await refusal(converse({ modelId: outputModelArn }))).toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('on-demand throughput'),
    })
  })

  it('is an ARN that is not percent-encoded', async () => {
    const response = await raw(HELLO, { id: arn('imported-model/abcdefghijkl') })
    expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([
      404,
      expect.stringMatching(/^UnknownOperationException/),
    ])
  })
})

describe('a stream', () => {
  const text = (list: ConverseStreamOutput[]) =>
    list.map(({ contentBlockDelta }) => contentBlockDelta?.delta?.text ?? '').join('')

  it('says what the whole answer says, in order', async () => {
    const whole = await converse({})
    const list = await events({})
    const kinds = list.map(event => Object.keys(event)[0])
    expect(kinds.filter((kind, index) => kind !== kinds[index - 1])).toEqual([
      'messageStart',
      'contentBlockDelta',
      'contentBlockStop',
      'messageStop',
      'metadata',
    ])
    expect(list[0]).toMatchObject({ messageStart: { role: 'assistant' } })
    expect(text(list)).toBe(answerOf(whole))
    expect(list.at(-2)).toMatchObject({ messageStop: { stopReason: 'end_turn' } })
    expect(list.at(-1)).toMatchObject({
      metadata: { usage: whole.usage, metrics: { latencyMs: expect.any(Number) } },
    })
  })

  it('announces a tool and gives its input in pieces', async () => {
    const list = await events(tools({ tool: { name: 'get_weather' } }))
    expect(list[1]).toMatchObject({
      contentBlockStart: {
        contentBlockIndex: 0,
        start: { toolUse: { toolUseId: expect.stringMatching(/^tooluse_/), name: 'get_weather' } },
      },
    })
    const pieces = list.flatMap(({ contentBlockDelta }) => contentBlockDelta?.delta?.toolUse?.input ?? [])
    expect(pieces.length).toBeGreaterThan(1)
    expect(JSON.parse(pieces.join(''))).toEqual({ city: 'Oslo' })
    expect(list.at(-2)).toMatchObject({ messageStop: { stopReason: 'tool_use' } })
  })

  it('comes from a tuned model as well', async () => {
    const modelId = await deployed(bench, await trained(bench))
    const messages = [user('I lost my card')]
    expect(text(await events({ modelId, messages, system: [{ text: 'Name the intent.' }] }))).toBe(
      'lost_card',
    )
  })

  it('is made of frames', async () => {
    const response = await raw(
      { messages: [{ role: 'user', content: [{ text: 'a' }] }] },
      { verb: 'converse-stream' },
    )
    expect(response.headers.get('content-type')).toBe('application/vnd.amazon.eventstream')
    const bytes = new Uint8Array(await response.arrayBuffer())
    const codec = new EventStreamCodec(
      input => new TextDecoder().decode(typeof input === 'string' ? Buffer.from(input) : input),
      input => new TextEncoder().encode(input),
    )
    const length = new DataView(bytes.buffer).getUint32(0)
    const { headers, body } = codec.decode(bytes.subarray(0, length))
    expect(headers).toEqual({
      ':event-type': { type: 'string', value: 'messageStart' },
      ':content-type': { type: 'string', value: 'application/json' },
      ':message-type': { type: 'string', value: 'event' },
    })
    expect(JSON.parse(new TextDecoder().decode(body))).toEqual({ role: 'assistant', p: expect.any(String) })
  })

  it('is refused before it begins', async () => {
    expect(await refusal(events({ modelId: 'nothing' }))).toMatchObject({
      name: 'ValidationException',
      status: 400,
    })
  })

  it('stops when nobody listens any more', async () => {
    await bench.set({ chunkMs: 60_000 })
    const { stream } = await bench.runtime.send(new ConverseStreamCommand({ modelId: BASE, ...HELLO }))
    for await (const event of stream ?? []) {
      expect(event).toHaveProperty('messageStart')
      break
    }
    bench.runtime.config.requestHandler.destroy?.()
    const state = async () => {
      const response = await fetch(`${bench.sandbox.origin}/_sandbox/state`)
      return ((await response.json()) as { streams: { open: number } }).streams.open
    }
    while ((await state()) > 0) await new Promise(resolve => setTimeout(resolve, 5))
  })
})

describe('a stream that goes wrong', () => {
  it('says why in the middle of a 200', async () => {
    bench.sandbox.fault({ kind: 'stream-exception', path: '/converse-stream$', afterChunks: 3 })
    const seen: unknown[] = []
    const failed = refusal(
      (async () => {
        const { stream, $metadata } = await bench.runtime.send(
          new ConverseStreamCommand({ modelId: BASE, ...HELLO }),
        )
        expect($metadata.httpStatusCode).toBe(200)
        for await (const event of stream ?? []) seen.push(event)
      })(),
    )
    expect(await failed).toMatchObject({ name: 'ThrottlingException', message: 'Too many tokens' })
    expect(seen).toHaveLength(3)
    expect(await events({})).not.toHaveLength(3)
  })

  it('says what it is told to', async () => {
    bench.sandbox.fault({
      kind: 'stream-exception',
      afterChunks: 0,
      exception: 'modelStreamErrorException',
      body: { message: 'lost it', originalStatusCode: 500 },
    })
    expect(await refusal(events({}))).toMatchObject({ name: 'ModelStreamErrorException', message: 'lost it' })
  })

  it('is refused with the errors of AWS', async () => {
    bench.sandbox.fault({
      kind: 'status',
      status: 429,
      path: '^/aws/bedrock-runtime/',
      headers: { 'x-amzn-errortype': 'ThrottlingException:http://x' },
      body: { message: 'slow down' },
    })
    expect(await refusal(converse({}))).toMatchObject({
      name: 'ThrottlingException',
      status: 429,
      message: 'slow down',
    })
  })
})
