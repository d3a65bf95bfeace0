/** What the service would not let pass, the sandbox does not let pass either. */
import OpenAI, { toFile } from 'openai'
import { describe, expect, it } from 'vitest'
import { chatLine, jobEnd, refusal, samples, upload, useSandbox } from './support.ts'

const bench = useSandbox()

interface Refused {
  status: number
  json: { error: { message: string; type: string; param: string | null; code: string | null } }
}

const post = async (path: string, body: unknown): Promise<Refused> =>
  (await bench.raw('POST', path, body)) as Refused

describe('any request', () => {
  it.each(['sk-wrong', 'sk-sandbox-and-more'])('needs the right key, not %s', async apiKey => {
    const client = new OpenAI({ baseURL: bench.sandbox.openaiBaseUrl, apiKey, maxRetries: 0 })
    expect(await refusal(client.models.list())).toMatchObject({ status: 401, code: 'invalid_api_key' })
  })

  it('needs a key at all', async () => {
    const response = await fetch(`${bench.sandbox.openaiBaseUrl}/models`)
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_api_key' } })
  })

  it.each([
    ['GET', '/v1/nothing'],
    ['POST', '/v1/models'],
    ['GET', '/v1/fine_tuning/jobs/ftjob-x/cancel'],
    ['GET', '/somewhere/else'],
  ])('to a URL that is not there is a 404: %s %s', async (method, path) => {
    const { status, json } = await bench.raw(method, path)
    expect(status).toBe(404)
    expect(json).toMatchObject({
      error: { type: 'invalid_request_error', param: null, message: `Invalid URL (${method} ${path})` },
    })
  })

  it('is answered with an id and a time, even when refused', async () => {
    for (const path of ['/v1/models', '/v1/nothing', '/v1/models/none']) {
      const { headers } = await bench.raw('GET', path)
      expect(headers.get('x-request-id')).toMatch(/^req_/)
      expect(headers.get('openai-processing-ms')).toMatch(/^\d+$/)
    }
  })

  it('must hold JSON where JSON is due', async () => {
    expect(await post('/v1/chat/completions', '{"model":')).toMatchObject({ status: 400 })
  })
})

