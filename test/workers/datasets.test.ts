/**
 * Datasets as they come: any format in, chat JSONL kept; reports without keeping anything. Inside workerd, with real R2.
 */
import type OpenAI from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import type { DatasetReport, ErrorBody } from '../../shared/openai/index.ts'
import { dataset, type Gateway, sandbox, startGateway, until } from '../support/gateway.ts'
import { ground } from '../support/ground.ts'

const EXAMPLES = 40
const lines = () => dataset(EXAMPLES).split('\n')
const examples = () =>
  lines().map(line => JSON.parse(line) as { messages: { role: string; content: string }[] })
const pairs = () => examples().map(({ messages }) => messages.map(({ content }) => content))

const csv = (header: string) =>
  `\uFEFF${header}\r\n${pairs()
    .map(cells => cells.map(cell => `"${cell}"`).join(','))
    .join('\r\n')}`
const gemini = () =>
  pairs()
    .map(([question, answer]) =>
      JSON.stringify({
        contents: [
          { role: 'user', parts: [{ text: question }] },
          { role: 'model', parts: [{ text: answer }] },
        ],
      }),
    )
    .join('\n')

let gateway: Gateway
let key: string
let client: OpenAI
beforeEach(async () => {
  gateway = startGateway()
  key = await gateway.key()
  client = await gateway.client(key)
  await sandbox.reset()
  await sandbox.settings({ stepMs: 1 })
})

/** A form whose parts come in this order. */
const upload = async (parts: [string, string | File][]) => {
  const body = new FormData()
  for (const [name, value] of parts) body.append(name, value)
  return gateway.fetch('/v1/files', { method: 'POST', body, key })
}
const content = async (id: string) => (await client.files.content(id)).text()

