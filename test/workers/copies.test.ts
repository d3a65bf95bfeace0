/** Copies of datasets: from any place to any other, in parts, through whatever happens on the way. */
import { createHash } from 'node:crypto'
import type OpenAI from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { tick } from '../../functions/schedule.ts'
import { runTask } from '../../functions/tasks.ts'
import { defineConfig } from '../../shared/config.ts'
import type { Context } from '../../shared/context.ts'
import { COPIES, type CopyRecord } from '../../shared/datasets/copy-records.ts'
import { INTAKES } from '../../shared/datasets/intake-records.ts'
import type { Task } from '../../shared/platform/index.ts'
import { connect } from '../../shared/providers/index.ts'
import { type Gateway, SANDBOX, sandbox, startGateway } from '../support/gateway.ts'
import { ground } from '../support/ground.ts'
import { PROVIDERS, providerVariables } from '../support/providers.ts'

const MEBIBYTE = 1024 * 1024
/** As small as each provider takes them. */
const PART: Record<string, number> = {
  openai: MEBIBYTE / 4,
  azure: MEBIBYTE / 4,
  vertex_ai: MEBIBYTE / 4,
  bedrock: 5 * MEBIBYTE,
}
/** Small steps, so that a dataset of a few parts takes several. */
const COPYING = {
  stepBytes: MEBIBYTE / 4,
  stepSeconds: 60,
  partBytes: MEBIBYTE / 4,
  leaseSeconds: 60,
  waitSeconds: 300,
}

