import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ConnectionConfig } from '../../shared/config.ts'
import { JOB_LABEL, PROVIDER_ERROR_CODES, TERMINAL_STATUSES } from '../../shared/openai/index.ts'
import {
  type ChatBody,
  type Connection,
  connect,
  type JobSubmission,
  type Provider,
  ProviderFault,
} from '../../shared/providers/index.ts'
import { toRequest } from '../../shared/providers/openai/chat.ts'
import { toFault } from '../../shared/providers/openai/faults.ts'
import { envelope } from '../../shared/providers/openai/files.ts'
import { fromCheckpoints, fromEvents, toBody, toStatus } from '../../shared/providers/openai/jobs.ts'
import { urlOf } from '../../shared/providers/openai/url.ts'
import { joined, readAll, streamOf, utf8 } from './support/bytes.ts'
import { type Answers, type Bench, json, startBench } from './support/context.ts'
import { hasRecordings, recorded, replyOf } from './support/recordings.ts'

const RECORDED_ACCOUNT: ConnectionConfig = {
  provider: 'openai',
  apiKey: 'sk-fake',
  organization: 'org-fake',
  project: 'proj_fake',
}

/** OpenAI has every verb of the contract. */
type Whole = Connection & { provider: { jobs: Required<Provider['jobs']> } }

const start = async (
  answers: Answers,
  connection: ConnectionConfig = RECORDED_ACCOUNT,
): Promise<Bench & Whole> => {
  const bench = startBench(answers, {
    connections: { openai: connection },
    retries: { count: 2, firstDelayMs: 1, longestDelayMs: 1 },
  })
  return { ...bench, ...((await connect(bench.context, 'openai')) as Whole) }
}

const job = (parts: Record<string, unknown> = {}) => ({
  id: 'ftjob-1',
  object: 'fine_tuning.job',
  created_at: 1731000000,
  status: 'running',
  model: 'gpt-4.1-mini-2025-04-14',
  fine_tuned_model: null,
  finished_at: null,
  error: null,
  hyperparameters: { n_epochs: 'auto' },
  result_files: [],
  trained_tokens: null,
  seed: 7,
  training_file: 'file-1',
  validation_file: null,
  organization_id: 'org-x',
  ...parts,
})

const submission: JobSubmission = {
  label: 'ftjob-ours',
  model: 'gpt-4.1-mini-2025-04-14',
  trainingFile: 'file-abc123',
  validationFile: 'file-def456',
  suffix: 'my-suffix',
  seed: 7,
  metadata: { tenant: 't1' },
  integrations: null,
  method: {
    type: 'supervised',
    supervised: { hyperparameters: { n_epochs: 3, batch_size: 'auto', learning_rate_multiplier: 1.5 } },
  },
  options: {},
}