describe('an upload in another format', () => {
  const FORMATS: [string, () => string, Record<string, string>, string][] = [
    ['CSV', () => csv('user,assistant'), {}, 'csv'],
    [
      'CSV with a mapping',
      () => csv('text,category'),
      { columns: '{"user":"text","assistant":"category"}' },
      'csv',
    ],
    ['an array', () => JSON.stringify(examples(), null, 2), {}, 'json'],
    ['Gemini’s lines', gemini, { format: 'gemini' }, 'gemini'],
    ['Gemini’s lines, undeclared', gemini, {}, 'gemini'],
  ]
  it.each(FORMATS)(
    '%s is kept as chat JSONL, whatever the order of the parts',
    async (_, text, fields, source) => {
      const before = await ground.keys()
      const file = () => new File([text()], 'train.txt')
      const declared = Object.entries(fields)
      const ids: string[] = []
      for (const parts of [
        [['purpose', 'fine-tune'], ...declared, ['file', file()]],
        [['file', file()], ['purpose', 'fine-tune'], ...declared],
      ] as [string, string | File][][]) {
        const answer = await upload(parts)
        expect(answer.status).toBe(200)
        const made = (await answer.json()) as { id: string; bytes: number; tunegate: unknown }
        expect(made.tunegate).toEqual({ source_format: source })
        const kept = await content(made.id)
        expect(
          kept
            .trim()
            .split('\n')
            .map(line => JSON.parse(line)),
        ).toEqual(examples())
        expect(new TextEncoder().encode(kept).length).toBe(made.bytes)
        ids.push(made.id)
      }
      // One object a file: nothing is left of what was sent.
      expect((await ground.keys()).length - before.length).toBe(2)
      for (const id of ids) await client.files.delete(id)
      expect(await ground.keys()).toEqual(before)
    },
  )

  it('lines of OpenAI’s are kept byte for byte', async () => {
    const text = `\uFEFF${lines().join('\r\n\r\n')}`
    const made = await client.files.create({ file: new File([text], 'a.jsonl'), purpose: 'fine-tune' })
    expect(made).not.toHaveProperty('tunegate')
    expect(new Uint8Array(await (await client.files.content(made.id)).arrayBuffer())).toEqual(
      new TextEncoder().encode(text),
    )
  })

  it('stays what it is for another purpose', async () => {
    for (const order of [
      ['purpose', 'file'],
      ['file', 'purpose'],
    ]) {
      const parts = { purpose: 'assistants', file: new File([csv('user,assistant')], 'a.csv') }
      const answer = await upload(order.map(name => [name, parts[name as 'file']]))
      const { id } = (await answer.json()) as { id: string }
      expect(new TextEncoder().encode(await content(id)).length + 3).toBe(
        new TextEncoder().encode(csv('user,assistant')).length,
      )
    }
  })

  it.each<[string, () => [string, string | File][], string, string, string | RegExp]>([
    [
      'a record too short',
      () => [
        ['purpose', 'fine-tune'],
        ['file', new File([`${csv('user,assistant')}\r\nx`], 'a.csv')],
      ],
      'file',
      'invalid_dataset',
      'Invalid dataset: line 42 has 1 field, where the header has 2.',
    ],
    [
      'no such column',
      () => [
        ['file', new File([csv('a,b')], 'a.csv')],
        ['purpose', 'fine-tune'],
        ['columns', '{"user":"a","assistant":"c"}'],
      ],
      'file',
      'invalid_dataset',
      "Invalid dataset: line 1 is a CSV header without the column 'c'.",
    ],
    [
      'unknown columns',
      () => [
        ['purpose', 'fine-tune'],
        ['file', new File([csv('a,b')], 'a.csv')],
      ],
      'file',
      'invalid_dataset',
      /^Invalid dataset: line 1 is a CSV header without the columns 'user' and 'assistant', or/,
    ],
    [
      'a mapping that is none',
      () => [
        ['purpose', 'fine-tune'],
        ['columns', '[]'],
        ['file', new File([csv('a,b')], 'a.csv')],
      ],
      'columns',
      'invalid_value',
      /columns/,
    ],
    [
      'a mapping that is no JSON',
      () => [
        ['file', new File([csv('a,b')], 'a.csv')],
        ['purpose', 'fine-tune'],
        ['columns', '{'],
      ],
      'columns',
      'invalid_value',
      /must be a JSON object/,
    ],
    [
      'an unknown format',
      () => [
        ['purpose', 'fine-tune'],
        ['format', 'xml'],
        ['file', new File(['<a/>'], 'a.xml')],
      ],
      'format',
      'invalid_value',
      /'jsonl'/,
    ],
    [
      'a format for another purpose',
      () => [
        ['purpose', 'batch'],
        ['format', 'csv'],
        ['file', new File(['a'], 'a.csv')],
      ],
      'format',
      'invalid_value',
      /fine-tune/,
    ],
    [
      'what Gemini’s lines hold beside',
      () => [
        ['purpose', 'fine-tune'],
        ['file', new File([`${gemini()}\n{"contents":[],"labels":{}}`], 'a.jsonl')],
      ],
      'file',
      'invalid_dataset',
      "Invalid dataset: line 41 has 'labels', which cannot be carried over.",
    ],
  ])('with %s is refused, and nothing is left', async (_, parts, param, code, message) => {
    const before = await ground.keys()
    const answer = await upload(parts())
    const { error } = (await answer.json()) as ErrorBody
    expect(answer.status).toBe(400)
    expect(error).toMatchObject({
      param,
      code,
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    })
    expect(await ground.keys()).toEqual(before)
    expect((await client.files.list()).data).toEqual([])
  })

  it('a refusal tells its first problems and counts all', async () => {
    const answer = await upload([
      ['purpose', 'fine-tune'],
      ['file', new File([`${dataset(12)}\n${'{"messages":[]}\nx\n'.repeat(30)}`], 'a.jsonl')],
    ])
    const { error } = (await answer.json()) as ErrorBody
    expect(error.message).toBe(
      'Invalid dataset: line 13 is not a training example: messages must be a list that is not empty.',
    )
    expect(error.tunegate).toMatchObject({
      errors: 60,
      problem_counts: { invalid_messages: 30, not_json: 30 },
    })
    expect((error.tunegate as DatasetReport).problems).toHaveLength(20)
    expect((error.tunegate as DatasetReport).problems[1]).toEqual({
      line: 14,
      path: '',
      severity: 'error',
      code: 'not_json',
      message: 'is not JSON',
    })
  })

  it('trains: from CSV to a tuned model', async () => {
    const file = await client.files.create({
      file: new File([csv('user,assistant')], 'train.csv'),
      purpose: 'fine-tune',
    })
    const job = await client.fineTuning.jobs.create({
      model: 'gpt-4.1-mini-2025-04-14',
      training_file: file.id,
    })
    const done = await until(client, job.id, 'succeeded', 'failed')
    expect(done).toMatchObject({ status: 'succeeded', fine_tuned_model: expect.stringContaining('ft:') })
  })

  it('of several parts of the bucket is read and kept in constant pieces', async () => {
    const long = 'x'.repeat(200_000)
    const text = `user,assistant\n${Array.from({ length: 60 }, (_, n) => `${n}${long},a`).join('\n')}`
    const made = await client.files.create({ file: new File([text], 'big.csv'), purpose: 'fine-tune' })
    const kept = (await content(made.id)).trim().split('\n')
    expect(kept).toHaveLength(60)
    expect(JSON.parse(kept[59] ?? '')).toEqual({
      messages: [
        { role: 'user', content: `59${long}` },
        { role: 'assistant', content: 'a' },
      ],
    })
  })
})