/** Lines of about 4 KB, each another; some blank, some with CRLF. */
const dataset = (bytes: number): string => {
  const lines: string[] = []
  for (let size = 0, n = 0; size < bytes; n++) {
    const line = JSON.stringify({
      messages: [
        { role: 'user', content: `${n} é🚲 ${'lorem ipsum '.repeat(340)}` },
        { role: 'assistant', content: `answer ${n}` },
      ],
    })
    lines.push(n % 7 === 0 ? `${line}\r` : line, ...(n % 11 === 0 ? [''] : []))
    size += line.length
  }
  return lines.join('\n')
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
/** What OpenAI and Azure get of a dataset: no blank lines, LF. */
const plain = (text: string) =>
  `${text
    .split(/\r?\n/)
    .filter(line => line !== '')
    .join('\n')}\n`

interface ProviderState {
  objects: { bytes: number; sha256: string; filename?: string }[]
  openUploads: number
}
const stateOf = async (provider: string): Promise<ProviderState> => {
  const path = { azure: 'azure/state', vertex_ai: 'google/state', bedrock: 'aws/state' }[provider] ?? 'state'
  const answer = (await (await fetch(`${SANDBOX}/_sandbox/${path}`)).json()) as ProviderState & {
    files?: { items: ProviderState['objects'] }
  }
  const all = answer.files?.items ?? answer.objects
  // What jobs have left there by now is no copy.
  const objects = all.filter(({ filename = '.jsonl' }) => filename.endsWith('.jsonl'))
  return { objects, openUploads: answer.openUploads }
}

/** A part's request at a provider, by its path. */
const PARTS: Record<string, { method: string; path: string }> = {
  openai: { method: 'POST', path: '^/v1/uploads/[^/]+/parts$' },
  azure: { method: 'POST', path: '/openai/v1/uploads/[^/]+/parts$' },
  vertex_ai: { method: 'PUT', path: '/upload/storage/' },
  bedrock: { method: 'PUT', path: '^/aws/s3/' },
}
const IN_PARTS = PROVIDERS.filter(({ provider }) => provider in PARTS)

interface World {
  gateway: Gateway
  client: OpenAI
  key: string
  variables: Record<string, string>
  tasks: Task[]
  background: Context
  clock: { ahead: number }
  /** Carries out what was enqueued, until nothing is. */
  drain(): Promise<number>
  tick(): Promise<void>
}

const start = async (copying: Partial<typeof COPYING> = {}, time?: 'real time'): Promise<World> => {
  const variables = await providerVariables(SANDBOX)
  const tasks: Task[] = []
  const clock = { ahead: 0 }
  const config = {
    copying: { ...COPYING, ...copying },
    connections: {
      openai: { provider: 'openai' as const },
      openai_compatible: { provider: 'openai_compatible' as const },
      azure: { provider: 'azure' as const },
      vertex_ai: { provider: 'vertex_ai' as const, sources: [`gs://${variables.VERTEX_BUCKET}/`] },
      bedrock: { provider: 'bedrock' as const, sources: ['s3://sandbox-bucket/'] },
    },
  }
  const gateway = startGateway({
    config,
    variables,
    platform: {
      queue: {
        async enqueue(task) {
          tasks.push(task)
        },
      },
      clock: {
        now: () => Date.now() + clock.ahead,
        // Waiting takes no time here, but time passes.
        sleep: async ms => {
          clock.ahead += time ? 0 : ms
          await new Promise(resolve => setTimeout(resolve, time ? ms : 1))
        },
      },
    },
  })
  const background = createApp(
    defineConfig({ retries: { count: 2, firstDelayMs: 1, longestDelayMs: 2 }, ...config }),
  ).background(gateway.platform)
  const key = await gateway.key()
  return {
    gateway,
    key,
    client: await gateway.client(key),
    variables,
    tasks,
    background,
    clock,
    async drain() {
      let count = 0
      for (let task = tasks.shift(); task; task = tasks.shift()) {
        count++
        await runTask(background, task)
      }
      return count
    },
    tick: () => tick(background),
  }
}

const upload = async (client: OpenAI, text: string) =>
  (await client.files.create({ file: new File([text], 'train.jsonl'), purpose: 'fine-tune' })).id

const train = (client: OpenAI, training_file: string, provider: string, more: object = {}) => {
  const { model } = PROVIDERS.find(each => each.provider === provider) ?? PROVIDERS[0]
  return client.fineTuning.jobs.create({ model, training_file, ...{ provider }, ...more })
}

const copyRecords = async () => (await ground.records('copy')) as unknown as CopyRecord[]
/** As if who is at work had died without a word. */
const orphan = async (kind: 'copy' | 'intake') => {
  const { store } = ground.createPlatform({})
  const lease = { holder: 'dead', until: Math.floor(Date.now() / 1000) + 60 }
  for (const { id, native_id } of await ground.records(kind)) {
    if (native_id) continue
    if (kind === 'copy') await COPIES.update(store, String(id), copy => ({ ...copy, lease }))
    else await INTAKES.update(store, String(id), intake => ({ ...intake, lease }))
  }
}
/** Bytes from which the sandbox was read since a request. */
const rangesSince = async (before: number): Promise<number[]> =>
  (await sandbox.requests())
    .slice(before)
    .flatMap(({ method, headers }) => (method === 'GET' && headers.range) || [])
    .map(range => Number(/bytes=(\d+)-/.exec(range)?.[1]))

beforeEach(async () => {
  await sandbox.reset()
  await ground.forget()
})

/** A dataset of three parts. */
const LARGE: Record<string, string> = Object.fromEntries(
  Object.entries(PART).map(([provider, bytes]) => [provider, dataset(2.4 * bytes)]),
)

/** The bytes that each provider is to hold of the large dataset, by what it holds when nothing goes wrong. */
const whole = new Map<string, string>()

/** What the tests of a provider need of it. */
const at = (provider: string) => {
  const text = LARGE[provider] ?? ''
  const part = PARTS[provider]
  const faultAt = (fault: object) => sandbox.fault({ ...part, ...fault })
  /** Requests that brought bytes; a question how far it got is none. */
  const partsSent = async () =>
    (await sandbox.requests()).filter(
      ({ method, path, headers }) =>
        method === part?.method &&
        new RegExp(part.path).test(path) &&
        !headers['content-range']?.startsWith('bytes */'),
    ).length
  const isWhole = async () => {
    const { objects, openUploads } = await stateOf(provider)
    expect(objects.map(object => object.sha256)).toEqual([whole.get(provider)])
    expect(openUploads).toBe(0)
  }

  return { text, faultAt, partsSent, isWhole }
}

describe.each(IN_PARTS)('a dataset of several parts, to $provider', ({ provider }) => {
  const { text, faultAt, partsSent, isWhole } = at(provider)

  it('arrives whole, each part once', async () => {
    const { client } = await start()
    await train(client, await upload(client, text), provider)
    const { objects, openUploads } = await stateOf(provider)
    expect(objects).toHaveLength(1)
    expect(openUploads).toBe(0)
    expect(await partsSent()).toBe(3)
    whole.set(provider, objects[0]?.sha256 ?? '')
    if (provider === 'openai') expect(objects[0]?.sha256).toBe(sha256(plain(text)))
    if (provider === 'azure') expect(objects[0]?.sha256).toBe(sha256(`\uFEFF${plain(text)}`))
  })

  it('survives the loss of an answer', async () => {
    const { client } = await start()
    const file = await upload(client, text)
    await faultAt({ kind: 'effect-then-reset' })
    await train(client, file, provider)
    await isWhole()
  })

  it('whose session is gone is sent anew, once', async () => {
    const { client } = await start()
    const file = await upload(client, text)
    // The second part finds no session.
    await faultAt({ kind: 'slow' })
    await faultAt({ kind: 'status', status: 404, body: { error: { message: 'gone', code: 'x' } } })
    await train(client, file, provider)
    await isWhole()
  })

  it('that the provider refuses leaves nothing there, and nothing here', async () => {
    const { client } = await start()
    const file = await upload(client, text)
    await faultAt({ kind: 'slow' })
    await faultAt({ kind: 'status', status: 400, body: { error: { message: 'No more.', code: 'x' } } })
    await expect(train(client, file, provider)).rejects.toMatchObject({ status: 400 })
    expect(await stateOf(provider)).toEqual({ objects: [], openUploads: 0 })
    expect(await copyRecords()).toEqual([])
    await train(client, file, provider)
    await isWhole()
  })
})

describe.each(['openai', 'vertex_ai'])('a dataset of several parts on its way to %s', provider => {
  const { text, faultAt, partsSent, isWhole } = at(provider)

  it.each([
    { name: 'errors before a part', fault: { kind: 'status', status: 503 } },
    { name: 'errors after a part', fault: { kind: 'effect-then-status', status: 500 } },
    { name: 'a cut before a part', fault: { kind: 'reset' } },
    { name: 'a cut after a part', fault: { kind: 'effect-then-reset' } },
    { name: 'a refusal for load', fault: { kind: 'status', status: 429, headers: { 'retry-after': '0' } } },
  ])('survives $name', async ({ fault }) => {
    const { client } = await start()
    const file = await upload(client, text)
    await faultAt(fault)
    await train(client, file, provider)
    await isWhole()
  })

  it('goes on in tasks when nobody can wait longer, and the repeated request finds it', async () => {
    const { client, drain } = await start({ waitSeconds: 0 })
    const file = await upload(client, text)
    // The job is kept, and waits for its dataset.
    expect(await train(client, file, provider)).toMatchObject({ status: 'validating_files' })
    expect(await drain()).toBeGreaterThan(2)
    await isWhole()
    const before = (await sandbox.requests()).length
    await train(client, file, provider)
    expect((await sandbox.requests()).slice(before).filter(({ method }) => method === 'PUT')).toEqual([])
    await isWhole()
  })

  it('that nobody goes on with is taken up by the schedule, where it was left', async () => {
    const { client, drain, tasks, tick, clock } = await start({ waitSeconds: 0 })
    const file = await upload(client, text)
    expect(await train(client, file, provider)).toMatchObject({ status: 'validating_files' })
    while (((await copyRecords())[0]?.sent ?? 0) < 1) await drainOne(tasks, drain)
    // The next message is lost, and who is at work dies without a word.
    expect(tasks.splice(0)).toMatchObject([{ type: 'copy' }])
    await orphan('copy')
    await tick()
    expect(await partsSent()).toBe(1)
    clock.ahead += 120_000
    await tick()
    await drain()
    await isWhole()
    expect(await partsSent()).toBe(3)
  })

  it('survives a bucket that breaks off in the middle of a part', async () => {
    const { client, gateway } = await start()
    const file = await upload(client, text)
    const { bucket } = gateway.platform
    let reads = 0
    gateway.platform.bucket = {
      ...bucket,
      async get(key, from) {
        const object = await bucket.get(key, from)
        // The survey takes three readings, one for each step; the sending's second breaks off.
        if (!object || ++reads !== 5) return object
        let left = 100_000
        const breaking = new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, controller) {
            left -= chunk.length
            if (left < 0) controller.error(new Error('the bucket broke off'))
            else controller.enqueue(chunk)
          },
        })
        return { ...object, body: object.body.pipeThrough(breaking) }
      },
    }
    await train(client, file, provider)
    expect(reads).toBeGreaterThan(5)
    await isWhole()
    expect(await partsSent()).toBe(3)
  })

  it('that the provider keeps failing is told, goes on later, and is aborted with its file', async () => {
    const { client, tick, clock } = await start()
    const file = await upload(client, text)
    await faultAt({ kind: 'slow' })
    await faultAt({ kind: 'status', status: 503, times: 50 })
    await expect(train(client, file, provider)).rejects.toMatchObject({ status: 503 })
    expect(await copyRecords()).toMatchObject([{ state: 'sending', sent: 1 }])
    expect((await stateOf(provider)).openUploads).toBe(1)
    await fetch(`${SANDBOX}/_sandbox/faults`, { method: 'DELETE' })
    await client.files.delete(file)
    expect(await stateOf(provider)).toEqual({ objects: [], openUploads: 0 })
    expect(await copyRecords()).toEqual([])
    clock.ahead += 3_600_000
    await tick()
  })

  it('is made once though many ask for it', async () => {
    const { client } = await start({}, 'real time')
    const file = await upload(client, text)
    await Promise.all([1, 2, 3].map(() => train(client, file, provider)))
    await isWhole()
    expect(await copyRecords()).toMatchObject([{ state: 'done' }])
  })
})

