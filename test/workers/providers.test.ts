import type OpenAI from 'openai'
import { beforeAll, describe, expect, it } from 'vitest'
import { datasetFile, type Gateway, SANDBOX, sandbox, startGateway, until } from '../support/gateway.ts'
import { PROVIDERS, providerVariables } from '../support/providers.ts'

/** A call beside the official client's own: deployments are no part of OpenAI's API. */
const deployment = async (gateway: Gateway, key: string, job: string, method: 'POST' | 'GET' | 'DELETE') => {
  const path = method === 'POST' ? 'deploy' : 'deployment'
  const answer = await gateway.fetch(`/v1/fine_tuning/jobs/${job}/${path}`, { method, key })
  return (await answer.json()) as { status: string; model: string; deleted?: boolean; error?: unknown }
}

/** The same story for every provider, through the unmodified official client; only `provider` and the model differ. */
describe.each(PROVIDERS)('$provider', ({ provider, model, isDeployed }) => {
  let gateway: Gateway
  let key: string
  let client: OpenAI
  const chosen = { provider } as object

  beforeAll(async () => {
    gateway = startGateway({ variables: await providerVariables(SANDBOX) })
    key = await gateway.key()
    client = await gateway.client(key)
  })

  it('takes a dataset to a tuned model that is used and taken away again', async () => {
    const training = await client.files.create({ file: datasetFile(60), purpose: 'fine-tune' })
    const validation = await client.files.create({
      file: datasetFile(12, 'valid.jsonl'),
      purpose: 'fine-tune',
    })
    const create = (suffix: string) =>
      client.fineTuning.jobs.create({
        model,
        training_file: training.id,
        validation_file: validation.id,
        suffix,
        metadata: { story: suffix },
        method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 5 } } },
        ...chosen,
      })

    const first = await create('first')
    expect(first).toMatchObject({ object: 'fine_tuning.job', tunegate: { provider } })
    // A step that does not end before the job is told to.
    await sandbox.settings({ stepMs: 60_000 })
    const second = await create('second')
    await client.fineTuning.jobs.cancel(second.id)
    await sandbox.settings({ stepMs: 0 })
    expect((await until(client, second.id, 'cancelled', 'succeeded', 'failed')).status).toBe('cancelled')

    const listed: string[] = []
    for await (const job of client.fineTuning.jobs.list({ limit: 1 })) listed.push(job.id)
    expect(listed).toEqual([second.id, first.id])

    const job = await until(client, first.id, 'succeeded', 'failed')
    expect(job).toMatchObject({
      status: 'succeeded',
      error: null,
      training_file: training.id,
      validation_file: validation.id,
    })
    const events: string[] = []
    for await (const event of client.fineTuning.jobs.listEvents(job.id)) events.push(event.id)
    expect(events.length).toBeGreaterThan(1)
    expect(new Set(events).size).toBe(events.length)

    const tuned = job.fine_tuned_model ?? ''
    const ask = (messages: OpenAI.ChatCompletionMessageParam[]) =>
      client.chat.completions.create({ model: tuned, messages })
    const question = [{ role: 'user' as const, content: 'please help me with my refund' }]
    if (isDeployed) {
      await expect(ask(question)).rejects.toMatchObject({
        code: 'model_not_deployed',
        message: expect.stringContaining('deploy'),
      })
      expect((await deployment(gateway, key, job.id, 'POST')).error ?? null).toBeNull()
      let state = await deployment(gateway, key, job.id, 'GET')
      for (let looks = 0; state.status === 'deploying' && looks < 500; looks++) {
        await new Promise(resolve => setTimeout(resolve, 5))
        state = await deployment(gateway, key, job.id, 'GET')
      }
      expect(state).toMatchObject({ status: 'ready', model: tuned })
    }

    const answer = await ask(question)
    expect(answer.choices[0]?.message.content).toBe('refund')
    expect(answer.usage?.total_tokens).toBeGreaterThan(0)

    const stream = await client.chat.completions.create({ model: tuned, messages: question, stream: true })
    let streamed = ''
    let finish: string | null | undefined
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? ''
      finish = chunk.choices[0]?.finish_reason ?? finish
    }
    expect({ streamed, finish }).toEqual({ streamed: 'refund', finish: 'stop' })

    const tools = [
      {
        type: 'function' as const,
        function: {
          name: 'look_up',
          parameters: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
        },
      },
    ]
    const called = await client.chat.completions.create({
      model: tuned,
      messages: question,
      tools,
      tool_choice: { type: 'function', function: { name: 'look_up' } },
    })
    const [call] = called.choices[0]?.message.tool_calls ?? []
    expect(called.choices[0]?.finish_reason).toMatch(/^(tool_calls|stop)$/)
    expect(call).toMatchObject({ type: 'function', function: { name: 'look_up' } })
    const closed = await client.chat.completions.create({
      model: tuned,
      messages: [
        ...question,
        { role: 'assistant', tool_calls: called.choices[0]?.message.tool_calls ?? [] },
        { role: 'tool', tool_call_id: call?.id ?? '', content: '{"state":"open"}' },
      ],
      tools,
    })
    expect(closed.choices).toHaveLength(1)

    // Vertex AI leaves no files: what it tells of a job is in its events.
    expect(job.result_files.length > 0).toBe(provider !== 'vertex_ai')
    for (const id of job.result_files) {
      const [head = '', first = ''] = (await (await client.files.content(id)).text()).split('\n')
      expect(head).toMatch(/^(step|epoch)/i)
      expect(first.split(',')).toHaveLength(head.split(',').length)
    }
    if (isDeployed) expect(await deployment(gateway, key, job.id, 'DELETE')).toMatchObject({ deleted: true })
    expect(await client.models.delete(tuned)).toMatchObject({ deleted: true })
    await expect(ask(question)).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    expect(await client.files.delete(training.id)).toEqual({ id: training.id, object: 'file', deleted: true })
  })
})