describe('a job is refused', () => {
  const base = { model: 'gpt-4.1-mini', training_file: 'file-good' }
  const supervised = (hyperparameters: unknown) => ({
    method: { type: 'supervised', supervised: { hyperparameters } },
  })
  const grader = {
    type: 'string_check',
    name: 'g',
    operation: 'eq',
    input: '{{sample.output_text}}',
    reference: '{{item.answer}}',
  }
  const graded = (changes: object, extra: object = {}) => ({
    model: 'o4-mini',
    method: { type: 'reinforcement', reinforcement: { grader: { ...grader, ...changes }, ...extra } },
  })
  const wandb = (...integrations: unknown[]) => ({ integrations })
  const pairs = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, key) => [`k${key}`, 'v']))
  const hyper = 'method.supervised.hyperparameters'

  const TABLE: [name: string, changes: object, param: string, code: string][] = [
    ['no model', { model: undefined }, 'model', 'missing_required_parameter'],
    ['no file', { training_file: undefined }, 'training_file', 'missing_required_parameter'],
    ['a model of the wrong type', { model: 4 }, 'model', 'invalid_type'],
    ['an unknown field', { provider: 'openai' }, 'provider', 'unknown_parameter'],
    ['a nested unknown field', supervised({ epochs: 3 }), `${hyper}.epochs`, 'unknown_parameter'],
    ['no epoch', supervised({ n_epochs: 0 }), `${hyper}.n_epochs`, 'integer_below_min_value'],
    ['too many epochs', supervised({ n_epochs: 51 }), `${hyper}.n_epochs`, 'integer_above_max_value'],
    ['half an epoch', supervised({ n_epochs: 1.5 }), `${hyper}.n_epochs`, 'invalid_type'],
    ['epochs in words', supervised({ n_epochs: 'three' }), `${hyper}.n_epochs`, 'invalid_value'],
    ['a huge batch', supervised({ batch_size: 257 }), `${hyper}.batch_size`, 'integer_above_max_value'],
    [
      'a learning rate of zero',
      supervised({ learning_rate_multiplier: 0 }),
      `${hyper}.learning_rate_multiplier`,
      'integer_below_min_value',
    ],
    ['beta outside DPO', supervised({ beta: 0.1 }), `${hyper}.beta`, 'unknown_parameter'],
    [
      'a beta beyond 2',
      { method: { type: 'dpo', dpo: { hyperparameters: { beta: 2.5 } } } },
      'method.dpo.hyperparameters.beta',
      'decimal_above_max_value',
    ],
    ['an unknown method', { method: { type: 'lora' } }, 'method.type', 'invalid_value'],
    ['a method without type', { method: {} }, 'method.type', 'missing_required_parameter'],
    [
      "another method's part",
      { method: { type: 'dpo', supervised: {} } },
      'method.supervised',
      'invalid_value',
    ],
    [
      'both kinds of hyperparameters',
      { ...supervised({}), hyperparameters: { n_epochs: 1 } },
      'hyperparameters',
      'invalid_value',
    ],
    ['an empty suffix', { suffix: '' }, 'suffix', 'string_below_min_length'],
    ['a long suffix', { suffix: 'x'.repeat(65) }, 'suffix', 'string_above_max_length'],
    ['a negative seed', { seed: -1 }, 'seed', 'integer_below_min_value'],
    ['17 metadata pairs', { metadata: pairs(17) }, 'metadata', 'object_above_max_properties'],
    ['a long value', { metadata: { k: 'v'.repeat(513) } }, 'metadata.k', 'string_above_max_length'],
    ['a number as metadata', { metadata: { k: 1 } }, 'metadata.k', 'invalid_type'],
    ['an unknown integration', wandb({ type: 'mlflow' }), 'integrations[0].type', 'invalid_value'],
    [
      'wandb without project',
      wandb({ type: 'wandb', wandb: {} }),
      'integrations[0].wandb.project',
      'missing_required_parameter',
    ],
    [
      'six integrations',
      wandb(...Array.from({ length: 6 }, () => ({ type: 'wandb', wandb: { project: 'p' } }))),
      'integrations',
      'array_above_max_length',
    ],
    ['an unknown model', { model: 'gpt-9' }, 'model', 'model_not_available'],
    ['a method the model lacks', { model: 'o4-mini' }, 'model', 'model_not_available'],
    ['reinforcement elsewhere', { ...graded({}), model: 'gpt-4.1' }, 'model', 'model_not_available'],
    [
      'reinforcement without grader',
      { model: 'o4-mini', method: { type: 'reinforcement', reinforcement: {} } },
      'method.reinforcement.grader',
      'missing_required_parameter',
    ],
    [
      'reinforcement without anything',
      { model: 'o4-mini', method: { type: 'reinforcement' } },
      'method.reinforcement',
      'missing_required_parameter',
    ],
    [
      'a grader that runs code',
      graded({ type: 'python', source: '1' }),
      'method.reinforcement.grader.type',
      'grader_not_supported',
    ],
    [
      'a fixed reference',
      graded({ reference: 'yes' }),
      'method.reinforcement.grader.reference',
      'grader_not_supported',
    ],
    [
      'an unknown operation',
      graded({ operation: 'gt' }),
      'method.reinforcement.grader.operation',
      'invalid_value',
    ],
    [
      'an effort of none',
      graded({}, { hyperparameters: { reasoning_effort: 'none' } }),
      'method.reinforcement.hyperparameters.reasoning_effort',
      'invalid_value',
    ],
    ['a missing file', { training_file: 'file-none' }, 'training_file', 'file_not_found'],
    ['a missing validation file', { validation_file: 'file-none' }, 'validation_file', 'file_not_found'],
  ]

  it.each(TABLE)('with %s', async (_name, changes, param, code) => {
    const training_file = await upload(bench, samples('train').map(chatLine))
    const body: Record<string, unknown> = { ...base, training_file, ...changes }
    const { status, json } = await post('/v1/fine_tuning/jobs', body)
    expect({ status, ...json.error }).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      param,
      code,
    })
    expect((await bench.state()).jobs.count).toBe(0)
  })

  it('with a file of another purpose', async () => {
    const file = await bench.client.files.create({
      file: await toFile(Buffer.from('{}'), 'a.jsonl'),
      purpose: 'batch',
    })
    const call = bench.client.fineTuning.jobs.create({ model: 'gpt-4o', training_file: file.id })
    expect(await refusal(call)).toMatchObject({
      status: 400,
      param: 'training_file',
      code: 'invalid_file_purpose',
    })
  })

  it('but not for the limits themselves', async () => {
    await bench.set({ stepMs: 60_000 })
    const training_file = await upload(bench, samples('train').map(chatLine))
    const job = await bench.client.fineTuning.jobs.create({
      model: 'gpt-4o-mini',
      training_file,
      suffix: 'x'.repeat(64),
      seed: 2_147_483_647,
      metadata: { ...(pairs(15) as Record<string, string>), ['k'.repeat(64)]: 'v'.repeat(512) },
      integrations: [{ type: 'wandb', wandb: { project: 'p', name: 'n', entity: 'e', tags: ['t'] } }],
      method: {
        type: 'supervised',
        supervised: { hyperparameters: { n_epochs: 50, batch_size: 256, learning_rate_multiplier: 0.001 } },
      },
    })
    expect(job).toMatchObject({
      model: 'gpt-4o-mini-2024-07-18',
      seed: 2_147_483_647,
      integrations: [{ type: 'wandb', wandb: { project: 'p', name: 'n', entity: 'e', tags: ['t'] } }],
    })
    expect(Object.keys(job.metadata ?? {})).toHaveLength(16)
  })
})

