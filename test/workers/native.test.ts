/** Files and jobs that the gateway has not made, named by their providers' own ids, through the unmodified client. */
import type OpenAI from 'openai'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCaches } from '../../shared/caches.ts'
import { type Config, defineConfig } from '../../shared/config.ts'
import { convert } from '../../shared/datasets/convert.ts'
import { FORMATS } from '../../shared/datasets/formats/index.ts'
import { type Connection, connect } from '../../shared/providers/index.ts'
import { createTransport } from '../../shared/transport.ts'
import {
  dataset,
  datasetFile,
  type Gateway,
  SANDBOX,
  sandbox,
  startGateway,
  until,
} from '../support/gateway.ts'
import { PROVIDERS, providerVariables } from '../support/providers.ts'

let variables: Record<string, string>
beforeAll(async () => {
  variables = await providerVariables(SANDBOX)
})
beforeEach(() => sandbox.reset())

/** Long enough a step that no job ends before it is told to, or let go. */
const HELD = { stepMs: 60_000 }
/** Jobs stay under way while this goes on. */
const whileHeld = async (run: () => Promise<void>): Promise<void> => {
  await sandbox.settings(HELD)
  try {
    await run()
  } finally {
    await sandbox.settings({ stepMs: 0 })
  }
}

type ProviderId = (typeof PROVIDERS)[number]['provider']

/** A deployment with one connection, whose account others use as well. */
const startWith = (provider: ProviderId, adoptNativeIds: boolean, more: Partial<Config> = {}): Gateway =>
  startGateway({
    variables,
    config: {
      connections: { [provider]: { provider, adoptNativeIds } } as Config['connections'],
      defaultConnection: provider,
      ...more,
    },
  })

/** The account itself, without the gateway: whoever else works in it. */
const outside = (provider: ProviderId): Promise<Connection> => {
  const { platform } = startGateway({ variables })
  const config = defineConfig()
  const { retries } = config
  const transport = createTransport({
    fetch: platform.fetch,
    clock: platform.clock,
    retries,
    allowedOrigin: SANDBOX,
  })
  return connect({ config, platform, transport, caches: createCaches() }, provider)
}

const uploadOutside = async ({ provider, channel }: Connection, model: string, name = 'outside.jsonl') => {
  const lines = new Blob([dataset(40)])
    .stream()
    .pipeThrough(convert(FORMATS[provider.formatOf(model, 'supervised')]))
  const bytes = new Uint8Array(await new Response(lines).arrayBuffer())
  const file = { name, purpose: 'fine-tune', size: bytes.length }
  const { id } = await provider.files.upload(channel, {
    ...file,
    open: async () => new Blob([bytes]).stream(),
  })
  return { id, bytes }
}

let serial = 0
const trainOutside = async (connection: Connection, model: string, trainingFile: string) => {
  const { provider, channel } = connection
  const { id } = await provider.jobs.create(channel, {
    // As another deployment's would be.
    label: `ftjob-0Wother${++serial}`,
    model,
    trainingFile,
    validationFile: null,
    suffix: 'outside',
    seed: null,
    metadata: {},
    integrations: null,
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2 } } },
    options: {},
  })
  return id
}

const all = async <T>(pages: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = []
  for await (const item of pages) items.push(item)
  return items
}
const nativeIdOf = (job: object) => (job as { tunegate: { native_id: string } }).tunegate.native_id
const idsOf = (items: { id: string }[]) => items.map(({ id }) => id)