const emptyBucket = async ({ platform: { bucket } }: Gateway) => {
  const { objects } = await bucket.list('files/')
  await bucket.delete(...objects.map(({ key }) => key))
}

it('a copy whose source goes in the middle of reading is begun anew from another, which has its lines elsewhere', async () => {
  const { text, isWhole } = at('openai')
  const { client, gateway, drain } = await start({ waitSeconds: 0 })
  const file = await upload(client, text)
  await train(client, file, 'azure')
  await drain()
  await train(client, file, 'openai')
  const made = async () => (await copyRecords()).find(({ state }) => state !== 'done')
  expect(await made()).toMatchObject({
    state: 'surveying',
    survey: { parts: [{ line: 1 }], origin: { place: null } },
  })
  await emptyBucket(gateway)
  await drain()
  await isWhole()
})

describe.each([
  { from: 'vertex_ai', to: 'openai' },
  { from: 'bedrock', to: 'vertex_ai' },
])('a dataset of which only the copy at $from is left', ({ from, to }) => {
  it('goes on from there in parts, after who did it was killed in the middle, and is whole', async () => {
    const { text, partsSent, isWhole } = at(to)
    const { client, gateway, drain, tasks, tick, clock } = await start({ waitSeconds: 0 })
    const file = await upload(client, text)
    await train(client, file, from)
    await drain()
    const source = (await copyRecords())[0]
    expect(source).toMatchObject({ state: 'done' })
    await emptyBucket(gateway)

    expect(await train(client, file, to)).toMatchObject({ status: 'validating_files' })
    const made = async () => (await copyRecords()).find(({ native_id }) => native_id !== source?.native_id)
    while (((await made())?.sent ?? 0) < 1) await drainOne(tasks, drain)
    // The next message is lost, and who is at work dies without a word.
    tasks.splice(0)
    await orphan('copy')
    const before = (await sandbox.requests()).length
    clock.ahead += 120_000
    await tick()
    await drain()
    await isWhole()
    expect(await made()).toMatchObject({ state: 'done' })
    expect(await partsSent()).toBe(3)
    // What had arrived was not read again, but for the line that the next part begins in.
    expect((await rangesSince(before))[0]).toBeGreaterThan(100_000)
  })
})

