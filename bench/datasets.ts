/**
 * How fast datasets are read, checked and converted: beside splitting the same bytes into lines and parsing them.
 *
 * The figures are megabytes a second of CPU time: the work waits for nothing, and other processes weigh less on it.
 *
 * @module
 */
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import type { Bed } from './boot.ts'
import { bundleWorker } from './bundle.ts'
import {
  PART_BYTES,
  remove,
  type Synthetic,
  send,
  synthesize,
  uploadToBare,
  uploadToGateway,
} from './files.ts'
import { spread } from './load.ts'
import { watchMemory } from './memory.ts'
import { childrenNamed, fineCpuSeconds } from './proc.ts'
import type { Row } from './report.ts'
import { requestBytes } from './wire.ts'

const GOAL = 0.6
const UPLOAD_GOAL = 0.85
const UPLOAD_MB = 60
const WARM_MB = 6
const MEMORY_GOAL_MIB = 64
const SECTION = 'datasets'
const BESIDE = 'splitting lines and JSON.parse on the same bytes; of uploads: validation alone'

interface Worker {
  pid: number
  run(way: string, file: string, megabytes: number): Promise<void>
  stop(): Promise<void>
}

async function start(scratch: string): Promise<Worker> {
  const { modules, compatibility } = await bundleWorker('datasets-worker.ts', scratch)
  const folder = await mkdtemp(join(scratch, 'datasets-'))
  const before = childrenNamed('workerd')
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      workers: [
        {
          name: 'datasets',
          modules,
          compatibilityDate: compatibility.date,
          compatibilityFlags: compatibility.flags,
          unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        },
      ],
      log: new Log(LogLevel.NONE),
    }),
    resourcePersistencePath: folder,
  })
  try {
    await miniflare.ready
  } catch (error) {
    // Otherwise the process would never end.
    await miniflare.dispose()
    throw error
  }
  const url = await miniflare.unsafeGetDirectURL('datasets')
  const pid = childrenNamed('workerd').find(each => !before.includes(each))
  if (pid === undefined) throw new Error('there is no /proc to measure by')
  return {
    pid,
    async run(way, file, megabytes) {
      const answer = await fetch(new URL(`/${way}?file=${file}&megabytes=${megabytes}`, url))
      const text = await answer.text()
      if (!answer.ok)
        throw new Error(`${way} of ${file} was answered ${answer.status}: ${text.slice(0, 300)}`)
    },
    stop: () => miniflare.dispose(),
  }
}

/** What is measured: a way to read a file, and what it is compared with. */
interface Case {
  name: string
  way: string
  file: string
  beside: string
  goal?: { least: number }
}

const CASES: readonly Case[] = [
  { name: 'validate JSONL', way: 'validate', file: 'jsonl', beside: 'plain', goal: { least: GOAL } },
  {
    name: 'validate + convert to Gemini',
    way: 'gemini',
    file: 'jsonl',
    beside: 'plain',
    goal: { least: GOAL },
  },
  { name: 'the least conversion to Gemini, nothing checked', way: 'least', file: 'jsonl', beside: 'plain' },
  {
    name: 'validate JSONL (floor in bites)',
    way: 'validate',
    file: 'jsonl',
    beside: 'floor',
    goal: { least: GOAL },
  },
  {
    name: 'validate + convert to Gemini (floor in bites)',
    way: 'gemini',
    file: 'jsonl',
    beside: 'floor',
    goal: { least: GOAL },
  },
  { name: 'array: validate + canonical (floor in bites)', way: 'canonical', file: 'json', beside: 'floor' },
  { name: 'CSV: validate + canonical (floor in bites)', way: 'canonical', file: 'csv', beside: 'floor' },
]

/** Each way beside its floor, in alternating rounds. */
async function ways(worker: Worker, rounds: number): Promise<Row[]> {
  // One block of the Worker's: no record comes twice.
  const megabytes = 32
  const speed = async (way: string, file: string) => {
    const from = fineCpuSeconds(worker.pid) ?? 0
    await worker.run(way, file, megabytes)
    return megabytes / ((fineCpuSeconds(worker.pid) ?? 0) - from)
  }
  const rows: Row[] = []
  for (const { name, way, file, beside, goal } of CASES) {
    const sides = { gateway: [] as number[], bare: [] as number[], ratio: [] as number[] }
    for (let round = -1; round < rounds; round++) {
      // The floor's bytes are always lines: the others' have none that could be parsed.
      const bare = await speed(beside, 'jsonl')
      const gateway = await speed(way, file)
      if (round < 0) continue
      sides.bare.push(bare)
      sides.gateway.push(gateway)
      sides.ratio.push(gateway / bare)
    }
    rows.push({
      section: SECTION,
      beside: BESIDE,
      name,
      unit: 'MB/s',
      gateway: spread(sides.gateway),
      bare: spread(sides.bare),
      by: 'ratio',
      compared: spread(sides.ratio),
      ...(goal && { goal }),
    })
  }
  return rows
}

/**
 * An upload that is validated beside validation alone, which stores nothing, and beside validation and the bare Worker's put
 * one after the other. All over the wire; the storage's own work is in none of them.
 */
