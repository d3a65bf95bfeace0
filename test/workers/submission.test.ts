import type OpenAI from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  dataset,
  datasetFile,
  type Gateway,
  SANDBOX,
  sandbox,
  startGateway,
  until,
} from '../support/gateway.ts'
import { ground } from '../support/ground.ts'

const MODEL = 'gpt-4.1-mini-2025-04-14'
const CREATE = { method: 'POST', path: '^/v1/fine_tuning/jobs$' }
const LIST = { method: 'GET', path: '^/v1/fine_tuning/jobs$' }

const SANDBOX_KEY = { authorization: 'Bearer sk-sandbox' }

const provider = async (): Promise<{ id: string; metadata: Record<string, string> }[]> => {
  const answer = await fetch(`${SANDBOX}/v1/fine_tuning/jobs`, {
    headers: { authorization: 'Bearer sk-sandbox' },
  })
  return ((await answer.json()) as { data: { id: string; metadata: Record<string, string> }[] }).data
}

describe('a submission', () => {
  let gateway: Gateway
  let client: OpenAI
  let training: string

  beforeEach(async () => {
    await sandbox.reset()
    gateway = startGateway()
    client = await gateway.client()
    training = (await client.files.create({ file: datasetFile(), purpose: 'fine-tune' })).id
  })
  const create = () =>
    client.fineTuning.jobs.create({ model: MODEL, training_file: training, metadata: { run: '7' } })
  const list = async () => (await client.fineTuning.jobs.list()).data

  it.each([
    { name: 'an error after the effect', fault: { kind: 'effect-then-status', status: 500 } },
    { name: 'a reset after the effect', fault: { kind: 'effect-then-reset' } },
    { name: 'an error before the effect', fault: { kind: 'status', status: 500 } },
    { name: 'a reset before the effect', fault: { kind: 'reset' } },
    { name: 'an answer that is no JSON', fault: { kind: 'garbage' } },
    { name: 'an answer cut off', fault: { kind: 'cut-body' } },
    { name: 'a refusal for load', fault: { kind: 'status', status: 429, headers: { 'retry-after': '0' } } },
  ])('survives $name: one job at the provider, the one that is answered', async ({ fault }) => {
    await sandbox.fault({ ...CREATE, ...fault })
    const job = await create()
    const jobs = await provider()
    expect(jobs).toHaveLength(1)
    expect(jobs[0]?.metadata).toEqual({ run: '7', tunegate_job: job.id })
    expect(job).toMatchObject({ metadata: { run: '7' }, tunegate: { native_id: jobs[0]?.id } })
    expect((await until(client, job.id, 'succeeded', 'failed')).status).toBe('succeeded')
  })

  it('leaves nothing of what the provider refused', async () => {
    await sandbox.fault({
      ...CREATE,
      kind: 'status',
      status: 403,
      body: { error: { message: 'No more tuning for you.', type: 'x', param: null, code: 'y' } },
    })
    await expect(create()).rejects.toMatchObject({
      status: 403,
      message: expect.stringContaining('No more tuning'),
    })
    expect(await list()).toEqual([])
  })

  it('keeps a job of unknown outcome, and takes it up once the provider tells of it', async () => {
    await sandbox.fault({ ...CREATE, kind: 'effect-then-reset' })
    await sandbox.fault({ ...LIST, kind: 'status', status: 500, times: 20 })
    const refused = await create().catch((error: unknown) => error)
    expect(refused).toMatchObject({ status: 502, code: 'submission_outcome_unknown' })
    const kept = (await list())[0]
    expect(kept).toMatchObject({ status: 'queued', tunegate: { native_id: null } })
    expect(String((refused as Error).message)).toContain(kept?.id)
    await fetch(`${SANDBOX}/_sandbox/faults`, { method: 'DELETE' })
    const job = await until(client, kept?.id ?? '', 'succeeded')
    expect(job).toMatchObject({ tunegate: { native_id: (await provider())[0]?.id } })
    expect(await provider()).toHaveLength(1)
  })

  it('sends a job again that the provider never heard of, when it can be sure of that', async () => {
    await sandbox.fault({ ...CREATE, kind: 'reset', times: 5 })
    await sandbox.fault({ ...LIST, kind: 'reset', times: 5 })
    await expect(create()).rejects.toMatchObject({ code: 'submission_outcome_unknown' })
    await fetch(`${SANDBOX}/_sandbox/faults`, { method: 'DELETE' })
    const id = (await list())[0]?.id ?? ''
    await gateway.tick(30)
    expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({
      status: 'queued',
      tunegate: { native_id: null },
    })
    expect(await provider()).toEqual([])

    await gateway.tick(300)
    await until(client, id, 'succeeded')
    expect(await provider()).toHaveLength(1)
  })

  it('sends the whole dataset again when its upload broke off', async () => {
    await sandbox.fault({ method: 'POST', path: '^/v1/files$', kind: 'reset' })
    await sandbox.fault({ method: 'POST', path: '^/v1/files$', kind: 'status', status: 503 })
    const job = await create()
    expect((await until(client, job.id, 'succeeded', 'failed')).status).toBe('succeeded')
  })

  it('trains on a file as editors write it: byte order mark, CRLF, blank lines, no last line end', async () => {
    const text = `\ufeff${dataset(20).replaceAll('\n', '\r\n')}\r\n\r\n${dataset(20)}`
    const file = await client.files.create({ file: new File([text], 'bom.jsonl'), purpose: 'fine-tune' })
    const job = await client.fineTuning.jobs.create({ model: MODEL, training_file: file.id })
    expect(await until(client, job.id, 'succeeded', 'failed')).toMatchObject({
      status: 'succeeded',
      error: null,
    })
    const kept = new Uint8Array(await (await client.files.content(file.id)).arrayBuffer())
    expect(kept).toEqual(new TextEncoder().encode(text))
  })

  it('copies a dataset once for many jobs', async () => {
    await create()
    await create()
    const uploads = (await sandbox.requests()).filter(
      ({ method, path }) => method === 'POST' && path === '/v1/files',
    )
    expect(uploads).toHaveLength(1)
  })

  it('copies a dataset again when the provider has lost its copy', async () => {
    await create()
    const files = await fetch(`${SANDBOX}/v1/files?purpose=fine-tune`, { headers: SANDBOX_KEY })
    for (const { id } of ((await files.json()) as { data: { id: string }[] }).data) {
      await fetch(`${SANDBOX}/v1/files/${id}`, { method: 'DELETE', headers: SANDBOX_KEY })
    }
    const job = await create()
    expect((await until(client, job.id, 'succeeded', 'failed')).status).toBe('succeeded')
  })

  it('keeps the sixteenth pair of metadata itself and says so', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`k${n}`, `${n}`]))
    const job = await client.fineTuning.jobs.create({ model: MODEL, training_file: training, metadata })
    expect(job.metadata).toEqual(metadata)
    expect(Object.keys((await provider())[0]?.metadata ?? {})).toHaveLength(16)
    const warnings: string[] = []
    for await (const { level, message } of client.fineTuning.jobs.listEvents(job.id, { limit: 100 })) {
      if (level === 'warn') warnings.push(message)
    }
    expect(warnings).toContainEqual(expect.stringContaining("'k15'"))
  })

  it('tells the last known state while the provider is away', async () => {
    await sandbox.settings({ stepMs: 5 })
    const job = await create()
    await sandbox.fault({ kind: 'reset', path: '.*', times: 50 })
    const seen = await client.fineTuning.jobs.retrieve(job.id)
    expect(['validating_files', 'queued', 'running']).toContain(seen.status)
    expect((await client.fineTuning.jobs.listEvents(job.id)).data.length).toBeGreaterThan(0)
    await fetch(`${SANDBOX}/_sandbox/faults`, { method: 'DELETE' })
    await sandbox.settings({ stepMs: 0 })
    await until(client, job.id, 'succeeded')
  })

  it('tells each event once, in order, when many ask at once', async () => {
    const job = await create()
    await Promise.all(Array.from({ length: 6 }, () => client.fineTuning.jobs.listEvents(job.id)))
    await until(client, job.id, 'succeeded')
    await Promise.all(Array.from({ length: 6 }, () => client.fineTuning.jobs.listEvents(job.id)))
    const ids: string[] = []
    const steps: number[] = []
    for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 7 })) {
      ids.push(event.id)
      const step = (event.data as { step?: number }).step
      if (event.type === 'metrics' && step !== undefined) steps.push(step)
    }
    expect(new Set(ids).size).toBe(ids.length)
    expect(steps.length).toBeGreaterThan(10)
    expect(steps).toEqual([...new Set(steps)].toSorted((a, b) => b - a))
  })
})