describe('a job fails while its files are checked', () => {
  const good = samples('train').map(chatLine)
  const line = (messages: unknown[], extra: object = {}) => ({ messages, ...extra })
  const user = { role: 'user', content: 'hi' }
  const assistant = { role: 'assistant', content: 'hello' }

  const TABLE: [name: string, bad: unknown, part: string][] = [
    ['no messages', {}, "'messages'"],
    ['an unknown key', line([user, assistant], { provider: 'x' }), "'provider'"],
    ['an unknown role', line([{ role: 'bot', content: 'x' }, assistant]), 'messages[0].role'],
    ['an unknown key in a message', line([{ ...user, mood: 'good' }, assistant]), 'messages[0].mood'],
    ['a user without words', line([{ role: 'user', content: null }, assistant]), 'messages[0].content'],
    ['the last word to the user', line([assistant, user]), 'last message'],
    ['an assistant who says nothing', line([user, { role: 'assistant' }]), 'messages[1]'],
    ['a weight of two', line([user, { ...assistant, weight: 2 }]), 'messages[1].weight'],
    [
      'a result for no call',
      line([user, { role: 'tool', content: 'x', tool_call_id: 'c' }, assistant]),
      'tool_calls',
    ],
    [
      'a preference',
      { input: line([user]), preferred_output: [assistant], non_preferred_output: [assistant] },
      '',
    ],
  ]

  it.each(TABLE)('for %s, naming the line', async (_name, bad, part) => {
    const training_file = await upload(bench, [...good.slice(0, 12), bad, ...good])
    const { id } = await bench.client.fineTuning.jobs.create({ model: 'gpt-4.1', training_file })
    const job = await jobEnd(bench, id)
    expect(job).toMatchObject({
      status: 'failed',
      fine_tuned_model: null,
      trained_tokens: null,
      error: {
        code: 'invalid_file_format',
        param: 'training_file',
        message: expect.stringMatching(/^Line 13: /),
      },
    })
    expect(job.finished_at).toBeGreaterThanOrEqual(job.created_at)
    expect(job.error?.message).toContain(part)
    const [last] = (await bench.client.fineTuning.jobs.listEvents(id)).data
    expect(last).toMatchObject({ level: 'error', message: expect.stringContaining('Line 13') })
  })

  it('for fewer than ten examples', async () => {
    const training_file = await upload(bench, good.slice(0, 9))
    const { id } = await bench.client.fineTuning.jobs.create({ model: 'gpt-4.1', training_file })
    expect(await jobEnd(bench, id)).toMatchObject({
      status: 'failed',
      error: {
        code: 'invalid_n_examples',
        param: 'training_file',
        message: expect.stringContaining('9 example'),
      },
    })
  })

  it('for a bad validation file', async () => {
    const training_file = await upload(bench, good)
    const validation_file = await upload(bench, [{ messages: [] }])
    const { id } = await bench.client.fineTuning.jobs.create({
      model: 'gpt-4.1',
      training_file,
      validation_file,
    })
    expect(await jobEnd(bench, id)).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_file_format', param: 'validation_file' },
    })
  })

  it('but not for ten examples and one to validate', async () => {
    const training_file = await upload(bench, good.slice(0, 10))
    const validation_file = await upload(bench, good.slice(0, 1))
    const { id } = await bench.client.fineTuning.jobs.create({
      model: 'gpt-4.1',
      training_file,
      validation_file,
    })
    expect(await jobEnd(bench, id)).toMatchObject({ status: 'succeeded' })
  })
})

