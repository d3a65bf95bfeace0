import { describe, expect, it } from 'vitest'
import { JOB_LABEL } from '../../../shared/openai/index.ts'
import { readAll, streamOf, utf8 } from '../support/bytes.ts'
import { json } from '../support/context.ts'
import {
  CHAT,
  CHAT_PATH,
  ENTRA_TOKEN,
  ENTRA_VERSION,
  FILE_ANSWER,
  JOB_ANSWER,
  KEY,
  type Recorded,
  recorded,
  SURFACES,
  type Surface,
  versionQuery,
} from './recordings.ts'
import { APPLICATION, granted, isTokenCall, KEYED, RESOURCE, start, submission } from './support.ts'

type Started = Awaited<ReturnType<typeof start>>
const onBoth = <T extends unknown[]>(rows: T[]): [Surface, ...T][] =>
  SURFACES.flatMap(surface => rows.map((row): [Surface, ...T] => [surface, ...row]))

const list = (data: unknown[]) => ({ object: 'list', data, has_more: false })
const checkpoint = {
  id: 'ftckpt-1',
  created_at: 1,
  fine_tuned_model_checkpoint: 'm.ft-1:ckpt-step-2',
  step_number: 2,
  metrics: { step: 2 },
}

const CALLS: [operation: string, answer: unknown, call: (azure: Started) => Promise<unknown>][] = [
  ['files.list', list([FILE_ANSWER]), ({ provider, channel }) => provider.files.list(channel, { limit: 10 })],
  ['files.retrieve', FILE_ANSWER, ({ provider, channel }) => provider.files.get(channel, 'file-abc123')],
  ['files.content', 'step\n', ({ provider, channel }) => provider.files.content(channel, 'file-abc123')],
  ['files.delete', {}, ({ provider, channel }) => provider.files.delete(channel, 'file-abc123')],
  [
    'fine_tuning.jobs.retrieve',
    JOB_ANSWER,
    ({ provider, channel }) => provider.jobs.get(channel, 'ftjob-abc123'),
  ],
  [
    'fine_tuning.jobs.cancel',
    JOB_ANSWER,
    ({ provider, channel }) => provider.jobs.cancel(channel, 'ftjob-abc123'),
  ],
  [
    'fine_tuning.jobs.pause',
    JOB_ANSWER,
    ({ provider, channel }) => provider.jobs.pause(channel, 'ftjob-abc123'),
  ],
  [
    'fine_tuning.jobs.resume',
    JOB_ANSWER,
    ({ provider, channel }) => provider.jobs.resume(channel, 'ftjob-abc123'),
  ],
  [
    'fine_tuning.jobs.events',
    list([]),
    ({ provider, channel }) =>
      provider.jobs.events(channel, 'ftjob-abc123', { limit: 50, after: 'ftevent-0' }),
  ],
  [
    'fine_tuning.jobs.checkpoints',
    list([checkpoint]),
    ({ provider, channel }) => provider.jobs.checkpoints(channel, 'ftjob-abc123', { limit: 5 }),
  ],
]