describe('POST /v1/files/validate', () => {
  const ask = (init: RequestInit, query = '') =>
    gateway.fetch(`/v1/files/validate${query}`, { method: 'POST', key, ...init })
  const about = (body: object) =>
    ask({ body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  const report = async (answer: Response) => {
    expect(answer.status).toBe(200)
    return (await answer.json()) as DatasetReport
  }
  const typed = (type: string) => ({ 'content-type': type })

  it('reports on a file, for a provider', async () => {
    const { id } = await client.files.create({
      file: new File([dataset(EXAMPLES)], 'a.jsonl'),
      purpose: 'fine-tune',
    })
    expect(await report(await about({ file: id }))).toMatchObject({
      object: 'dataset.report',
      valid: true,
      examples: EXAMPLES,
      summary: { bytes: new TextEncoder().encode(dataset(EXAMPLES)).length, lines: EXAMPLES },
    })
    const llama = await report(
      await about({ file: id, provider: 'bedrock', model: 'meta.llama3-1-8b-instruct-v1:0' }),
    )
    expect(llama).toMatchObject({ valid: false, problem_counts: { too_few_examples: 1 } })
  })

  it.each([
    ['openai', 'gpt-4.1-mini', 'o200k_base', true],
    ['vertex_ai', 'gemini-3.5-flash', expect.any(String), false],
  ])(
    "counts %s's tokens with %s's own encoding where that is known",
    async (provider, model, counter, exact) => {
      const file = new File([dataset(EXAMPLES)], 'a.jsonl')
      const { id } = await client.files.create({ file, purpose: 'fine-tune' })
      const { summary } = await report(await about({ file: id, provider, model }))
      const { total, min, median, max } = summary.tokens ?? { total: 0, min: 0, median: 0, max: 0 }
      expect(summary.tokens).toMatchObject({ counter, exact })
      expect(Number(min)).toBeGreaterThan(0)
      expect(Number(median)).toBeLessThanOrEqual(Number(max))
      expect(Number(total)).toBeGreaterThan(Number(max))
    },
  )

  it('reports on a file with its validation file', async () => {
    const training = await client.files.create({
      file: new File([dataset(40)], 'a.jsonl'),
      purpose: 'fine-tune',
    })
    const validation = await client.files.create({
      file: new File([dataset(50)], 'b.jsonl'),
      purpose: 'fine-tune',
    })
    const found = await report(await about({ file: training.id, validation_file: validation.id }))
    expect(found.validation?.summary).toMatchObject({ examples: 50, overlap: 40 })
  })

  it.each([
    ['CSV', 'text/csv', () => csv('user,assistant'), '', 'csv'],
    [
      'CSV with a mapping',
      'text/csv',
      () => csv('text,category'),
      `?columns=${encodeURIComponent('{"user":"text","assistant":"category"}')}`,
      'csv',
    ],
    ['lines', 'application/jsonl', () => dataset(EXAMPLES), '?provider=openai', 'jsonl'],
    ['an array that says so', 'application/json', () => JSON.stringify(examples()), '?format=json', 'json'],
    ['bytes', 'application/octet-stream', gemini, '', 'jsonl'],
  ])('reports on a body: %s', async (_, type, text, query, container) => {
    const before = await ground.keys()
    const found = await report(await ask({ body: text(), headers: typed(type) }, query))
    expect(found).toMatchObject({ valid: true, examples: EXAMPLES, summary: { format: { container } } })
    expect(await ground.keys()).toEqual(before)
  })

  it('reports on a form’s file', async () => {
    const body = new FormData()
    for (const [name, value] of [
      ['model', 'vertex_ai/gemini-3.5-flash'],
      ['purpose', 'fine-tune'],
      ['file', new File(['{"messages":[{"role":"user","content":"a"}]}'], 'a.jsonl')],
    ] as const)
      body.append(name, value)
    expect(await report(await ask({ body }))).toMatchObject({
      valid: false,
      problem_counts: { last_not_assistant: 1, too_few_examples: 1 },
    })
  })

  it('is a report even of bytes that are no dataset', async () => {
    const found = await report(
      await ask({ body: new Uint8Array([0xff, 0xfe, 0]), headers: typed('application/octet-stream') }),
    )
    expect(found).toMatchObject({
      valid: false,
      summary: { is_complete: false },
      problem_counts: { not_utf8: 1 },
    })
  })

  it.each<[string, () => Promise<Response>, number, string | null, string]>([
    ['no file', () => about({}), 400, 'file', 'missing_required_parameter'],
    ['an unknown field', () => about({ file: 'file-x', shuffle: true }), 400, 'shuffle', 'unknown_parameter'],
    ['an unknown file', () => about({ file: 'file-x' }), 404, 'file', 'file_not_found'],
    ['a private address', () => about({ file: 'https://10.0.0.1/x' }), 400, 'file', 'host_forbidden'],
    [
      'an unknown provider',
      () => ask({ body: 'x', headers: typed('text/csv') }, '?provider=nobody'),
      400,
      'provider',
      'invalid_value',
    ],
    [
      'an unknown query',
      () => ask({ body: 'x', headers: typed('text/csv') }, '?a=b'),
      400,
      'a',
      'unknown_parameter',
    ],
    [
      'another content type',
      () => ask({ body: 'x', headers: typed('image/png') }),
      400,
      null,
      'invalid_value',
    ],
    [
      'a field after the form’s file',
      () => {
        const body = new FormData()
        body.append('file', new File(['x'], 'a'))
        body.append('model', 'm')
        return ask({ body })
      },
      400,
      'model',
      'invalid_value',
    ],
  ])('refuses %s', async (_, request, status, param, code) => {
    const answer = await request()
    expect([answer.status, ((await answer.json()) as ErrorBody).error]).toMatchObject([
      status,
      { param, code },
    ])
  })

  it('tells no one of a stranger’s file', async () => {
    const { id } = await client.files.create({
      file: new File([dataset(EXAMPLES)], 'a.jsonl'),
      purpose: 'fine-tune',
    })
    const answer = await gateway.fetch('/v1/files/validate', {
      method: 'POST',
      key: await gateway.key(),
      body: JSON.stringify({ file: id }),
      headers: typed('application/json'),
    })
    expect(answer.status).toBe(404)
  })
})