describe.skipIf(!hasRecordings)('requests, as the official client sends them', () => {
  const calls: [string, (connection: Whole) => Promise<unknown>][] = [
    ['files.retrieve', ({ provider, channel }) => provider.files.get(channel, 'file-abc123')],
    ['files.delete', ({ provider, channel }) => provider.files.delete(channel, 'file-abc123')],
    ['files.content', ({ provider, channel }) => provider.files.content(channel, 'file-abc123')],
    ['fine_tuning.jobs.retrieve', ({ provider, channel }) => provider.jobs.get(channel, 'ftjob-abc123')],
    ['fine_tuning.jobs.cancel', ({ provider, channel }) => provider.jobs.cancel(channel, 'ftjob-abc123')],
    ['fine_tuning.jobs.resume', ({ provider, channel }) => provider.jobs.resume(channel, 'ftjob-abc123')],
    [
      'fine_tuning.jobs.events',
      ({ provider, channel }) =>
        provider.jobs.events(channel, 'ftjob-abc123', { limit: 50, after: 'ftevent-0' }),
    ],
    [
      'fine_tuning.jobs.checkpoints',
      ({ provider, channel }) => provider.jobs.checkpoints(channel, 'ftjob-abc123', { limit: 5 }),
    ],
    ['models.list', ({ provider, channel }) => provider.models.list(channel)],
    ['models.delete', ({ provider, channel }) => provider.models.delete(channel, 'ft:gpt-4.1-mini:acme:x:1')],
  ]
  it.each(calls)('%s: method, path, query, account, no body', async (operation, call) => {
    const expected = recorded(operation)
    // The canned replies of the recordings are not all of the operation's own shape.
    const bench = await start(() => new Response(expected.reply.body, { status: expected.reply.status }))
    await call(bench).catch((error: unknown) => expect(error).toMatchObject({ status: 'garbled' }))
    expect(bench.sent).toHaveLength(1)
    const [sent] = bench.sent
    expect(sent).toMatchObject({ method: expected.method, query: expected.query, body: expected.body })
    expect(decodeURIComponent(sent?.path ?? '')).toBe(expected.path)
    for (const name of ['authorization', 'openai-organization', 'openai-project', 'content-type']) {
      expect(sent?.headers[name], name).toBe(expected.headers.find(([key]) => key === name)?.[1])
    }
  })

  it('pause is resume by its own name', async () => {
    const bench = await start(() => json(job()))
    await bench.provider.jobs.pause(bench.channel, 'ftjob-abc123')
    const resume = recorded('fine_tuning.jobs.resume')
    expect(bench.sent[0]).toMatchObject({
      method: resume.method,
      path: resume.path.replace('resume', 'pause'),
      body: '',
    })
  })

  it('fine_tuning.jobs.create: the body, and our label beside the metadata', async () => {
    const expected = recorded('fine_tuning.jobs.create.supervised')
    const bench = await start(() => new Response(expected.reply.body))
    await bench.provider.jobs.create(bench.channel, submission)
    const [sent] = bench.sent
    expect(sent).toMatchObject({ method: expected.method, path: expected.path, query: {} })
    expect(sent?.headers['content-type']).toBe('application/json')
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      ...(expected.bodyJson as object),
      metadata: { tenant: 't1', [JOB_LABEL]: 'ftjob-ours' },
    })
  })

  it('fine_tuning.jobs.create, reinforcement: the method passes as it is', async () => {
    const { method } = recorded('fine_tuning.jobs.create.reinforcement').bodyJson as Pick<
      JobSubmission,
      'method'
    >
    expect(toBody({ ...submission, method }).method).toEqual(method)
  })

  it('fine_tuning.jobs.list: the filter by metadata, for the job of unknown outcome', async () => {
    const expected = recorded('fine_tuning.jobs.list')
    const bench = await start(() => json({ object: 'list', data: [], has_more: false }))
    await bench.provider.jobs.find(bench.channel, 't1')
    const [sent] = bench.sent
    expect(sent).toMatchObject({ method: expected.method, path: expected.path })
    const filter = Object.keys(expected.query).find(name => name.startsWith('metadata'))
    expect(sent?.query[filter?.replace('tenant', JOB_LABEL) ?? '']).toBe('t1')
  })

  it('files.create: the same form, read back', async () => {
    const expected = recorded('files.create')
    const type = expected.headers.find(([name]) => name === 'content-type')?.[1] ?? ''
    const theirs = await new Response(expected.body, { headers: { 'content-type': type } }).formData()
    const theirFile = theirs.get('file')
    if (!(theirFile instanceof File)) throw new Error('the recording holds no file')
    const content = await theirFile.text()
    const bench = await start(() => json({ id: 'file-9', filename: 'train.jsonl', bytes: 1, created_at: 1 }))
    const uploaded = await bench.provider.files.upload(bench.channel, {
      name: theirFile.name,
      purpose: 'fine-tune',
      size: utf8(content).length,
      open: async () => streamOf([utf8(content)]),
    })
    expect(uploaded.id).toBe('file-9')
    const [sent] = bench.sent
    expect(sent).toMatchObject({ method: expected.method, path: expected.path })
    const ours = await new Response(sent?.body, {
      headers: { 'content-type': sent?.headers['content-type'] ?? '' },
    }).formData()
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort())
    expect(ours.get('purpose')).toBe(theirs.get('purpose'))
    const ourFile = ours.get('file')
    if (!(ourFile instanceof File)) throw new Error('no file was sent')
    expect([ourFile.name, ourFile.type, await ourFile.text()]).toEqual([
      theirFile.name,
      theirFile.type,
      content,
    ])
  })

  it.each([true, false])('chat.completions.create: the body byte for byte (streamed: %s)', async stream => {
    const expected = recorded('chat.completions.create')
    const { provider, channel, sent } = await start(() => json({}))
    const body = { ...(expected.bodyJson as ChatBody), stream }
    const answer = await provider.chat.complete(channel, { text: expected.body, body, dropParams: false })
    expect(answer.kind).toBe(stream ? 'stream' : 'whole')
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({
      method: expected.method,
      body: expected.body,
      headers: { 'content-type': 'application/json' },
      url: `https://api.openai.com${expected.path}`,
    })
    const request = toRequest(channel.settings, { text: expected.body })
    // A completion repeated is a completion paid twice.
    expect(request.repeat).toBe('never')
  })

  it('replies are read', async () => {
    const operation = 'fine_tuning.jobs.retrieve'
    const bench = await start(() => json(replyOf(operation)))
    const native = await bench.provider.jobs.get(bench.channel, 'ftjob-abc123')
    expect(native).toMatchObject({
      id: 'ftjob-abc123',
      nativeStatus: 'validating_files',
      status: 'validating_files',
      error: null,
    })
  })
})