/** Deployments, pauses and the like are beside what a job's id is used for here. */
describe.each(PROVIDERS)('an id of $provider’s own', ({ provider, model }) => {
  const named = { query: { provider } }
  const withProvider = { provider } as object

  it('is not taken where all callers share the account', async () => {
    const connection = await outside(provider)
    const file = await uploadOutside(connection, model)
    const job = await trainOutside(connection, model, file.id)
    const client = await startWith(provider, false).client()
    const before = (await sandbox.requests()).length
    const closed = { status: 404, message: expect.stringContaining('adoptNativeIds') }
    await expect(client.fineTuning.jobs.retrieve(job, named)).rejects.toMatchObject(closed)
    await expect(client.fineTuning.jobs.cancel(job, named)).rejects.toMatchObject(closed)
    await expect(client.files.retrieve(file.id, named)).rejects.toMatchObject(closed)
    await expect(client.files.delete(file.id, named)).rejects.toMatchObject(closed)
    const denied = { status: 403, code: 'permission_denied', param: 'provider' }
    await expect(client.fineTuning.jobs.list(withProvider)).rejects.toMatchObject(denied)
    await expect(client.files.list(withProvider)).rejects.toMatchObject(denied)
    expect((await sandbox.requests()).length).toBe(before)
  })

  it('of a job is the job, to its end, for who asked first', async () => {
    const connection = await outside(provider)
    const file = await uploadOutside(connection, model)
    const gateway = startWith(provider, true)
    const [client, other] = [await gateway.client(), await gateway.client()]
    let [first, id] = ['', '']
    await whileHeld(async () => {
      const natives = [
        await trainOutside(connection, model, file.id),
        await trainOutside(connection, model, file.id),
        await trainOutside(connection, model, file.id),
      ]
      const [, second = '', third = ''] = natives
      first = natives[0] ?? ''

      const listed = await all(client.fineTuning.jobs.list({ limit: 2, ...withProvider }))
      expect(idsOf(listed)).toEqual(natives.toReversed())
      expect(listed[0]).toMatchObject({ object: 'fine_tuning.job', tunegate: { provider, native_id: third } })
      expect((await client.fineTuning.jobs.list()).data).toEqual([])

      const job = await client.fineTuning.jobs.retrieve(first, named)
      expect(job).toMatchObject({ tunegate: { provider, native_id: first }, training_file: file.id })
      expect(job.id).toMatch(/^ftjob-[0-9A-Za-z]+$/)
      expect((await client.fineTuning.jobs.retrieve(first, named)).id).toBe(job.id)
      expect(idsOf((await client.fineTuning.jobs.list()).data)).toEqual([job.id])

      await expect(other.fineTuning.jobs.retrieve(first, named)).rejects.toMatchObject({
        status: 404,
        code: 'job_not_found',
      })
      expect(idsOf(await all(other.fineTuning.jobs.list({ limit: 1, ...withProvider })))).toEqual([
        third,
        second,
      ])

      id = job.id
      await other.fineTuning.jobs.cancel(second, named)
      const [cancelled] = (await other.fineTuning.jobs.list()).data
      expect(cancelled && nativeIdOf(cancelled)).toBe(second)
    })
    const done = await until(client, id, 'succeeded')
    expect(done.fine_tuned_model).toEqual(expect.any(String))
    expect((await client.fineTuning.jobs.listEvents(first, withProvider)).data.length).toBeGreaterThan(1)
    expect((await client.fineTuning.jobs.checkpoints.list(first, withProvider)).data).toEqual(
      (await client.fineTuning.jobs.checkpoints.list(id)).data,
    )
    for (const id of done.result_files) expect((await client.files.content(id)).ok).toBe(true)
  })

  it('of a job that another owner has made is no one else’s', async () => {
    const gateway = startWith(provider, true)
    const [client, other] = [await gateway.client(), await gateway.client()]
    const file = await client.files.create({ file: datasetFile(40), purpose: 'fine-tune' })
    const job = await client.fineTuning.jobs.create({ model, training_file: file.id, ...withProvider })
    const native = nativeIdOf(job)
    await expect(other.fineTuning.jobs.retrieve(native, named)).rejects.toMatchObject({ status: 404 })
    await expect(other.fineTuning.jobs.cancel(native, named)).rejects.toMatchObject({ status: 404 })
    expect(await all(other.fineTuning.jobs.list(withProvider))).toEqual([])
    expect((await client.fineTuning.jobs.retrieve(native, named)).id).toBe(job.id)
    expect(idsOf(await all(client.fineTuning.jobs.list(withProvider)))).toEqual([native])

    // Nor is the copy of its dataset.
    const { provider: adapter, channel } = await outside(provider)
    const [copy] = (await adapter.files.list(channel, { limit: 10 })).items
    expect(copy?.filename).toContain(file.id)
    await expect(other.files.retrieve(copy?.id ?? '', named)).rejects.toMatchObject({ status: 404 })
    await expect(other.files.delete(copy?.id ?? '', named)).rejects.toMatchObject({ status: 404 })
    expect(await all(other.files.list(withProvider))).toEqual([])
    expect(idsOf(await all(client.files.list(withProvider)))).toEqual([copy?.id])
    const done = await until(client, job.id, 'succeeded')
    // Nor what it has made.
    const results = await Promise.all(
      done.result_files.map(async id => (await gateway.platform.store.get('file', id))?.body ?? '{}'),
    )
    for (const body of results) {
      const { copies } = JSON.parse(body) as { copies: { native_id: string }[] }
      await expect(other.files.content(copies[0]?.native_id ?? '', named)).rejects.toMatchObject({
        status: 404,
      })
    }
  })

  it('of a file is the file: found, read, listed, trained on, deleted', async () => {
    const connection = await outside(provider)
    const files: Awaited<ReturnType<typeof uploadOutside>>[] = []
    for (const name of ['one.jsonl', 'two.jsonl', 'three.jsonl'])
      files.push(await uploadOutside(connection, model, name))
    const gateway = startWith(provider, true)
    const [client, other] = [await gateway.client(), await gateway.client()]
    const [file] = files
    const id = file?.id ?? ''

    const listed = await all(client.files.list({ limit: 1, ...withProvider }))
    expect(idsOf(listed).toSorted()).toEqual(idsOf(files).toSorted())
    expect(listed.map(({ filename }) => filename).toSorted()).toEqual([
      'one.jsonl',
      'three.jsonl',
      'two.jsonl',
    ])

    const found = await client.files.retrieve(id, named)
    expect(found).toMatchObject({ object: 'file', purpose: 'fine-tune', bytes: file?.bytes.length })
    expect(found.id).toMatch(/^file-[0-9A-Za-z]+$/)
    expect(new Uint8Array(await (await client.files.content(id, named)).arrayBuffer())).toEqual(file?.bytes)
    expect((await client.files.retrieve(found.id)).filename).toBe('one.jsonl')
    await expect(other.files.content(id, named)).rejects.toMatchObject({
      status: 404,
      code: 'file_not_found',
    })
    expect(await all(other.files.list(withProvider))).toHaveLength(2)

    if (connection.provider.formatOf(model, 'supervised').startsWith('openai')) {
      const before = (await sandbox.requests()).length
      const job = await client.fineTuning.jobs.create({ model, training_file: id, ...withProvider })
      // The file as it was taken in above, under its id of the gateway's.
      expect((await until(client, job.id, 'succeeded')).training_file).toBe(found.id)
      const uploads = (await sandbox.requests())
        .slice(before)
        .filter(({ method, path }) => method === 'POST' && path.endsWith('/files'))
      expect(uploads).toEqual([])
    }

    expect(await client.files.delete(id, named)).toMatchObject({ deleted: true })
    const { items } = await connection.provider.files.list(connection.channel, { limit: 10 })
    expect(idsOf(items)).not.toContain(id)
    await expect(client.files.retrieve(id, named)).rejects.toMatchObject({ status: 404 })
  })
})

