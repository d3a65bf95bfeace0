/** Large sources, taken in part by part: what survives the end of who does it, and what becomes of a source that is not what it was. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { tick } from '../../functions/schedule.ts'
import { runTask } from '../../functions/tasks.ts'
import { readFile, takeIn } from '../../shared/datasets/index.ts'
import { INTAKES } from '../../shared/datasets/intake-records.ts'
import { FILES, type FileRecord } from '../../shared/datasets/records.ts'
import { connect } from '../../shared/providers/index.ts'
import { readAll, streamOf, utf8 } from './support/bytes.ts'
import { startBench } from './support/context.ts'

const OWNER = 'owner'
const HOME = 'https://data.example.com/sets/train.jsonl'
const STEP = 1000
const PART = 300

const toText = (word: string, lines = 40) =>
  Array.from({ length: lines }, (_, n) =>
    JSON.stringify({
      messages: [
        { role: 'user', content: `${word} ${n} é🚲` },
        { role: 'assistant', content: 'b' },
      ],
    }),
  ).join('\n')
const TEXT = toText('a secret question')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

interface Server {
  text: string
  etag: string | null
  headers: Record<string, string>
  /** Whether it sends the range that was asked for. */
  isRanged: boolean
  /** Bytes by which the range that it sends is beside the one that was asked for. */
  shift: number
  /** What it says of the range it sends. */
  range: (from: number, size: number) => string | null
  /** Bytes after which answers break off; each breaks once. */
  breaks: number[]
  /** Called before each answer. */
  before: (from: number) => void
  /** Seconds between two pieces of a body. */
  pause: number
}

const start = async (copying: { waitSeconds?: number } = {}, file = 1e6) => {
  const server: Server = {
    text: TEXT,
    etag: '"1"',
    headers: { 'accept-ranges': 'bytes' },
    isRanged: true,
    shift: 0,
    range: (from, size) => `bytes ${from}-${size - 1}/${size}`,
    breaks: [],
    before: () => undefined,
    pause: 0,
  }
  /** The byte from which each answer was read, as far as it was read. */
  const reads: { from: number; bytes: number }[] = []
  const bench = startBench(
    ({ headers }) => {
      const asked = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
      server.before(asked)
      const whole = utf8(server.text)
      const version = { ...server.headers, ...(server.etag && { etag: server.etag }) }
      if (asked > 0 && server.isRanged && asked >= whole.length) return new Response(null, { status: 416 })
      const from = server.isRanged && asked > 0 ? asked + server.shift : 0
      const read = { from, bytes: 0 }
      reads.push(read)
      const left = whole.slice(from)
      const most = server.breaks.shift() ?? Number.POSITIVE_INFINITY
      const pieces = Array.from({ length: Math.ceil(left.length / 70) }, (_, index) =>
        left.slice(70 * index, 70 * (index + 1)),
      )
      let sent = 0
      const counted = new TransformStream<Uint8Array, Uint8Array>(
        {
          transform(chunk, controller) {
            sent += chunk.length
            if (sent > most) return controller.error(new Error('secret'))
            read.bytes += chunk.length
            bench.platform.clock.time += server.pause * 1000
            controller.enqueue(chunk)
          },
        },
        undefined,
        { highWaterMark: 0 },
      )
      const range = from > 0 ? server.range(from, whole.length) : null
      return new Response(streamOf(pieces).pipeThrough(counted), {
        status: from > 0 ? 206 : 200,
        headers: {
          ...version,
          'content-length': String(left.length),
          ...(range !== null && { 'content-range': range }),
        },
      })
    },
    {
      limits: { jsonBody: 1000, file },
      retries: { count: 0, firstDelayMs: 1, longestDelayMs: 1 },
      copying: {
        ...{ stepBytes: STEP, stepSeconds: 60, partBytes: PART, leaseSeconds: 90, waitSeconds: 300 },
        ...copying,
      },
    },
  )
  const { context, platform } = bench
  const job = await connect(context, 'openai')
  const records = async () => (await INTAKES.list(platform.store, 'due', 'due', { limit: 100 })).items
  return {
    ...bench,
    server,
    reads,
    records,
    take: (uri = HOME) => takeIn(context, OWNER, uri, 'training_file', job),
    /** One task, and not the one that follows from it. */
    async runOne() {
      const task = platform.tasks.shift()
      return task !== undefined && runTask(context, task)
    },
    async drain() {
      for (let task = platform.tasks.shift(); task; task = platform.tasks.shift())
        await runTask(context, task)
    },
    async later(seconds: number) {
      platform.clock.time += seconds * 1000
      await tick(context)
    },
    /** The file is what the source was, to the byte, and nothing else is left. */
    async isWhole(file: FileRecord, text: string) {
      expect(file).toMatchObject({ sha256: sha256(text), bytes: utf8(text).length, examples: 40 })
      expect(new TextDecoder().decode(await readAll((await readFile(context, file)).body))).toBe(text)
      expect([...platform.bucket.objects.keys()].sort()).toEqual(file.segments.map(({ key }) => key))
      expect(await records()).toEqual([])
      expect(JSON.stringify(await FILES.get(platform.store, file.id))).not.toContain('secret')
    },
    async isEmpty() {
      expect([...platform.bucket.objects.keys()]).toEqual([])
      expect(await records()).toEqual([])
    },
  }
}