describe('the body of a job', () => {
  it('leaves out what was not asked for', () => {
    const least = {
      ...submission,
      validationFile: null,
      suffix: null,
      seed: null,
      metadata: {},
      method: { type: 'dpo' as const },
    }
    expect(JSON.parse(JSON.stringify(toBody(least)))).toEqual({
      model: 'gpt-4.1-mini-2025-04-14',
      training_file: 'file-abc123',
      metadata: { [JOB_LABEL]: 'ftjob-ours' },
      method: { type: 'dpo' },
    })
  })

  it('keeps DPO a DPO (Portkey 10: it became supervised)', () => {
    const method = { type: 'dpo' as const, dpo: { hyperparameters: { beta: 0.1, n_epochs: 2 } } }
    expect(toBody({ ...submission, method }).method).toEqual(method)
  })

  it('keeps a seed of 0, and integrations', () => {
    const integrations = [{ type: 'wandb' as const, wandb: { project: 'p' } }]
    expect(toBody({ ...submission, seed: 0, integrations })).toMatchObject({ seed: 0, integrations })
  })

  it('carries our label whatever the metadata says', () => {
    expect(toBody({ ...submission, metadata: { [JOB_LABEL]: 'other' } }).metadata).toEqual({
      [JOB_LABEL]: 'ftjob-ours',
    })
  })
})

describe('what is repeated', () => {
  it.each([
    ['create', 429, 3],
    ['create', 500, 1], // Portkey 18: retries made second jobs
    ['create', 408, 1],
    ['cancel', 503, 1],
    ['cancel', 429, 3],
    ['pause', 503, 1],
    ['get', 503, 3],
    ['find', 503, 3],
    ['events', 503, 3],
    ['checkpoints', 503, 3],
    ['upload', 503, 3],
    ['content', 503, 3],
  ] as const)('%s after a %i: %i attempt(s)', async (verb, status, attempts) => {
    const { provider, channel, sent } = await start(() => json({}, status))
    const { jobs, files } = provider
    const page = { limit: 1 }
    const calls = {
      create: () => jobs.create(channel, submission),
      cancel: () => jobs.cancel(channel, 'x'),
      pause: () => jobs.pause(channel, 'x'),
      get: () => jobs.get(channel, 'x'),
      find: () => jobs.find(channel, 'x'),
      events: () => jobs.events(channel, 'x', page),
      checkpoints: () => jobs.checkpoints(channel, 'x', page),
      content: () => files.content(channel, 'x'),
      upload: () =>
        files.upload(channel, { name: 'a', purpose: 'b', size: 1, open: async () => streamOf([utf8('x')]) }),
    }
    await expect(calls[verb]()).rejects.toBeInstanceOf(ProviderFault)
    expect(sent).toHaveLength(attempts)
    // Each attempt has the whole body.
    expect(new Set(sent.map(({ body }) => body.replace(/tunegate-[\w-]+/g, ''))).size).toBe(1)
  })
})

