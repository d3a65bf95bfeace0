/**
 * A large file up and down: is every byte the same, does workerd's memory stay flat, and how fast is it?
 *
 * The bytes are one block of valid lines sent over and over, so that the generator holds a megabyte, not the file.
 * Each Worker runs in a workerd of its own: memory that one has taken would otherwise hide the other's growth.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bed, Subject } from './boot.ts'
import { spread } from './load.ts'
import { type MemoryFigure, watchMemory } from './memory.ts'
import { cpuSeconds } from './proc.ts'
import type { Row } from './report.ts'
import { requestBytes, Wire } from './wire.ts'

export const MEGA = 1e6
const FULL_MB = 600
const QUICK_MB = 60
const WARM_MB = 6
const BLOCK_BYTES = 1 << 20
export const BOUNDARY = 'tunegate-bench-3f1c9a'
/** The part size of the bare multipart upload: R2's minimum is 5 MiB. */
export const PART_BYTES = 8 << 20
export const MEMORY_GOAL_MIB = 64
/** Lets the process come to rest between two measurements. */
const SETTLE_MS = 700

/** A file of known content that is never held as a whole. */
export interface Synthetic {
  bytes: number
  /** Hex; worked out when it is asked for. */
  readonly sha256: string
  readonly md5: string
  /** Its pieces, all alike. */
  count: number
  pieces: () => Iterable<Buffer>
}

function line(purpose: 'batch' | 'fine-tune', i: number): string {
  const messages = [
    { role: 'system', content: 'Name the intent of the customer’s message.' },
    { role: 'user', content: `My card ${i} was swallowed by the machine at the station, what do I do now?` },
  ]
  if (purpose === 'fine-tune')
    return `${JSON.stringify({ messages: [...messages, { role: 'assistant', content: 'card_swallowed' }] })}\n`
  const body = { model: 'gpt-4.1-mini-2025-04-14', messages }
  return `${JSON.stringify({ custom_id: `r-${i}`, method: 'POST', url: '/v1/chat/completions', body })}\n`
}

/** Builds a file of about `megabytes` (10⁶ bytes), cut after a whole block of lines. */
export function synthesize(purpose: 'batch' | 'fine-tune', megabytes: number): Synthetic {
  let text = ''
  for (let i = 0; text.length < BLOCK_BYTES; i++) text += line(purpose, i)
  const block = Buffer.from(text)
  const count = Math.max(1, Math.round((megabytes * MEGA) / block.length))
  const pieces = function* () {
    for (let i = 0; i < count; i++) yield block
  }
  const sums = new Map<string, string>()
  const sumOf = (algorithm: 'sha256' | 'md5') => {
    const known = sums.get(algorithm)
    if (known !== undefined) return known
    const hash = createHash(algorithm)
    for (const piece of pieces()) hash.update(piece)
    const sum = hash.digest('hex')
    sums.set(algorithm, sum)
    return sum
  }
  return {
    bytes: block.length * count,
    get sha256() {
      return sumOf('sha256')
    },
    get md5() {
      return sumOf('md5')
    },
    count,
    pieces,
  }
}

/** What one transfer took. */
export interface Transfer {
  megabytesPerSecond: number
  cpuPerGigabyte: number | null
  memory: MemoryFigure | null
}

export async function measured(bed: Bed, bytes: number, work: () => Promise<void>): Promise<Transfer> {
  await sleep(SETTLE_MS)
  const cpuBefore = bed.pid === null ? null : cpuSeconds(bed.pid)
  const start = performance.now()
  let seconds = Number.NaN
  const { memory } = await watchMemory(bed.pid, async () => {
    await work()
    seconds = (performance.now() - start) / 1000
  })
  const cpuAfter = bed.pid === null ? null : cpuSeconds(bed.pid)
  const cpu = cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore
  return {
    megabytesPerSecond: bytes / MEGA / seconds,
    cpuPerGigabyte: cpu === null ? null : (cpu / bytes) * 1e9,
    memory,
  }
}

export async function send(port: number, head: Buffer, pieces: Iterable<Buffer>): Promise<string> {
  const wire = await Wire.open(port)
  const answer: Buffer[] = []
  try {
    const { status } = await wire.exchange(head, { body: bytes => answer.push(Buffer.from(bytes)) }, pieces)
    const text = Buffer.concat(answer).toString('utf8')
    if (status >= 300) throw new Error(`an upload was answered ${status}: ${text.slice(0, 500)}`)
    return text
  } finally {
    wire.leave()
  }
}

export async function receive(subject: Subject, path: string, expected: Synthetic): Promise<void> {
  const wire = await Wire.open(subject.port)
  const hash = createHash('sha256')
  try {
    const request = requestBytes('GET', path, { authorization: subject.authorization })
    const { status, bytes } = await wire.exchange(request, { body: piece => hash.update(piece) })
    const sha256 = hash.digest('hex')
    if (status !== 200 || bytes !== expected.bytes || sha256 !== expected.sha256)
      throw new Error(
        `${path} came back as ${status} with ${bytes} of ${expected.bytes} bytes, SHA-256 ${sha256}`,
      )
  } finally {
    wire.leave()
  }
}

export async function remove(subject: Subject, path: string): Promise<void> {
  const wire = await Wire.open(subject.port)
  try {
    await wire.exchange(requestBytes('DELETE', path, { authorization: subject.authorization }))
  } finally {
    wire.leave()
  }
}