const SIZE = utf8(TEXT).length
const PARTS = Math.ceil(SIZE / PART)
const COPYING = { status: 503, code: 'dataset_copying', param: 'training_file' }

describe('a source larger than a step', () => {
  it('is taken in part by part, and is whole', async () => {
    const { take, isWhole, reads } = await start()
    const file = await take()
    expect(file).toMatchObject({
      owner: OWNER,
      filename: 'train.jsonl',
      purpose: 'fine-tune',
      source: { uri: HOME, etag: `"1" ${SIZE}` },
    })
    expect(file.segments.map(({ bytes }) => bytes)).toEqual([
      ...Array.from({ length: PARTS - 1 }, () => PART),
      SIZE - PART * (PARTS - 1),
    ])
    await isWhole(file, TEXT)
    // The first look, then a step each: 1000 bytes and up to the end of the part.
    expect(reads.slice(1).map(({ from }) => from)).toEqual([0, 1200, 2400, 3600])
    expect((await take()).id).toBe(file.id)
    expect(reads).toHaveLength(6)
  })

  it('is asked for as it is, from wherever', async () => {
    const { take, sent } = await start()
    await take()
    expect(sent.map(({ headers }) => headers['accept-encoding'])).toEqual(sent.map(() => 'identity'))
    expect(sent.map(({ headers }) => headers.range)).toContain('bytes=1200-')
  })

  it('that takes longer than the caller waits goes on in tasks, and the same request finds it', async () => {
    const { take, isWhole, drain, platform, reads } = await start({ waitSeconds: 0 })
    await expect(take()).rejects.toMatchObject({
      ...COPYING,
      message: `'${HOME}' is still being taken in (1200 of ${SIZE} bytes have arrived). It goes on: ask again.`,
    })
    expect(platform.tasks).toMatchObject([{ type: 'intake' }])
    await drain()
    const before = reads.length
    await isWhole(await take(), TEXT)
    expect(reads.slice(before)).toMatchObject([{ from: 0 }])
  })

  it('that is slow stays in the hands of who is at it', async () => {
    const { take, isWhole, platform, server, records } = await start()
    // A part takes longer than a lease lasts.
    server.pause = 40
    const { put } = platform.bucket
    let puts = 0
    platform.bucket.put = async (key, bytes) => {
      puts++
      const [intake] = await records()
      expect(intake?.lease?.until).toBeGreaterThan(platform.clock.time / 1000)
      await put(key, bytes)
    }
    const outcome = take().catch((error: unknown) => error)
    await expect(outcome).resolves.toMatchObject(COPYING)
    expect(puts).toBeGreaterThan(1)
    server.pause = 0
    await isWhole(await take(), TEXT)
  })

  it('goes on at the last part that arrived when who was at it has died', async () => {
    const world = await start({ waitSeconds: 0 })
    const { take, isWhole, later, drain, platform, reads, records } = world
    await expect(take()).rejects.toMatchObject(COPYING)
    // The second worker dies after two parts more: it never says so.
    const { put } = platform.bucket
    const dead = Promise.withResolvers<void>()
    platform.bucket.put = async (key, bytes) => {
      if (key.endsWith('part_00007')) {
        dead.resolve()
        await new Promise(() => undefined)
      }
      await put(key, bytes)
    }
    void world.runOne()
    await dead.promise
    platform.bucket.put = put
    expect(await records()).toMatchObject([
      { state: 'taking', parts: 6, lease: { until: expect.any(Number) } },
    ])
    const before = reads.length
    await later(60)
    expect(reads).toHaveLength(before)
    await later(60)
    await drain()
    expect(reads.slice(before).map(({ from }) => from)).toEqual([1800, 3000, 4200])
    const file = await take()
    await isWhole(file, TEXT)
  })

  it.each([
    ['kept as it is', TEXT],
    ['kept as canonical lines', `prompt,completion\n${'question,answer\n'.repeat(400)}`],
  ])('leaves nothing when who was taken for dead wakes up: %s', async (_, text) => {
    const { take, runOne, later, drain, platform, server, records } = await start({ waitSeconds: 0 })
    server.text = text
    await expect(take()).rejects.toMatchObject(COPYING)
    const { put } = platform.bucket
    const asleep = Promise.withResolvers<void>()
    const awake = Promise.withResolvers<void>()
    platform.bucket.put = async (key, bytes) => {
      asleep.resolve()
      const own = bytes.slice()
      await awake.promise
      await put(key, own)
    }
    const stale = runOne()
    await asleep.promise
    platform.bucket.put = put
    await later(120)
    await drain()
    const file = await take()
    const keys = () => [...platform.bucket.objects.keys()].sort()
    expect(keys()).toEqual(file.segments.map(({ key }) => key))
    awake.resolve()
    await stale
    expect(keys()).toEqual(file.segments.map(({ key }) => key))
    expect(await records()).toEqual([])
  })

  it.each([0, 350, 1150])('goes on where it broke off, after %d bytes more', async bytes => {
    const { take, isWhole, server, reads } = await start()
    server.breaks = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, bytes]
    const error = (await take().catch((thrown: unknown) => thrown)) as Error
    expect(error).toMatchObject({ status: 502, code: 'source_unreadable', param: 'training_file' })
    expect(error.message).not.toContain('secret')
    const before = reads.length
    await isWhole(await take(), TEXT)
    expect(reads[before + 1]?.from).toBe(1200 + PART * Math.floor(bytes / PART))
  })

  it('is made once though two ask for it', async () => {
    const { take, isWhole, reads } = await start()
    const [one, other] = await Promise.all([take(), take()])
    expect(one.id).toBe(other.id)
    await isWhole(one, TEXT)
    // Each looked first.
    expect(reads.map(({ from }) => from).sort((a, b) => a - b)).toEqual([0, 0, 0, 1200, 2400, 3600])
  })

  it('that came in another form is kept as canonical lines, and nothing else of it', async () => {
    const { take, isWhole, server } = await start()
    const lines = Array.from({ length: 40 }, (_, n) => `question number ${n},answer ${n}`)
    server.text = ['prompt,completion', ...lines].join('\n')
    const file = await take()
    expect(file).toMatchObject({
      source_format: 'csv',
      segments: [{ key: expect.stringMatching(/canonical$/) }],
    })
    const canonical = Array.from({ length: 40 }, (_, n) =>
      JSON.stringify({
        messages: [
          { role: 'user', content: `question number ${n}` },
          { role: 'assistant', content: `answer ${n}` },
        ],
      }),
    )
    await isWhole(file, canonical.map(line => `${line}\n`).join(''))
  })

  it('whose file was deleted is taken in anew', async () => {
    const { take, isWhole, context, platform } = await start()
    const first = await take()
    for (const { key } of first.segments) await platform.bucket.delete(key)
    await FILES.update(context.platform.store, first.id, file => ({ ...file, deleted_at: 1, segments: [] }))
    const second = await take()
    expect(second.id).not.toBe(first.id)
    await isWhole(second, TEXT)
    expect((await take()).id).toBe(second.id)
  })
})