describe('status', () => {
  it.each([
    ['validating_files', 'validating_files'],
    ['queued', 'queued'],
    ['created', 'queued'],
    ['pending', 'queued'],
    ['paused', 'queued'],
    ['running', 'running'],
    ['pausing', 'running'],
    ['resuming', 'running'],
    ['cancelling', 'running'], // Portkey 16: reported as cancelled
    ['canceling', 'running'],
    ['Stopping', 'running'],
    ['succeeded', 'succeeded'],
    ['failed', 'failed'],
    ['cancelled', 'cancelled'],
  ])('%s → %s', (native, status) => {
    expect(toStatus(native)).toBe(status)
  })

  it('of no known name is never the end', () => {
    const words = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '',
        'SUCCEEDED',
        'Failed',
        'constructor',
        'toString',
        '__proto__',
        'hasOwnProperty',
        'valueOf',
      ),
    )
    fc.assert(
      fc.property(words, native => {
        fc.pre(!TERMINAL_STATUSES.some(known => known === native))
        const status = toStatus(native)
        expect(typeof status).toBe('string')
        expect(TERMINAL_STATUSES).not.toContain(status)
      }),
    )
  })
})

describe('a job that a provider tells', () => {
  const told = async (parts: Record<string, unknown>) => {
    const { provider, channel } = await start(() => json(job(parts)))
    return provider.jobs.get(channel, 'ftjob-1')
  }

  it('keeps the native status beside ours', async () => {
    expect(await told({ status: 'pausing' })).toMatchObject({ nativeStatus: 'pausing', status: 'running' })
  })

  const NO_ERROR: unknown[] = [
    null,
    undefined,
    {},
    { code: null, message: null, param: null },
    { message: '' },
  ]
  it.each(NO_ERROR.map(error => [JSON.stringify(error), error] as const))(
    'has no error when it is %s',
    async (_, error) => {
      expect((await told({ error })).error).toBeNull()
    },
  )

  const ERRORS: [unknown, unknown][] = [
    [
      { code: 'bad', message: 'It failed.', param: 'training_file' },
      { code: 'bad', message: 'It failed.', param: 'training_file' },
    ],
    [
      { code: 'bad', message: 'It failed.', param: null },
      { code: 'bad', message: 'It failed.', param: null },
    ],
    [
      { code: null, message: 'It failed.' },
      { code: 'provider_error', message: 'It failed.', param: null },
    ],
    [{ message: 'It failed.' }, { code: 'provider_error', message: 'It failed.', param: null }],
  ]
  it.each(ERRORS)('has the error %j', async (error, expected) => {
    expect((await told({ error })).error).toEqual(expected)
  })

  it('has what it has when it is done', async () => {
    const done = await told({
      status: 'succeeded',
      fine_tuned_model: 'ft:m:o::1',
      finished_at: 1731000999,
      estimated_finish: 1731000998,
      error: {},
      hyperparameters: { n_epochs: 3 },
      method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3 } } },
      result_files: ['file-r'],
      trained_tokens: 1234,
    })
    expect(done).toEqual({
      id: 'ftjob-1',
      nativeStatus: 'succeeded',
      status: 'succeeded',
      model: 'gpt-4.1-mini-2025-04-14',
      fineTunedModel: 'ft:m:o::1',
      finishedAt: 1731000999,
      estimatedFinish: 1731000998,
      error: null,
      hyperparameters: { n_epochs: 3 },
      method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3 } } },
      resultFiles: ['file-r'],
      trainedTokens: 1234,
      seed: 7,
    })
  })

  it('may lack what is optional (Portkey 12: one job without hyperparameters broke the list)', async () => {
    const { provider, channel } = await start(() => json({ id: 'ftjob-1', status: 'queued', model: 'm' }))
    expect(await provider.jobs.get(channel, 'ftjob-1')).toMatchObject({
      fineTunedModel: null,
      finishedAt: null,
      hyperparameters: {},
      method: null,
      resultFiles: [],
      trainedTokens: null,
      seed: null,
    })
  })

  it.each([
    ['no JSON', () => new Response('<html>')],
    ['no object', () => json([])],
    ['no id', () => json({ status: 'queued', model: 'm' })],
    ['nothing', () => new Response('')],
  ])('is garbled when it is %s, and nothing of it is repeated', async (_, answer) => {
    const { provider, channel } = await start(answer)
    const error = await provider.jobs.get(channel, 'ftjob-1').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'ProviderFault', status: 'garbled', refused: false, said: undefined })
  })

  it('is found by its label, and only by it', async () => {
    const labelled = job({ id: 'ftjob-native', metadata: { [JOB_LABEL]: 'ftjob-ours', a: 'b' } })
    const answers: [unknown[], string | undefined][] = [
      [[], undefined],
      [[labelled], 'ftjob-native'],
      // A server that knows no filter lists whatever it has: someone else's job is not taken for ours.
      [[job({ id: 'ftjob-other' })], undefined],
      [[job({ id: 'ftjob-other', metadata: null }), labelled], 'ftjob-native'],
    ]
    for (const [data, expected] of answers) {
      const { provider, channel } = await start(() => json({ object: 'list', data, has_more: false }))
      expect((await provider.jobs.find(channel, 'ftjob-ours'))?.id).toBe(expected)
    }
  })
})

