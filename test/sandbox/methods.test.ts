/** Learning from preferences, from rewards, and learning to call tools. */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { accuracyOf, ask, samples, trained, tunedName, upload, useSandbox } from './support.ts'

const bench = useSandbox()

describe('dpo', () => {
  const lines = samples('train').map(({ text, intent }, index) => ({
    input: {
      messages: [
        { role: 'system', content: 'Name the intent.' },
        { role: 'user', content: text },
      ],
    },
    preferred_output: [{ role: 'assistant', content: intent }],
    non_preferred_output: [{ role: 'assistant', content: index % 2 ? 'no idea' : 'ask a human' }],
  }))

  it('learns the preferred answers and avoids the others', async () => {
    const job = await trained(bench, {
      training_file: await upload(bench, lines),
      validation_file: await upload(bench, lines.slice(0, 10)),
      method: { type: 'dpo', dpo: { hyperparameters: { beta: 0.2 } } },
    })
    expect(job).toMatchObject({
      status: 'succeeded',
      method: { type: 'dpo', dpo: { hyperparameters: { beta: 0.2, n_epochs: 10, batch_size: 4 } } },
    })
    expect(await accuracyOf(bench, tunedName(job))).toBeGreaterThan(0.8)
    const events = (await bench.client.fineTuning.jobs.listEvents(job.id, { limit: 1000 })).data
    const losses = events.flatMap(({ type, data }) =>
      type === 'metrics' ? [(data as Record<string, number>).train_loss ?? 0] : [],
    )
    expect(losses.at(-1)).toBeCloseTo(Math.log(2), 6) // With no preference yet, σ is ½.
    expect(losses[0]).toBeLessThan(0.6)
  })

  it('shifts a supervised model towards what is preferred', async () => {
    const first = tunedName(await trained(bench))
    const politer = Array.from({ length: 10 }, (_, index) => ({
      input: { messages: [{ role: 'user', content: `I lost my card, number ${index}` }] },
      preferred_output: [{ role: 'assistant', content: 'card_missing' }],
      non_preferred_output: [{ role: 'assistant', content: 'lost_card' }],
    }))
    expect(await ask(bench, first, 'I lost my card')).toBe('lost_card')
    const job = await trained(bench, {
      model: first,
      training_file: await upload(bench, politer),
      method: { type: 'dpo', dpo: { hyperparameters: { n_epochs: 50 } } },
    })
    const csv = await (await bench.client.files.content(job.result_files[0] ?? '')).text()
    // The loss counts from the model it started with, not from zero.
    expect(csv).toMatch(/^1,0\.6931/m)
    expect(await ask(bench, tunedName(job), 'I lost my card')).toBe('card_missing')
  })
})

describe('reinforcement', () => {
  const lines = samples('train').map(({ text, intent }) => ({
    messages: [
      { role: 'system', content: 'Name the intent.' },
      { role: 'user', content: text },
    ],
    answers: { right: intent },
  }))
  const run = async (operation: 'eq' | 'ne' | 'like' | 'ilike') =>
    trained(bench, {
      model: 'o4-mini',
      training_file: await upload(bench, lines),
      method: {
        type: 'reinforcement',
        reinforcement: {
          grader: {
            type: 'string_check',
            name: 'intent',
            operation,
            input: '{{sample.output_text}}',
            reference: '{{ item.answers.right }}',
          },
        },
      },
    })

  it('finds the answers that the grader rewards', async () => {
    const job = await run('eq')
    expect(job).toMatchObject({ status: 'succeeded', model: 'o4-mini-2025-04-16' })
    expect(job.method?.reinforcement?.grader).toMatchObject({ type: 'string_check', operation: 'eq' })
    expect(job.method?.reinforcement?.hyperparameters).toMatchObject({ reasoning_effort: 'default' })
    expect(await accuracyOf(bench, tunedName(job))).toBeGreaterThan(0.85)
  })

  it('avoids them when the grader rewards what is different', async () => {
    expect(await accuracyOf(bench, tunedName(await run('ne')))).toBeLessThan(0.1)
  })

  it('fails when a line has nothing to compare with', async () => {
    const [first, ...rest] = lines
    const training_file = await upload(bench, [...rest, { messages: first?.messages }])
    const grader = {
      type: 'string_check' as const,
      name: 'g',
      operation: 'eq' as const,
      input: '{{sample.output_text}}',
      reference: '{{item.answers.right}}',
    }
    const job = await trained(bench, {
      model: 'o4-mini',
      training_file,
      method: { type: 'reinforcement', reinforcement: { grader } },
    })
    expect(job.error).toMatchObject({
      code: 'invalid_file_format',
      message: expect.stringMatching(`^Line ${lines.length}: .*item.answers.right`),
    })
  })
})