describe('a source that is not what it was', () => {
  const other = toText('another secret')
  const replaced = (server: Server, text = other) => Object.assign(server, { text, etag: '"2"' })

  it.each([
    ['another', other],
    ['shorter than what was read of it', other.slice(0, 0)],
  ])('is begun anew while a caller waits: %s', async (_, text) => {
    const { take, isWhole, isEmpty, server } = await start()
    server.before = from => void (from === 1200 && replaced(server, text))
    if (text === '') {
      await expect(take()).rejects.toMatchObject({ code: 'invalid_value', param: 'training_file' })
      await isEmpty()
    } else await isWhole(await take(), other)
  })

  it('each time is refused', async () => {
    const { take, isEmpty, server } = await start()
    let version = 1
    server.before = from => {
      if (from > 0) server.etag = `"${++version}"`
    }
    await expect(take()).rejects.toMatchObject({
      status: 400,
      code: 'source_unreadable',
      message: expect.stringMatching(/changes while it is read/),
    })
    await isEmpty()
  })

  it('is let go of by a task, and begun anew by whoever asks next', async () => {
    const { take, isWhole, isEmpty, drain, server } = await start({ waitSeconds: 0 })
    await expect(take()).rejects.toMatchObject(COPYING)
    replaced(server)
    await drain()
    await isEmpty()
    await expect(take()).rejects.toMatchObject(COPYING)
    await drain()
    await isWhole(await take(), other)
  })
})