describe('events and checkpoints', () => {
  it('keep what they know, and read what they do not know as plain messages', () => {
    const event = {
      id: 'e',
      created_at: 1,
      level: 'info',
      message: 'm',
      type: 'metrics',
      data: { step: 1, train_loss: 0.5 },
    }
    const cases: [Record<string, unknown>, Record<string, unknown>][] = [
      [{}, {}],
      [{ level: 'warn' }, { level: 'warn' }],
      [{ level: 'warning' }, { level: 'warn' }],
      [{ level: 'error' }, { level: 'error' }],
      [{ level: 'fatal' }, { level: 'info' }],
      [{ level: 'constructor' }, { level: 'info' }],
      [{ type: 'message' }, { type: 'message' }],
      [{ type: 'moderation_checks' }, { type: 'message' }],
      [{ type: null }, { type: 'message' }],
      [{ data: null }, { data: {} }],
    ]
    for (const [given, expected] of cases) {
      expect(fromEvents({ has_more: false, data: [{ ...event, ...given } as typeof event] })).toEqual([
        { ...event, ...expected },
      ])
    }
  })

  it('come in pages', async () => {
    const data = [
      { id: 'e', created_at: 1, level: 'info', message: 'm', type: 'message', data: null, object: 'x' },
    ]
    const { provider, channel, sent } = await start(() => json({ object: 'list', data, has_more: true }))
    expect(await provider.jobs.events(channel, 'j', { limit: 3 })).toMatchObject({
      hasMore: true,
      items: [{ id: 'e' }],
    })
    // A cursor that is not there is not sent.
    expect(sent[0]?.query).toEqual({ limit: '3' })
  })

  it('keep metrics that are there', () => {
    const [checkpoint] = fromCheckpoints({
      has_more: false,
      data: [
        {
          id: 'c',
          created_at: 1,
          fine_tuned_model_checkpoint: 'ft:m:o::1:ckpt-step-2',
          step_number: 2,
          metrics: { step: 2, train_loss: 0, valid_loss: null, full_valid_loss: undefined },
        },
      ],
    })
    expect(checkpoint).toEqual({
      id: 'c',
      createdAt: 1,
      model: 'ft:m:o::1:ckpt-step-2',
      step: 2,
      metrics: { step: 2, train_loss: 0 },
    })
  })
})

describe('URLs', () => {
  const settings = { baseUrl: 'https://api.example.com/v1' }

  it('keep any id one segment (Portkey 22: `evil.com#` moved the host)', () => {
    const ids = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.constantFrom(
        'a/b',
        'a?b=c',
        'a#b',
        '%',
        '%2e%2e',
        '%2F',
        '..%2f',
        '../..',
        '@evil.com',
        '//evil.com',
        '\\',
        ' ',
        '\t',
        'ft:m:o:s:id',
        'arn:aws:x:y/z',
      ),
    )
    fc.assert(
      fc.property(ids, id => {
        fc.pre(!['.', '..'].includes(id))
        const url = urlOf(settings, ['files', id, 'content'])
        expect(url.origin).toBe('https://api.example.com')
        expect([url.search, url.hash, url.username]).toEqual(['', '', ''])
        const segments = url.pathname.split('/')
        expect(segments).toHaveLength(5)
        expect([segments[1], segments[2], segments[4]]).toEqual(['v1', 'files', 'content'])
        expect(decodeURIComponent(segments[3] ?? '')).toBe(id)
      }),
      { numRuns: 300 },
    )
  })

  it.each(['', '.', '..'])('refuse the id %j: as a segment it would name another place', id => {
    expect(() => urlOf(settings, ['files', id])).toThrow()
    expect(() => urlOf(settings, ['fine_tuning', 'jobs', id, 'cancel'])).toThrow()
  })

  it.each([
    ['https://api.example.com/v1', 'https://api.example.com/v1/files'],
    ['https://api.example.com/v1/', 'https://api.example.com/v1/files'],
    ['https://api.example.com/v1///', 'https://api.example.com/v1/files'],
    ['https://api.example.com', 'https://api.example.com/files'],
    ['https://api.example.com/a%20b/v1', 'https://api.example.com/a%20b/v1/files'],
    // The base may have a query of its own; a fragment goes nowhere.
    ['https://api.example.com/v1?version=2', 'https://api.example.com/v1/files?version=2'],
    ['https://api.example.com/v1#x', 'https://api.example.com/v1/files'],
  ])('below %s', (baseUrl, expected) => {
    expect(urlOf({ baseUrl }, ['files']).href).toBe(expected)
  })

  it('carry a query, encoded, without what is not there', () => {
    const { searchParams } = urlOf(settings, ['x'], { limit: 3, after: undefined, 'metadata[k]': 'a&b=c #' })
    expect([...searchParams]).toEqual([
      ['limit', '3'],
      ['metadata[k]', 'a&b=c #'],
    ])
  })
})

