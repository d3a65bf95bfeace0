/**
 * The load: closed loops over keep-alive connections, in alternating rounds, and the statistics over them.
 *
 * @module
 */
import type { Bed, Subject } from './boot.ts'
import { cpuSeconds } from './proc.ts'
import { requestBytes, type Sink, Wire } from './wire.ts'

/** One round of one Worker. */
export interface Round {
  requests: number
  /** Whatever the sink counted, e.g. streamed events. */
  events: number
  /** Bytes of all bodies. */
  bytes: number
  seconds: number
  /** CPU seconds of workerd meanwhile; `null` without /proc. */
  cpu: number | null
  /** Milliseconds of each request. */
  latencies: number[]
}

/** Rounds of both Workers; index i of one ran next to index i of the other. */
export interface Pairs {
  gateway: Round[]
  bare: Round[]
}

/** A median and the extremes it lies between. */
export interface Spread {
  median: number
  low: number
  high: number
}

/** The middle value; NaN of nothing. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
  return (upper + lower) / 2
}

/** Median, least and greatest of some values. */
export function spread(values: number[]): Spread {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}

/** A chat completion request for either Worker; `user` or `stop` carries the upstream's script. */
export function chatRequest(
  subject: Subject,
  body: { model?: string; stream?: true; user?: string; stop?: string } = {},
): Buffer {
  const messages = [
    { role: 'system', content: 'You are the assistant of a bank. Answer in one short paragraph.' },
    { role: 'user', content: 'I ordered a card last week and it has not come yet. Where is it?' },
  ]
  return requestBytes(
    'POST',
    '/v1/chat/completions',
    { authorization: subject.authorization, 'content-type': 'application/json' },
    JSON.stringify({ model: 'gpt-4.1-mini-2025-04-14', messages, ...body }),
  )
}

/** Counts the events of one SSE body, however the pieces are cut: each ends with an empty line. */
export class EventCounter implements Sink {
  count = 0
  #newline = false

  body(bytes: Buffer): void {
    const joined = this.#newline && bytes[0] === 10
    if (joined) this.count++
    const from = joined ? 1 : 0
    for (let at = bytes.indexOf('\n\n', from); at >= 0; at = bytes.indexOf('\n\n', at + 2)) this.count++
    // A single newline at the very end may be the first half of an empty line.
    const single = bytes.at(-1) === 10 && bytes.at(-2) !== 10
    this.#newline = single && !(joined && bytes.length === 1)
  }
}

/** What a round asks for. */
export interface Load {
  connections: number
  milliseconds: number
  /** The request, made once a subject. */
  request: (subject: Subject) => Buffer
  /** Count streamed events; costs the generator a pass over the bytes. */
  events?: boolean
}

async function round(bed: Bed, subject: Subject, load: Load): Promise<Round> {
  const request = load.request(subject)
  const wires = await Promise.all(Array.from({ length: load.connections }, () => Wire.open(subject.port)))
  const counters: EventCounter[] = []
  const latencies: number[] = []
  let bytes = 0
  const cpuBefore = bed.pid === null ? null : cpuSeconds(bed.pid)
  const start = performance.now()
  const end = start + load.milliseconds
  const client = async (wire: Wire) => {
    // A counter of its own: an event cut in two must not be joined across connections.
    const counter = new EventCounter()
    counters.push(counter)
    const sink = load.events ? counter : {}
    for (let now = performance.now(); now < end; ) {
      const answer = await wire.exchange(request, sink)
      if (answer.status !== 200 || answer.bytes === 0)
        throw new Error(`${subject.name} answered ${answer.status} with ${answer.bytes} bytes under load`)
      bytes += answer.bytes
      const then = performance.now()
      latencies.push(then - now)
      now = then
    }
  }
  try {
    await Promise.all(wires.map(client))
    const seconds = (performance.now() - start) / 1000
    const cpuAfter = bed.pid === null ? null : cpuSeconds(bed.pid)
    return {
      requests: latencies.length,
      events: counters.reduce((sum, counter) => sum + counter.count, 0),
      bytes,
      seconds,
      cpu: cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore,
      latencies,
    }
  } finally {
    for (const wire of wires) wire.leave()
  }
}

/**
 * Runs the same load on both Workers in turn, `rounds` times, after one short round of each to warm up.
 *
 * The order is swapped from pair to pair, so that a machine which gets slower or faster meanwhile favours neither.
 */
export async function pairs(bed: Bed, load: Load, rounds: number): Promise<Pairs> {
  const warm = { ...load, milliseconds: Math.min(300, load.milliseconds) }
  await round(bed, bed.gateway, warm)
  await round(bed, bed.bare, warm)
  const result: Pairs = { gateway: [], bare: [] }
  for (let i = 0; i < rounds; i++) {
    const order = i % 2 === 0 ? [bed.gateway, bed.bare] : [bed.bare, bed.gateway]
    for (const subject of order) result[subject.name].push(await round(bed, subject, load))
  }
  return result
}

/** One figure of all rounds: of each Worker, and compared pair by pair, as neighbours in time share the machine's mood. */
export interface Comparison {
  gateway: Spread
  bare: Spread
  /** gateway ÷ bare */
  ratio: Spread
  /** gateway − bare */
  difference: Spread
}

/** Takes one figure from every round. */
export function compare(measured: Pairs, figure: (round: Round) => number): Comparison {
  const gateway = measured.gateway.map(figure)
  const bare = measured.bare.map(figure)
  const beside = (combine: (ours: number, theirs: number) => number) =>
    spread(gateway.map((value, i) => combine(value, bare[i] ?? Number.NaN)))
  return {
    gateway: spread(gateway),
    bare: spread(bare),
    ratio: beside((ours, theirs) => ours / theirs),
    difference: beside((ours, theirs) => ours - theirs),
  }
}