describe('a source that sends another range than was asked for', () => {
  it.each<[string, Partial<Server>]>([
    ['one that begins earlier', { shift: -1 }],
    ['one that begins later', { shift: 1 }],
    ['one of which nothing is said', { range: () => null }],
    ['one in other units', { range: () => `lines 1-2/${SIZE}` }],
  ])('is not taken: %s', async (_, answer) => {
    const { take, server, isWhole, later, drain } = await start()
    Object.assign(server, answer)
    await expect(take()).rejects.toMatchObject({
      status: 502,
      code: 'source_unreadable',
      param: 'training_file',
      message: expect.stringMatching(/another range/),
    })
    // A fault that passes: what arrived before is gone on with.
    Object.assign(server, { shift: 0, range: (from: number) => `bytes ${from}-${SIZE - 1}/${SIZE}` })
    await later(60)
    await drain()
    await isWhole(await take(), TEXT)
  })
})

it('a source that sends its ranges without the length of the whole is read to their ends', async () => {
  const { take, server, isWhole } = await start()
  server.range = (from, size) => `bytes ${from}-${size - 1}/*`
  await isWhole(await take(), TEXT)
})

describe('a source that is no dataset', () => {
  const bad = `${TEXT}\nsecret`
  const refusal = { status: 400, code: 'invalid_dataset', param: 'training_file' }

  it('is refused with its line, and nothing is left', async () => {
    const { take, isEmpty, server } = await start()
    server.text = bad
    const error = (await take().catch((thrown: unknown) => thrown)) as Error
    expect(error).toMatchObject({ ...refusal, message: expect.stringMatching(/line 41 /) })
    expect(error.message).not.toContain('secret')
    await isEmpty()
  })

  it('is told to whoever asks next, when a task found it', async () => {
    const { take, isEmpty, drain, server, platform } = await start({ waitSeconds: 0 })
    server.text = bad
    await expect(take()).rejects.toMatchObject(COPYING)
    await drain()
    expect([...platform.bucket.objects.keys()]).toEqual([])
    await expect(take()).rejects.toMatchObject(refusal)
    await isEmpty()
    await expect(take()).rejects.toMatchObject(COPYING)
  })

  it('is forgotten after a day, when nobody asks', async () => {
    const { take, isEmpty, drain, later, server, records } = await start({ waitSeconds: 0 })
    server.text = bad
    await expect(take()).rejects.toMatchObject(COPYING)
    await drain()
    await later(3600)
    expect(await records()).toMatchObject([{ state: 'failed' }])
    await later(24 * 3600)
    await isEmpty()
  })
})