async function uploads({ gateway, bare, pid }: Bed, rounds: number): Promise<Row[]> {
  const file = synthesize('fine-tune', UPLOAD_MB)
  const spent = () => (pid === null ? null : fineCpuSeconds(pid)) ?? Number.NaN
  const seconds = async (work: () => Promise<unknown>) => {
    const from = spent()
    await work()
    return spent() - from
  }
  const head = requestBytes(
    'POST',
    '/v1/files/validate',
    { authorization: gateway.authorization, 'content-type': 'application/jsonl' },
    { length: file.bytes },
  )
  const sides = { up: [] as number[], alone: [] as number[], both: [] as number[] }
  const speed = (taken: number) => file.bytes / 1e6 / taken
  for (let round = -1; round < rounds; round++) {
    const validated = await seconds(() => send(gateway.port, head, file.pieces()))
    const stored = await seconds(() => uploadToBare(bare, `?parts=${PART_BYTES}`, file))
    let path = ''
    const up = await seconds(async () => {
      path = await uploadToGateway(gateway, 'fine-tune', file)
    })
    await remove(gateway, path)
    if (round < 0) continue
    sides.up.push(speed(up))
    sides.alone.push(speed(validated))
    sides.both.push(speed(validated + stored))
  }
  const row = (beside: string, others: number[], goal?: Row['goal']): Row => ({
    section: SECTION,
    beside: BESIDE,
    name: `upload ${UPLOAD_MB} MB, fine-tune (beside: ${beside})`,
    unit: 'MB/s',
    gateway: spread(sides.up),
    bare: spread(others),
    by: 'ratio',
    compared: spread(sides.up.map((each, round) => each / (others[round] ?? Number.NaN))),
    ...(goal && { goal }),
  })
  return [
    row('validate', sides.alone, { least: UPLOAD_GOAL }),
    row('validate, and the bare Worker’s put', sides.both),
  ]
}

/** Examples of which no two are the same, all of one length: how long the whole is, is known before it is made. */
const exampleOf = (i: number) => [
  'Name the intent of the customer’s message.',
  `My card ${String(i).padStart(9, '0')} was swallowed by the machine at the station, what do I do now?`,
  'card_swallowed',
]
const chatOf = (i: number) =>
  JSON.stringify({
    messages: exampleOf(i).map((content, which) => ({
      role: ['system', 'user', 'assistant'][which],
      content,
    })),
  })

/** What stands before the first record, a record, what stands between two, and at the end. */
const LARGE: Record<string, { head: string; record: (i: number) => string; between: string; tail: string }> =
  {
    JSONL: { head: '', record: chatOf, between: '\n', tail: '\n' },
    'an array': { head: '[', record: chatOf, between: ',\n', tail: ']' },
    CSV: {
      head: 'system,user,assistant\n',
      record: i =>
        exampleOf(i)
          .map(cell => `"${cell}"`)
          .join(','),
      between: '\n',
      tail: '\n',
    },
  }
const RECORDS_A_PIECE = 4096

const distinct = (name: string, megabytes: number): Pick<Synthetic, 'bytes' | 'pieces'> => {
  const { head, record, between, tail } = LARGE[name] as (typeof LARGE)[string]
  const size = (text: string) => Buffer.byteLength(text)
  const count = Math.ceil((megabytes * 1e6) / size(record(0) + between))
  const pieces = function* () {
    yield Buffer.from(head)
    for (let from = 0; from < count; from += RECORDS_A_PIECE) {
      let text = ''
      for (let i = from; i < Math.min(from + RECORDS_A_PIECE, count); i++)
        text += record(i) + (i === count - 1 ? tail : between)
      yield Buffer.from(text)
    }
  }
  return { bytes: size(head) + count * size(record(0)) + (count - 1) * size(between) + size(tail), pieces }
}

/**
 * Uploads that are validated, made canonical where they are no JSONL, and forwarded to the bucket. Each in a process of its
 * own: memory that one has taken would hide another's growth.
 */
async function memory(boot: () => Promise<Bed>, megabytes: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const name of Object.keys(LARGE)) {
    const { gateway, pid, stop } = await boot()
    try {
      const upload = async (size: number) =>
        remove(gateway, await uploadToGateway(gateway, 'fine-tune', distinct(name, size)))
      await upload(WARM_MB)
      const { memory: figure } = await watchMemory(pid, () => upload(megabytes))
      const growth = spread([figure?.growth ?? Number.NaN])
      rows.push({
        section: SECTION,
        beside: BESIDE,
        name: `${megabytes} MB of ${name}, no example twice, uploaded: memory growth`,
        unit: 'MiB',
        gateway: growth,
        bare: spread([Number.NaN]),
        by: 'itself',
        compared: growth,
        goal: { most: MEMORY_GOAL_MIB },
      })
    } finally {
      await stop()
    }
  }
  return rows
}

/** Measures how datasets are read. @param boot a fresh gateway */
export async function datasets(scratch: string, boot: () => Promise<Bed>, quick: boolean): Promise<Row[]> {
  const rounds = quick ? 3 : 9
  const worker = await start(scratch)
  const rows = await ways(worker, rounds).finally(worker.stop)
  const bed = await boot()
  rows.push(...(await uploads(bed, rounds).finally(bed.stop)))
  return [...rows, ...(await memory(boot, quick ? 100 : 1000))]
}