describe('the form of an upload', () => {
  const parse = async (name: string, content: Uint8Array, boundary = 'tunegate-test') => {
    const { head, tail } = envelope({ name, purpose: 'fine-tune' }, boundary)
    const form = await new Response(joined([head, content, tail]), {
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    }).formData()
    const file = form.get('file')
    if (!(file instanceof File)) throw new Error('no file')
    return { purpose: form.get('purpose'), name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) }
  }

  it('is read back as it was', async () => {
    const names = fc.oneof(
      fc.stringMatching(/^[\w .()-]{1,30}$/),
      fc.constantFrom('a"b.jsonl', 'a\r\nb.jsonl', 'a";x="y', 'grüße.jsonl', '训练.jsonl', '🎈.jsonl'),
    )
    await fc.assert(
      fc.asyncProperty(names, fc.uint8Array({ maxLength: 100 }), async (name, bytes) => {
        expect(await parse(name, Uint8Array.from(bytes))).toEqual({
          purpose: 'fine-tune',
          name,
          bytes: Uint8Array.from(bytes),
        })
      }),
    )
  })

  it('is as long as announced', async () => {
    const { provider, channel, sent } = await start(() =>
      json({ id: 'f', filename: 'a', bytes: 1, created_at: 1 }),
    )
    const content = utf8('Grüße\r\n🎈')
    await provider.files.upload(channel, {
      name: 'ü.jsonl',
      purpose: 'fine-tune',
      size: content.length,
      open: async () => streamOf([content]),
    })
    // The bench's sized body refuses any other length.
    expect(sent[0]?.body).toContain('Grüße\r\n🎈')
  })
})

describe('models', () => {
  it.each([
    ['ft:gpt-4.1-mini:acme::1', true],
    ['ft:gpt-4.1-mini:acme::1:ckpt-step-2', true],
    ['gpt-4.1-mini', false],
    ['gpt-ft:x', false],
  ])('%s is tuned: %s', async (name, expected) => {
    expect((await start(() => json({}))).provider.models.isTuned(name)).toBe(expected)
  })

  it('are listed in our shape', async () => {
    const { provider, channel } = await start(() =>
      json({
        object: 'list',
        data: [{ id: 'm', object: 'model', created: 1, owned_by: 'openai', shutdown_date: null }],
      }),
    )
    expect(await provider.models.list(channel)).toEqual([
      { id: 'm', object: 'model', created: 1, owned_by: 'openai' },
    ])
  })
})

describe('authorisation', () => {
  it('names organization and project only where there are any', async () => {
    const { provider, channel, sent } = await start(() => json(job()), { provider: 'openai', apiKey: 'sk-1' })
    await provider.jobs.get(channel, 'x')
    expect(sent[0]?.headers).toMatchObject({ authorization: 'Bearer sk-1' })
    expect(Object.keys(sent[0]?.headers ?? {}).filter(name => name.startsWith('openai-'))).toEqual([])
    const named = await start(() => json(job()))
    await named.provider.jobs.get(named.channel, 'x')
    expect(named.sent[0]?.headers).toMatchObject({
      authorization: 'Bearer sk-fake',
      'openai-organization': 'org-fake',
      'openai-project': 'proj_fake',
    })
  })
})

const faultOf = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  toFault({
    status,
    headers: new Headers(headers),
    bytes: utf8(typeof body === 'string' ? body : JSON.stringify(body)),
  })