describe('a source whose address holds a secret', () => {
  const SIGNED = `${HOME}?signature=secret`

  it('is read on by who points at it again, and by nobody else', async () => {
    const world = await start({ waitSeconds: 0 })
    const { take, isWhole, later, drain, platform, records, reads } = world
    for (let parts = 0; parts < PARTS; ) {
      const error = (await take(SIGNED).catch((thrown: unknown) => thrown)) as Error
      expect(error).toMatchObject(COPYING)
      expect(JSON.stringify([error.message, await records(), platform.tasks])).not.toContain('secret')
      const [record] = await records()
      expect(record?.parts).toBeGreaterThan(parts)
      parts = record?.parts ?? PARTS
      if (parts === PARTS) break
      expect(error.message).toMatch(/Ask again, and it goes on\.$/)
      expect(platform.tasks).toEqual([])
      await later(3600)
    }
    // Nothing is left to be read.
    expect(platform.tasks).toMatchObject([{ type: 'intake' }])
    const before = reads.length
    await drain()
    expect(reads).toHaveLength(before)
    await isWhole(await take(SIGNED), TEXT)
  })

  it('is swept when nobody points at it for a day, though its last worker died', async () => {
    const { take, isEmpty, later, platform, records } = await start({ waitSeconds: 0 })
    await expect(take(SIGNED)).rejects.toMatchObject(COPYING)
    const [record] = await records()
    const until = Math.floor(platform.clock.time / 1000) + 60
    await INTAKES.update(platform.store, record?.id ?? '', value => ({
      ...value,
      lease: { holder: 'dead', until },
      due_at: until,
    }))
    await later(120)
    expect(platform.bucket.objects.size).toBe(4)
    await later(24 * 3600)
    await isEmpty()
  })
})

it('a source that was read with a request’s credentials waits for them, and goes with its time', async () => {
  const { take, isEmpty, drain, later, platform, records, reads } = await start({ waitSeconds: 0 })
  await expect(take()).rejects.toMatchObject(COPYING)
  const [record] = await records()
  await INTAKES.update(platform.store, record?.id ?? '', value => ({
    ...value,
    connection: { name: 'openai', account: 'openai#someone' },
  }))
  const before = reads.length
  await drain()
  await later(23 * 3600)
  expect(reads).toHaveLength(before)
  expect(await records()).toMatchObject([{ parts: 4, failures: 0, lease: null }])
  await later(3600)
  await isEmpty()
})

it('a source is not read ahead for a bucket that is slow to take it', async () => {
  const { take, isWhole, platform, reads } = await start()
  const { put } = platform.bucket
  const stalled = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  platform.bucket.put = async (key, bytes) => {
    stalled.resolve()
    await released.promise
    await put(key, bytes)
  }
  const taken = take()
  await stalled.promise
  await new Promise(resolve => setTimeout(resolve, 50))
  // One part, and the chunks on their way.
  expect(reads.at(-1)?.bytes).toBeLessThan(PART + 5 * 70)
  released.resolve()
  await isWhole(await taken, TEXT)
})

describe('what cannot be gone on with in its middle is taken in one go', () => {
  it.each<[string, (server: Server) => void]>([
    ['no ranges', ({ headers }) => delete headers['accept-ranges']],
    ['no version', server => (server.etag = null)],
    ['packed', ({ headers }) => (headers['content-encoding'] = 'br')],
    ['small', server => (server.text = toText('a', 10))],
  ])('%s', async (_, change) => {
    const { take, server, reads, platform } = await start()
    change(server)
    const file = await take()
    expect(file.sha256).toBe(sha256(server.text))
    expect(file.segments).toHaveLength(1)
    expect(platform.bucket.objects.size).toBe(1)
    expect(reads).toHaveLength(1)
  })

  it('and a server that has ranges in name only is read past what has arrived', async () => {
    const { take, isWhole, server, reads } = await start()
    server.isRanged = false
    await isWhole(await take(), TEXT)
    expect(reads.every(({ from }) => from === 0)).toBe(true)
  })
})