describe('what a completion was answered without', () => {
  const messages = [{ role: 'user' as const, content: 'hello', name: 'Ann' }]
  const ask = async (provider: string, model: string, fields: object) => {
    const client = await startGateway({ variables: await providerVariables(SANDBOX) }).client()
    const body = { model: `${provider}/${model}`, messages, logprobs: true, ...fields }
    return {
      plain: { ...body, stream: false as const },
      streamed: { ...body, stream: true as const },
      client,
    }
  }

  it.each([
    { provider: 'vertex_ai', model: 'gemini-3.5-flash' },
    { provider: 'bedrock', model: 'amazon.nova-lite-v1:0' },
  ])('is named in a header at $provider, plain and streamed', async ({ provider, model }) => {
    const { client, plain, streamed } = await ask(provider, model, { drop_params: true })
    const whole = await client.chat.completions.create(plain).withResponse()
    expect(whole.data.choices[0]?.message.content).toEqual(expect.any(String))
    expect(whole.response.headers.get('x-tunegate-dropped-params')).toBe('logprobs, messages[].name')
    const stream = await client.chat.completions.create(streamed).withResponse()
    expect(stream.response.headers.get('x-tunegate-dropped-params')).toBe('logprobs, messages[].name')
    let finish: string | null = null
    for await (const chunk of stream.data) finish = chunk.choices[0]?.finish_reason ?? finish
    expect(finish).toBe('stop')
  })

  it.each([
    { provider: 'vertex_ai', model: 'gemini-3.5-flash' },
    { provider: 'bedrock', model: 'amazon.nova-lite-v1:0' },
  ])('is refused at $provider where that was not asked for', async ({ provider, model }) => {
    const { client, plain } = await ask(provider, model, {})
    await expect(client.chat.completions.create(plain)).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_parameter',
      param: 'logprobs',
    })
  })

  it('is nothing where the provider takes all of it', async () => {
    const { client, plain } = await ask('openai', 'gpt-4.1-mini', { drop_params: true, logprobs: null })
    const { response } = await client.chat.completions.create(plain).withResponse()
    expect(response.headers.has('x-tunegate-dropped-params')).toBe(false)
  })
})
