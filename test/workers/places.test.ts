/** One dataset, many places: copied from any to any, shared by files of the same content, gone with the last of them. */
import { createHash } from 'node:crypto'
import type OpenAI from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { tick } from '../../functions/schedule.ts'
import { defineConfig } from '../../shared/config.ts'
import { FILES } from '../../shared/datasets/records.ts'
import { connect } from '../../shared/providers/index.ts'
import { dataset, SANDBOX, sandbox, startGateway } from '../support/gateway.ts'
import { ground } from '../support/ground.ts'
import { PROVIDERS, providerVariables } from '../support/providers.ts'

const MODEL = Object.fromEntries(PROVIDERS.map(({ provider, model }) => [provider, model]))
/** Places that hold a dataset as it is: Azure's with a mark before it. */
const SOURCES = ['bucket', 'openai', 'azure', 'vertex_ai', 'bedrock'] as const
const TEXT = dataset(40)

interface Held {
  id?: string
  name?: string
  filename?: string
  sha256: string
}

const stateOf = async (provider: string) => {
  const path = { azure: 'azure/state', vertex_ai: 'google/state', bedrock: 'aws/state' }[provider] ?? 'state'
  const answer = (await (await fetch(`${SANDBOX}/_sandbox/${path}`)).json()) as {
    objects?: Held[]
    files?: { items: Held[] }
  }
  // Jobs leave results there as well, some sooner than others.
  return (answer.files?.items ?? answer.objects ?? [])
    .filter(({ id, name, filename }) => (filename ?? name ?? id)?.endsWith('.jsonl'))
    .map(held => held.sha256)
}
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

const SOURCED = {
  connections: {
    openai: { provider: 'openai' },
    azure: { provider: 'azure' },
    vertex_ai: { provider: 'vertex_ai', sources: ['gs://sandbox-datasets/'] },
    bedrock: { provider: 'bedrock', sources: ['s3://sandbox-bucket/shared/'] },
  },
} as const

const start = async (s3 = 's3://sandbox-bucket/shared/') => {
  const variables = await providerVariables(SANDBOX)
  const connections = {
    ...SOURCED.connections,
    vertex_ai: { provider: 'vertex_ai' as const, sources: [`gs://${variables.VERTEX_BUCKET}/`] },
    bedrock: { provider: 'bedrock' as const, sources: [s3] },
  }
  const config = { connections }
  const clock = { ahead: 0 }
  const gateway = startGateway({
    config,
    variables,
    platform: {
      clock: {
        now: () => Date.now() + clock.ahead,
        sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
      },
    },
  })
  const background = createApp(
    defineConfig({ retries: { count: 0, firstDelayMs: 1, longestDelayMs: 2 }, ...config }),
  ).background(gateway.platform)
  const key = await gateway.key('owner-of-places')
  return { gateway, background, clock, client: await gateway.client(key), key }
}

const upload = async (client: OpenAI, text = TEXT) =>
  (await client.files.create({ file: new File([text], 'train.jsonl'), purpose: 'fine-tune' })).id
const train = (client: OpenAI, training_file: string, provider: string) =>
  client.fineTuning.jobs.create({ model: MODEL[provider] ?? '', training_file, ...{ provider } })

/** Puts the bytes of a file at a provider and nowhere else. */
const moveTo = async (
  { background }: Awaited<ReturnType<typeof start>>,
  id: string,
  place: (typeof SOURCES)[number],
) => {
  if (place === 'bucket') return
  const { provider, channel, name, account } = await connect(background, place)
  const text = place === 'azure' ? `\uFEFF${TEXT}` : TEXT
  const bytes = new TextEncoder().encode(text)
  const { id: native_id } = await provider.files.upload(channel, {
    name: 'elsewhere.jsonl',
    purpose: 'fine-tune',
    size: bytes.length,
    open: async () => new Blob([bytes]).stream(),
  })
  const { store, bucket } = background.platform
  await FILES.update(store, id, file => ({
    ...file,
    segments: [],
    bytes: bytes.length,
    copies: [{ connection: name, account, format: null, native_id }],
  }))
  for (const { key } of (await FILES.get(store, id))?.value.segments ?? []) await bucket.delete(key)
}

beforeEach(async () => {
  await sandbox.reset()
  await ground.forget()
})

describe.each(PROVIDERS.filter(({ provider }) => provider !== 'openai_compatible'))(
  'a copy to $provider',
  ({ provider }) => {
    it.each(SOURCES)('from %s is what it is from our bucket', async place => {
      const world = await start()
      const id = await upload(world.client)
      await train(world.client, id, provider)
      const expected = await stateOf(provider)
      expect(expected).toHaveLength(1)
      await sandbox.reset()
      await ground.forget('copy')
      await moveTo(world, id, place)
      await train(world.client, id, provider)
      expect(await stateOf(provider)).toContain(expected[0])
    })
  },
)