describe('a job of a key that came with the request', () => {
  beforeEach(() => sandbox.reset())

  it('is created, watched and used with that key, which is never stored', async () => {
    const gateway = startGateway({
      config: { requestCredentials: true },
      variables: { OPENAI_API_KEY: 'sk-not-this-one' },
    })
    const key = await gateway.key()
    const client = await gateway.client(key)
    const file = await client.files.create({ file: datasetFile(), purpose: 'fine-tune' })
    const own = { headers: { 'x-tunegate-api-key': 'sk-sandbox' } }
    const created = await client.fineTuning.jobs.create({
      model: MODEL,
      training_file: file.id,
      ...{ api_key: 'sk-sandbox' },
    })

    const retrieve = () => client.fineTuning.jobs.retrieve(created.id, own)
    let job = await retrieve()
    while (job.status !== 'succeeded') job = await retrieve()
    const model = job.fine_tuned_model ?? ''
    const messages = [{ role: 'user' as const, content: 'please help me with my refund' }]
    const answer = await client.chat.completions.create({ model, messages }, own)
    expect(answer.choices[0]?.message.content).toBe('refund')
    // Without the key there is nothing to ask the provider with, and the deployment's own is not used in its place.
    await expect(client.chat.completions.create({ model, messages })).rejects.toMatchObject({
      code: 'credentials_required',
    })
    expect((await client.fineTuning.jobs.retrieve(created.id)).status).toBe('succeeded')
    const requests = await sandbox.requests()
    expect(requests.filter(({ headers }) => headers.authorization?.includes('not-this-one'))).toEqual([])

    const records = await ground.records()
    expect(records.length).toBeGreaterThan(0)
    expect(JSON.stringify(records)).not.toContain('sk-sandbox')
  })
})
