/**
 * The client leaves: how soon does the upstream learn of it, and how much does it still write?
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bed, Subject } from './boot.ts'
import { chatRequest, EventCounter, spread } from './load.ts'
import type { Row } from './report.ts'
import { monotonic, readLog, type StreamLog, scriptText } from './upstream.ts'
import { Wire } from './wire.ts'

const PACE_MS = 5
const LEAVE_AFTER_EVENTS = 10
/** An upstream that has not noticed by then counts as never told. */
const PATIENCE_MS = 3000

interface Departure {
  /** Events written after the client had gone. */
  written: number
  /** Milliseconds until the upstream saw its connection close; Infinity: not within {@link PATIENCE_MS}. */
  told: number
}

async function depart(upstream: number, id: string, leave: () => Promise<number>): Promise<Departure> {
  const left = await leave()
  let log: StreamLog | null = null
  while (monotonic() - left < PATIENCE_MS) {
    await sleep(20)
    log = await readLog(upstream, id)
    if (log?.closedAt != null) break
  }
  const written = log?.writes.filter(time => time > left).length ?? 0
  return { written, told: log?.closedAt == null ? Number.POSITIVE_INFINITY : log.closedAt - left }
}

/** Leaves once some events have come. */
function midStream(upstream: number, subject: Subject, id: string): Promise<Departure> {
  const user = scriptText({ n: 2000, pace: PACE_MS, id })
  return depart(upstream, id, async () => {
    const wire = await Wire.open(subject.port)
    const counter = new EventCounter()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sink = {
      body: (bytes: Buffer) => {
        counter.body(bytes)
        if (counter.count >= LEAVE_AFTER_EVENTS) resolve()
      },
    }
    wire
      .exchange(chatRequest(subject, { stream: true, user }), sink)
      .then(answer => reject(new Error(`the stream ended by itself with ${answer.status}`)), reject)
    await promise
    const left = monotonic()
    wire.leave()
    return left
  })
}

/**
 * Leaves while the upstream has not answered at all.
 *
 * With a reset: as long as workerd has nothing to write it cannot tell a client that closed from one that only finished
 * sending. In production Cloudflare's edge stands in front and knows.
 */
function beforeHead(upstream: number, subject: Subject, id: string): Promise<Departure> {
  const user = scriptText({ wait: PATIENCE_MS, n: 1, id })
  return depart(upstream, id, async () => {
    const wire = await Wire.open(subject.port)
    wire.exchange(chatRequest(subject, { stream: true, user })).catch(() => undefined)
    for (let tries = 0; tries < 100 && (await readLog(upstream, id)) === null; tries++) await sleep(5)
    await sleep(20)
    const left = monotonic()
    wire.reset()
    return left
  })
}

/** Measures what happens upstream after the client has gone. */
export async function cancel(bed: Bed, upstream: number, quick: boolean): Promise<Row[]> {
  const times = quick ? 3 : 10
  const run = async (kind: typeof midStream, name: string) => {
    const departures: Record<Subject['name'], Departure[]> = { gateway: [], bare: [] }
    for (let i = 0; i < times; i++)
      for (const subject of [bed.gateway, bed.bare])
        departures[subject.name].push(await kind(upstream, subject, `${name}-${subject.name}-${i}`))
    return departures
  }
  const section = 'cancel'
  const middle = await run(midStream, 'middle')
  const early = await run(beforeHead, 'early')
  const written = {
    gateway: spread(middle.gateway.map(departure => departure.written)),
    bare: spread(middle.bare.map(departure => departure.written)),
  }
  const extra = middle.gateway.map(
    (departure, i) => departure.written - (middle.bare[i]?.written ?? Number.NaN),
  )
  const told = (departures: typeof middle) => ({
    gateway: spread(departures.gateway.map(departure => departure.told)),
    bare: spread(departures.bare.map(departure => departure.told)),
    compared: spread(departures.gateway.map(departure => departure.told)),
  })
  return [
    {
      section,
      name: 'client leaves mid-stream: events still written',
      unit: `events of ${PACE_MS} ms`,
      ...written,
      by: 'difference',
      compared: spread(extra),
      goal: { most: 1 },
    },
    {
      section,
      name: 'client leaves mid-stream: upstream told after',
      unit: 'ms',
      by: 'itself',
      ...told(middle),
    },
    { section, name: 'client leaves before the head: told after', unit: 'ms', by: 'itself', ...told(early) },
  ]
}