describe('an id that is none', () => {
  const HOSTILE = [
    '..',
    '.',
    '../models',
    '%2e%2e',
    'a/../b',
    'gs://',
    's3://bucket',
    's3://b/../k',
    'https://evil.example/x',
    '#',
    '?x=1',
    ' ',
  ]
  it.each(PROVIDERS)('is a 400 or 404 at $provider, and reaches no other resource', async ({ provider }) => {
    const gateway = startWith(provider, true)
    const key = await gateway.key()
    const before = (await sandbox.requests()).length
    for (const id of HOSTILE) {
      for (const path of [
        `files/${encodeURIComponent(id)}/content`,
        `fine_tuning/jobs/${encodeURIComponent(id)}/events`,
      ]) {
        const answer = await gateway.fetch(`/v1/${path}?provider=${provider}`, { key })
        expect([400, 404], `${path}: ${answer.status}`).toContain(answer.status)
      }
    }
    const read = (await sandbox.requests())
      .slice(before)
      .map(({ path }) => path)
      .filter(path => !/token/.test(path))
    for (const path of read)
      expect(path).toMatch(/(files|jobs|model-customization-jobs|tuningJobs|o|bucket)\/|\/s3\//)
  })
})

describe('with credentials of the caller’s own', () => {
  const key = { 'x-tunegate-api-key': 'sk-sandbox', 'x-tunegate-provider': 'openai' }
  const model = 'gpt-4.1-mini-2025-04-14'
  let connection: Connection
  let client: OpenAI
  beforeEach(async () => {
    connection = await outside('openai')
    client = await startWith('openai', false, { requestCredentials: true }).client()
  })

  it('ids of the account are taken, and need the credentials from then on', async () => {
    await sandbox.settings(HELD)
    const file = await uploadOutside(connection, model)
    const native = await trainOutside(connection, model, file.id)
    const job = await client.fineTuning.jobs.retrieve(native, { headers: key })
    expect(job).toMatchObject({ tunegate: { native_id: native } })
    expect(
      (await client.fineTuning.jobs.list({ provider: 'openai' } as object, { headers: key })).data,
    ).toHaveLength(1)
    await expect(client.fineTuning.jobs.cancel(job.id)).rejects.toMatchObject({
      code: 'credentials_required',
    })
    await expect(
      client.fineTuning.jobs.retrieve(native, { query: { provider: 'openai' } }),
    ).rejects.toMatchObject({
      status: 404,
    })
    expect(await (await client.files.content(file.id, { headers: key })).text()).toBe(`${dataset(40)}\n`)
    await sandbox.settings({ stepMs: 0 })
  })

  it('a header that names the provider of every request changes no list', async () => {
    await trainOutside(connection, model, (await uploadOutside(connection, model)).id)
    expect((await client.fineTuning.jobs.list({}, { headers: key })).data).toEqual([])
    expect((await client.files.list({}, { headers: key })).data).toEqual([])
  })
})