describe('files of the same content', () => {
  const uploads = async () =>
    (await sandbox.requests()).filter(({ method, path }) => method === 'POST' && path === '/v1/files').length

  it('share a copy, which goes with the last of them', async () => {
    const { client } = await start()
    const [first, second] = [await upload(client), await upload(client)]
    await train(client, first, 'openai')
    await train(client, second, 'openai')
    expect(await uploads()).toBe(1)
    await client.files.delete(first)
    expect(await stateOf('openai')).toContain(sha256(`${TEXT}\n`))
    await train(client, second, 'openai')
    expect(await uploads()).toBe(1)
    await untilIdle(client)
    await client.files.delete(second)
    expect(await stateOf('openai')).not.toContain(sha256(`${TEXT}\n`))
  })

  it('of other owners share nothing', async () => {
    const { client, gateway } = await start()
    const other = await gateway.client(await gateway.key('another-owner'))
    await train(client, await upload(client), 'openai')
    await train(other, await upload(other), 'openai')
    expect(await uploads()).toBe(2)
  })
})

/** Files cannot be deleted while a job validates them. */
const untilIdle = async (client: OpenAI) => {
  for (;;) {
    const { data } = await client.fineTuning.jobs.list()
    if (data.every(({ status }) => status === 'succeeded' || status === 'failed')) return
  }
}

describe('a copy that the provider would not delete', () => {
  it('is told, and deleted by the schedule as soon as the provider lets it', async () => {
    const { client, background, clock } = await start()
    const id = await upload(client)
    await train(client, id, 'openai')
    await untilIdle(client)
    await sandbox.fault({ method: 'DELETE', path: '^/v1/files/', kind: 'status', status: 503, times: 4 })
    expect(await client.files.delete(id)).toMatchObject({
      deleted: true,
      tunegate: { copies_left: [{ connection: 'openai', native_id: expect.stringMatching(/^file-/) }] },
    })
    await expect(client.files.retrieve(id)).rejects.toMatchObject({ code: 'file_deleted' })
    const copies = async () => (await stateOf('openai')).filter(sum => sum === sha256(`${TEXT}\n`)).length
    await tick(background)
    expect(await copies()).toBe(1)
    // Each failure puts it off for longer, until the provider gives in.
    for (let hours = 0; hours < 24 && (await copies()) > 0; hours++) {
      clock.ahead += 3_600_000
      await tick(background)
    }
    expect(await copies()).toBe(0)
    expect(await ground.records('copy')).toEqual([])
  })
})

describe('data in a store', () => {
  const put = async (
    provider: 'bedrock' | 'vertex_ai',
    { background }: Awaited<ReturnType<typeof start>>,
  ) => {
    const connection = await connect(background, provider)
    const bytes = new TextEncoder().encode(TEXT)
    const { id } = await connection.provider.files.upload(connection.channel, {
      name: 'source.jsonl',
      purpose: 'fine-tune',
      size: bytes.length,
      open: async () => new Blob([bytes]).stream(),
    })
    return id
  }

  it.each([
    ['openai', 'Google', 'vertex_ai'],
    ['bedrock', 'Google', 'vertex_ai'],
    ['vertex_ai', 'Google', 'vertex_ai'],
    ['openai', 'Amazon', 'bedrock'],
    ['bedrock', 'Amazon', 'bedrock'],
    ['vertex_ai', 'Amazon', 'bedrock'],
  ] as const)('is trained on at %s, when it is at %s, under the id of a file', async (provider, _, store) => {
    const world = await start('s3://sandbox-bucket/')
    const uri = await put(store, world)
    expect(uri).toMatch(store === 'bedrock' ? /^s3:/ : /^gs:/)
    const job = await train(world.client, uri, provider)
    expect(job.training_file).toMatch(/^file-/)
    expect(await world.client.files.retrieve(job.training_file)).toMatchObject({
      filename: 'source.jsonl',
      bytes: TEXT.length,
    })
    expect((await train(world.client, uri, provider)).training_file).toBe(job.training_file)
    expect((await train(world.client, job.training_file, provider)).training_file).toBe(job.training_file)
  })

  it('that the configuration does not name is not read with its credentials', async () => {
    const world = await start()
    const uri = await put('bedrock', world)
    const before = (await sandbox.requests()).length
    for (const place of [uri, 's3://sandbox-bucket/shared-not/x', 's3://sandbox-bucket/shared/../files/x']) {
      await expect(train(world.client, place, 'openai')).rejects.toMatchObject({ param: 'training_file' })
    }
    await expect(train(world.client, uri, 'bedrock')).rejects.toMatchObject({
      status: 403,
      code: 'source_forbidden',
    })
    expect((await sandbox.requests()).slice(before)).toEqual([])
    expect((await world.client.files.list()).data).toEqual([])
  })

  it('that is not there is told as that', async () => {
    const world = await start()
    await expect(
      train(world.client, 's3://sandbox-bucket/shared/none.jsonl', 'openai'),
    ).rejects.toMatchObject({
      status: 400,
      code: 'source_unreadable',
      param: 'training_file',
    })
  })

  it('that is no dataset leaves nothing, anywhere', async () => {
    const world = await start()
    const connection = await connect(world.background, 'vertex_ai')
    const bytes = new TextEncoder().encode('no dataset')
    const { id } = await connection.provider.files.upload(connection.channel, {
      name: 'wrong.jsonl',
      purpose: 'fine-tune',
      size: bytes.length,
      open: async () => new Blob([bytes]).stream(),
    })
    await expect(train(world.client, id, 'openai')).rejects.toMatchObject({
      code: 'invalid_dataset',
      param: 'training_file',
    })
    expect(await stateOf('openai')).toEqual([])
    expect((await world.client.files.list()).data).toEqual([])
  })
})