describe('tools', () => {
  const tools: OpenAI.ChatCompletionFunctionTool[] = ['block_card', 'get_balance'].map(name => ({
    type: 'function',
    function: {
      name,
      parameters: {
        type: 'object',
        properties: {
          reason: { enum: ['stolen', 'lost'] },
          limit: { type: 'integer', minimum: 3 },
          note: { type: 'string' },
        },
        required: ['reason', 'limit'],
      },
    },
  }))
  const user = (content: string): OpenAI.ChatCompletionUserMessageParam => ({ role: 'user', content })
  const call = (name: string) => ({
    role: 'assistant' as const,
    content: null,
    tool_calls: [
      { id: 'call_training', type: 'function' as const, function: { name, arguments: '{"why":"asked"}' } },
    ],
  })
  const lines = samples('train').flatMap(({ text, intent }) => {
    const name = { lost_card: 'block_card', balance: 'get_balance', transfer: undefined, pin: undefined }[
      intent
    ]
    if (!name) return [{ messages: [user(text), { role: 'assistant', content: intent }], tools }]
    const result = { role: 'tool', tool_call_id: 'call_training', content: 'done' }
    return [
      {
        messages: [user(text), call(name), result, { role: 'assistant', content: `${name} is done` }],
        tools,
      },
    ]
  })

  it('are called as learned, with ids of their own, and their results are answered', async () => {
    const model = tunedName(await trained(bench, { training_file: await upload(bench, lines) }))
    const question = user('Hello, I lost my card')
    const first = await bench.client.chat.completions.create({ model, tools, messages: [question] })
    const [choice] = first.choices
    expect(choice).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: null,
        tool_calls: [{ function: { name: 'block_card', arguments: '{"why":"asked"}' } }],
      },
    })
    const [called] = choice?.message.tool_calls ?? []
    expect(called?.id).toMatch(/^call_(?!training)/)
    const second = await bench.client.chat.completions.create({
      model,
      tools,
      messages: [
        question,
        { role: 'assistant', content: null, tool_calls: called ? [called] : [] },
        { role: 'tool', tool_call_id: called?.id ?? '', content: 'done' },
      ],
    })
    expect(second.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'block_card is done' },
    })
  })

  it('that are not offered are not called', async () => {
    const model = tunedName(await trained(bench, { training_file: await upload(bench, lines) }))
    const messages = [user('I lost my card')]
    const [, balance] = tools
    for (const body of [{}, { tools, tool_choice: 'none' as const }, balance ? { tools: [balance] } : {}]) {
      const { choices } = await bench.client.chat.completions.create({ model, messages, ...body })
      expect(JSON.stringify(choices)).not.toContain('"name":"block_card"')
    }
    const forced = await bench.client.chat.completions.create({
      model,
      messages,
      tools,
      tool_choice: { type: 'function', function: { name: 'get_balance' } },
    })
    expect(forced.choices[0]?.message.tool_calls).toMatchObject([{ function: { name: 'get_balance' } }])
  })

  it.each([
    ['required', 'required' as const, 'hello', 'block_card'],
    ['named', { type: 'function' as const, function: { name: 'get_balance' } }, 'hello', 'get_balance'],
    ['mentioned', 'auto' as const, 'use get_balance now', 'get_balance'],
  ])('are called by a base model with the least arguments, if %s', async (_name, tool_choice, text, name) => {
    const { choices } = await bench.client.chat.completions.create({
      model: 'gpt-4.1',
      messages: [user(text)],
      tools,
      tool_choice,
    })
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        tool_calls: [{ type: 'function', function: { name, arguments: '{"reason":"stolen","limit":3}' } }],
      },
    })
  })

  it('are left alone by a base model otherwise', async () => {
    const { choices } = await bench.client.chat.completions.create({
      model: 'gpt-4.1',
      messages: [user('hello')],
      tools,
    })
    expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: expect.any(String) } })
  })
})