describe.each(['bedrock', 'vertex_ai'] as const)('a large source in the store of %s', store => {
  it('is taken in by whoever goes on with it, each part once, and is whole', async () => {
    const { client, background, drain, tasks, tick, clock } = await start({ waitSeconds: 0 })
    const { text } = at('openai')
    const { provider, channel } = await connect(background, store)
    const bytes = new TextEncoder().encode(text)
    const { id: uri } = await provider.files.upload(channel, {
      name: 'large.jsonl',
      purpose: 'fine-tune',
      size: bytes.length,
      open: async () => new Blob([bytes]).stream(),
    })
    const before = (await sandbox.requests()).length
    const asked = train(client, uri, 'openai')
    await expect(asked).rejects.toMatchObject({
      status: 503,
      code: 'dataset_copying',
      param: 'training_file',
    })
    expect(await ground.records('intake')).toMatchObject([{ state: 'taking', parts: 1 }])
    await drainOne(tasks, drain)
    expect(await ground.records('intake')).toMatchObject([{ state: 'taking', parts: 2 }])
    // The next message is lost, and who is at work dies without a word.
    expect(tasks.splice(0)).toMatchObject([{ type: 'intake' }])
    await orphan('intake')
    await tick()
    expect(await rangesSince(before)).toEqual([PART.openai])
    clock.ahead += 120_000
    await tick()
    await drain()
    expect(await ground.records('intake')).toEqual([])
    expect(await rangesSince(before)).toEqual([PART.openai, 2 * (PART.openai ?? 0)])

    const job = await train(client, uri, 'openai')
    const content = await client.files.content(job.training_file)
    expect(sha256(await content.text())).toBe(sha256(text))
    await drain()
    await at('openai').isWhole()
  })
})

/** One task, and not the one that follows from it. */
const drainOne = async (tasks: Task[], drain: () => Promise<number>): Promise<void> => {
  const push = tasks.push.bind(tasks)
  const later: Task[] = []
  tasks.push = (...more) => later.push(...more)
  await drain()
  tasks.push = push
  tasks.push(...later)
}