export async function uploadToGateway(
  subject: Subject,
  purpose: string,
  file: Pick<Synthetic, 'bytes' | 'pieces'>,
): Promise<string> {
  const part = (headers: string) => `--${BOUNDARY}\r\ncontent-disposition: form-data; ${headers}\r\n\r\n`
  const before = Buffer.from(
    `${part('name="purpose"')}${purpose}\r\n${part('name="file"; filename="bench.jsonl"\r\ncontent-type: application/octet-stream')}`,
  )
  const after = Buffer.from(`\r\n--${BOUNDARY}--\r\n`)
  const head = requestBytes(
    'POST',
    '/v1/files',
    { authorization: subject.authorization, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    { length: before.length + file.bytes + after.length },
  )
  const pieces = function* () {
    yield before
    yield* file.pieces()
    yield after
  }
  const answer: unknown = JSON.parse(await send(subject.port, head, pieces()))
  if (typeof answer === 'object' && answer !== null && 'id' in answer && typeof answer.id === 'string')
    return `/v1/files/${answer.id}`
  throw new Error('the upload returned no id')
}

export async function uploadToBare(subject: Subject, query: string, file: Synthetic): Promise<string> {
  await send(subject.port, requestBytes('PUT', `/file${query}`, {}, { length: file.bytes }), file.pieces())
  return '/file'
}

/** One kind of upload, and how the file is read back and removed. */
interface Way {
  subject: Subject
  purpose: 'batch' | 'fine-tune'
  upload: (file: Synthetic) => Promise<string>
  content: (path: string) => string
}

async function upAndDown(bed: Bed, way: Way, megabytes: number): Promise<{ up: Transfer; down: Transfer }> {
  // Small first: code, buffers and the simulator's tables are then in memory, and only the size makes a difference.
  const small = synthesize(way.purpose, WARM_MB)
  const warm = await way.upload(small)
  await receive(way.subject, way.content(warm), small)
  await remove(way.subject, warm)
  const file = synthesize(way.purpose, megabytes)
  let path = ''
  const up = await measured(bed, file.bytes, async () => {
    path = await way.upload(file)
  })
  const down = await measured(bed, file.bytes, () => receive(way.subject, way.content(path), file))
  await remove(way.subject, path)
  return { up, down }
}

export function rowsOf(name: string, gateway: Transfer, bare: Transfer, section = 'files'): Row[] {
  const one = (value: number | null | undefined) => spread([value ?? Number.NaN])
  const speed = { gateway: one(gateway.megabytesPerSecond), bare: one(bare.megabytesPerSecond) }
  const ratio = one(gateway.megabytesPerSecond / bare.megabytesPerSecond)
  const rows: Row[] = [{ section, name, unit: 'MB/s', ...speed, by: 'ratio', compared: ratio }]
  if (gateway.memory === null) return rows
  const growth = { gateway: one(gateway.memory.growth), bare: one(bare.memory?.growth) }
  rows.push({
    section,
    name: `${name}: memory growth`,
    unit: 'MiB',
    ...growth,
    by: 'itself',
    compared: growth.gateway,
    goal: { most: MEMORY_GOAL_MIB },
  })
  if (gateway.cpuPerGigabyte === null || bare.cpuPerGigabyte === null) return rows
  rows.push({
    section,
    name: `${name}: CPU`,
    unit: 's/GB',
    gateway: one(gateway.cpuPerGigabyte),
    bare: one(bare.cpuPerGigabyte),
    by: 'ratio',
    compared: one(gateway.cpuPerGigabyte / bare.cpuPerGigabyte),
  })
  return rows
}

/** Measures transfers of a large file, each way in a workerd of its own. */
export async function files(start: () => Promise<Bed>, quick: boolean): Promise<Row[]> {
  const megabytes = quick ? QUICK_MB : FULL_MB
  const inFreshBed = async (way: (bed: Bed) => Way) => {
    const bed = await start()
    try {
      return await upAndDown(bed, way(bed), megabytes)
    } finally {
      await bed.stop()
    }
  }
  const gateway = (purpose: Way['purpose']) =>
    inFreshBed(({ gateway: subject }) => ({
      subject,
      purpose,
      upload: file => uploadToGateway(subject, purpose, file),
      content: path => `${path}/content`,
    }))
  const bare = (query: string) =>
    inFreshBed(({ bare: subject }) => ({
      subject,
      purpose: 'batch',
      upload: file => uploadToBare(subject, query, file),
      content: path => path,
    }))
  const put = await bare('')
  const parts = await bare(`?parts=${PART_BYTES}`)
  const batch = await gateway('batch')
  const tune = await gateway('fine-tune')
  const size = `${megabytes} MB`
  return [
    ...rowsOf(`upload ${size}, batch (bare: one put)`, batch.up, put.up),
    ...rowsOf(`upload ${size}, batch (bare: parts)`, batch.up, parts.up),
    ...rowsOf(`upload ${size}, fine-tune (bare: parts)`, tune.up, parts.up),
    ...rowsOf(`download ${size}, batch (bare: stored in parts)`, batch.down, parts.down),
    ...rowsOf(`download ${size}, fine-tune (bare: stored in parts)`, tune.down, parts.down),
  ]
}