const errorBody = (parts: Record<string, unknown>) => ({
  error: { message: 'No.', type: null, param: null, code: null, ...parts },
})

describe('faults', () => {
  it.each([...PROVIDER_ERROR_CODES, 'model_not_found', 'unknown_parameter', 'invalid_value'])(
    'the code %s is passed on',
    code => {
      expect(faultOf(400, errorBody({ code }))).toMatchObject({ code, nativeCode: code })
    },
  )

  it.each([
    ['another code', errorBody({ code: 'brand_new', type: 'slow_down' }), null, 'brand_new'],
    [
      'a type where there is no code',
      errorBody({ type: 'insufficient_quota' }),
      'insufficient_quota',
      'insufficient_quota',
    ],
    ['a code of nothing', errorBody({ code: '', type: 'server_error' }), 'server_error', 'server_error'],
    ['a code that is a number', errorBody({ code: 429 }), null, null],
    ['a code out of a prototype', errorBody({ code: 'constructor' }), null, 'constructor'],
    ['an error that is a string', { error: 'no' }, null, null],
    ['an error of null', { error: null }, null, null],
    ['a list', [], null, null],
    ['null', null, null, null],
    ['HTML', '<html>busy</html>', null, null],
    ['nothing', '', null, null],
  ])('%s', (_, body, code, nativeCode) => {
    expect(faultOf(503, body)).toMatchObject({ status: 503, code, nativeCode })
  })

  it('keep what the provider said, and the field', () => {
    expect(faultOf(400, errorBody({ message: 'Bad seed.', param: 'seed' }))).toMatchObject({
      message: 'Bad seed.',
      param: 'seed',
    })
    expect(faultOf(400, errorBody({ message: '' })).message).toBeUndefined()
    expect(faultOf(400, errorBody({ message: 7, param: 7 }))).toMatchObject({
      message: undefined,
      param: null,
    })
  })

  it('repeat nothing that a 401 says: it quotes the key', () => {
    const secret = 'sk-proj-S3CR3T'
    const fault = faultOf(
      401,
      errorBody({ message: `Incorrect API key provided: ${secret}.`, code: 'invalid_api_key' }),
    )
    expect(JSON.stringify(fault)).not.toContain('S3CR3T')
    const thrown = new ProviderFault('openai', fault)
    expect(`${thrown.stack} ${JSON.stringify(thrown)} ${String(thrown.said)}`).not.toContain('S3CR3T')
  })

  it.each([
    [400, true],
    [401, true],
    [403, true],
    [404, true],
    [408, false],
    [409, false],
    [422, true],
    [429, true],
    [500, false],
    [502, false],
    [503, false],
    [504, false],
  ])('%i: the provider certainly did nothing: %s', (status, refused) => {
    expect(faultOf(status, {}).refused).toBe(refused)
  })

  it('keep how long to wait', () => {
    expect(faultOf(429, {}, { 'retry-after': '7' }).retryAfter).toBe('7')
    expect(faultOf(429, {}).retryAfter).toBeNull()
  })
})

describe('the channel', () => {
  it('gives an open answer as it comes, and an error whole', async () => {
    const { provider, channel } = await start(({ path }) =>
      path.includes('good')
        ? new Response(streamOf([utf8('one '), utf8('two')]))
        : json(errorBody({ message: 'Gone.' }), 404),
    )
    const { body } = await provider.files.content(channel, 'good')
    expect(new TextDecoder().decode(await readAll(body))).toBe('one two')
    await expect(provider.files.content(channel, 'bad')).rejects.toMatchObject({ status: 404, said: 'Gone.' })
  })

  it('has a fault, not a crash, when an error breaks off', async () => {
    const { provider, channel } = await start(
      () => new Response(streamOf([utf8('{"err')], { ending: 'error' }), { status: 500 }),
    )
    await expect(provider.files.content(channel, 'x')).rejects.toMatchObject({ name: 'ProviderFault' })
  })

  it.each([301, 307])('takes a %i for a fault', async status => {
    const { provider, channel, sent } = await start(
      () => new Response(null, { status, headers: { location: 'https://evil.example' } }),
    )
    await expect(provider.jobs.get(channel, 'x')).rejects.toMatchObject({ status: 'redirected' })
    expect(sent).toHaveLength(1)
  })
})