describe('a chat request is refused', () => {
  const hi = { role: 'user', content: 'hi' }
  const tools = [{ type: 'function', function: { name: 'look_up' } }]
  const call = { id: 'c1', type: 'function', function: { name: 'look_up', arguments: '{}' } }

  const TABLE: [name: string, changes: object, param: string, code: string][] = [
    ['no model', { model: undefined }, 'model', 'missing_required_parameter'],
    ['no messages', { messages: undefined }, 'messages', 'missing_required_parameter'],
    ['an empty conversation', { messages: [] }, 'messages', 'array_below_min_length'],
    ['an unknown field', { fallback_providers: [] }, 'fallback_providers', 'unknown_parameter'],
    ['an unknown role', { messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role', 'invalid_value'],
    ['no content', { messages: [{ role: 'user' }] }, 'messages[0].content', 'missing_required_parameter'],
    [
      'an unknown message key',
      { messages: [{ ...hi, weight: 1 }] },
      'messages[0].weight',
      'unknown_parameter',
    ],
    [
      'an unknown part',
      { messages: [hi, { role: 'user', content: [{ type: 'smell', smell: 'roses' }] }] },
      'messages[1].content[0].type',
      'invalid_value',
    ],
    ['too hot', { temperature: 2.1 }, 'temperature', 'decimal_above_max_value'],
    ['no choices', { n: 0 }, 'n', 'integer_below_min_value'],
    ['five stops', { stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'array_above_max_length'],
    [
      'a result without call',
      { messages: [hi, { role: 'tool', content: 'x', tool_call_id: 'c' }] },
      'messages[1].role',
      'invalid_value',
    ],
    [
      'a call without result',
      { messages: [hi, { role: 'assistant', content: null, tool_calls: [call] }, hi] },
      'messages[1].role',
      'invalid_value',
    ],
    [
      'a result that comes too late',
      {
        messages: [
          hi,
          { role: 'assistant', content: null, tool_calls: [call] },
          hi,
          { role: 'tool', content: 'x', tool_call_id: 'c1' },
        ],
      },
      'messages[1].role',
      'invalid_value',
    ],
    [
      'a bad tool name',
      { tools: [{ type: 'function', function: { name: 'look up' } }] },
      'tools[0].function.name',
      'invalid_value',
    ],
    ['a choice without tools', { tool_choice: 'auto' }, 'tool_choice', 'invalid_value'],
    [
      'a choice of another tool',
      { tools, tool_choice: { type: 'function', function: { name: 'x' } } },
      'tool_choice',
      'invalid_value',
    ],
    [
      'stream options without stream',
      { stream_options: { include_usage: true } },
      'stream_options',
      'invalid_value',
    ],
    ['two limits', { max_tokens: 5, max_completion_tokens: 5 }, 'max_tokens', 'invalid_value'],
    ['a limit of zero', { max_tokens: 0 }, 'max_tokens', 'integer_below_min_value'],
    ['an unknown format', { response_format: { type: 'xml' } }, 'response_format.type', 'invalid_value'],
  ]

  it.each(TABLE)('with %s', async (_name, changes, param, code) => {
    const { status, json } = await post('/v1/chat/completions', {
      model: 'gpt-4o',
      messages: [hi],
      ...changes,
    })
    expect({ status, ...json.error }).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      param,
      code,
    })
  })

  it('for a model that does not exist', async () => {
    const { status, json } = await post('/v1/chat/completions', { model: 'ft:gpt-4o::x', messages: [hi] })
    expect({ status, ...json.error }).toMatchObject({ status: 404, param: 'model', code: 'model_not_found' })
  })
})