describe('requests, as the official clients send them', () => {
  it.each(onBoth(CALLS))(
    '%s %s: method, host, path, query, key, no body',
    async (surface, operation, answer, call) => {
      const expected = recorded(surface, operation)
      const bench = await start(() => json(answer), KEYED[surface])
      await call(bench)
      expect(bench.sent).toHaveLength(1)
      const [sent] = bench.sent
      expect(sent).toMatchObject({
        method: expected.method,
        path: expected.path,
        query: expected.query,
        body: '',
      })
      expect(new URL(sent?.url ?? '').origin).toBe(RESOURCE)
      expect(sent?.headers['api-key']).toBe(KEY)
      expect(sent?.headers.authorization).toBeUndefined()
    },
  )

  it('retrieves a job with an Entra token', async () => {
    const { provider, channel, sent } = await start(
      ({ url }) => (isTokenCall(url) ? granted(ENTRA_TOKEN) : json(JOB_ANSWER)),
      { ...APPLICATION, apiVersion: ENTRA_VERSION },
    )
    await provider.jobs.get(channel, 'ftjob-abc123')
    expect(sent[1]).toMatchObject({
      method: 'GET',
      path: '/openai/fine_tuning/jobs/ftjob-abc123',
      query: { 'api-version': ENTRA_VERSION },
      headers: { authorization: `Bearer ${ENTRA_TOKEN}` },
    })
    expect(sent[1]?.headers['api-key']).toBeUndefined()
  })

  const full = {
    ...submission,
    validationFile: 'file-def456',
    suffix: 'my-suffix',
    seed: 7,
    metadata: { tenant: 't1' },
    options: { training_type: 'globalstandard' },
  }
  const methodIn = ({ body }: Recorded) => (body as Pick<typeof submission, 'method'>).method
  const CREATIONS = (['supervised', 'dpo', 'reinforcement'] as const).map(
    (type): [string, typeof submission] => {
      const operation = `fine_tuning.jobs.create.${type}`
      const method = methodIn(recorded('v1', operation))
      return [operation, { ...(type === 'supervised' ? full : submission), method }]
    },
  )
  it.each(onBoth(CREATIONS))(
    '%s %s: the body, and our label beside the metadata',
    async (surface, operation, job) => {
      const expected = recorded(surface, operation)
      const { provider, channel, sent } = await start(() => json(JOB_ANSWER, 201), KEYED[surface])
      await provider.jobs.create(channel, job)
      expect(sent).toHaveLength(1)
      expect(sent[0]).toMatchObject({ method: 'POST', path: expected.path, query: expected.query })
      expect(sent[0]?.headers).toMatchObject({ 'content-type': 'application/json', 'api-key': KEY })
      expect(JSON.parse(sent[0]?.body ?? '')).toEqual({
        ...(expected.body as object),
        metadata: { ...job.metadata, [JOB_LABEL]: 'ftjob-ours' },
      })
    },
  )

  it.each(SURFACES)('%s fine_tuning.jobs.list: page and filter', async surface => {
    const expected = recorded(surface, 'fine_tuning.jobs.list')
    const { provider, channel, sent } = await start(() => json(list([])), KEYED[surface])
    await provider.jobs.list(channel, { limit: 5, after: 'ftjob-prev' })
    await provider.jobs.find(channel, 't1')
    const { 'metadata[tenant]': tenant, ...page } = expected.query
    expect(sent[0]).toMatchObject({ method: 'GET', path: expected.path })
    expect(sent[0]?.query).toEqual(page)
    expect(sent[1]?.query[`metadata[${JOB_LABEL}]`]).toBe(tenant)
  })

  it.each(SURFACES)('%s files.create: the same form, read back', async surface => {
    const expected = recorded(surface, 'files.create')
    const line = '\uFEFF{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n'
    const { provider, channel, sent } = await start(() => json(FILE_ANSWER, 201), KEYED[surface])
    const uploaded = await provider.files.upload(channel, {
      name: 'train.jsonl',
      purpose: 'fine-tune',
      size: utf8(line).length,
      open: async () => streamOf([utf8(line)]),
    })
    expect(uploaded.id).toBe('file-abc123')
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({ method: 'POST', path: expected.path, query: expected.query })
    const type = sent[0]?.headers['content-type'] ?? ''
    const form = await new Response(sent[0]?.body, { headers: { 'content-type': type } }).formData()
    const file = form.get('file')
    if (!(file instanceof File)) throw new Error('no file')
    expect([form.get('purpose'), file.name, file.type]).toEqual([
      'fine-tune',
      'train.jsonl',
      'application/jsonl',
    ])
    expect(new Uint8Array(await file.arrayBuffer())).toEqual(utf8(line))
  })

  it.each(onBoth([[false], [true]]))('%s chat.completions, streamed: %s', async (surface, stream) => {
    const text = JSON.stringify({
      ...CHAT,
      ...(stream && { stream, stream_options: { include_usage: true } }),
    })
    // Azure's first chunk has no choices; its answers carry more than OpenAI's. Nothing of it is touched.
    const said = stream
      ? 'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}\n\ndata: {"choices":[{"delta":{"content":"Hi"},"content_filter_results":{}}]}\n\ndata: [DONE]\n\n'
      : '{"choices": [{"message":{"content":"Hi"},"content_filter_results":{"hate":{"filtered":false}}}],  "prompt_filter_results":[]}'
    const { provider, channel, sent } = await start(() => new Response(said), KEYED[surface])
    const answer = await provider.chat.complete(channel, { text, body: JSON.parse(text), dropParams: false })
    expect(sent[0]).toMatchObject({ method: 'POST', path: CHAT_PATH[surface], body: text })
    expect(sent[0]?.query).toEqual(versionQuery(surface))
    expect(sent[0]?.headers).toMatchObject({ 'content-type': 'application/json', 'api-key': KEY })
    const bytes = answer.kind === 'stream' ? await readAll(answer.body) : answer.bytes
    expect(answer.kind).toBe(stream ? 'stream' : 'whole')
    expect(new TextDecoder().decode(bytes)).toBe(said)
  })

  it('repeats no chat: repeated is paid twice', async () => {
    const { provider, channel, sent } = await start(() => json({}, 503))
    const text = JSON.stringify(CHAT)
    await expect(
      provider.chat.complete(channel, { text, body: JSON.parse(text), dropParams: false }),
    ).rejects.toMatchObject({ status: 503 })
    expect(sent).toHaveLength(1)
  })
})
