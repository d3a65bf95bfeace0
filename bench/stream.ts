/**
 * Streamed chat completions: the wait for the first chunk, and events per second.
 *
 * @module
 */
import type { Bed, Subject } from './boot.ts'
import { chatRequest, compare, EventCounter, median, pairs, spread } from './load.ts'
import type { Row } from './report.ts'
import { monotonic, readLog, scriptText } from './upstream.ts'
import { Wire } from './wire.ts'

const EVENTS = 500
const BLOCKS = 8

/** Milliseconds from the request to the first byte of the body. */
async function firstByte(wire: Wire, request: Buffer): Promise<number> {
  const start = performance.now()
  let first = Number.NaN
  const sink = {
    body: () => {
      if (Number.isNaN(first)) first = performance.now() - start
    },
  }
  const { status } = await wire.exchange(request, sink)
  if (status !== 200) throw new Error(`a stream answered ${status}`)
  return first
}

async function firstChunk(bed: Bed, each: number): Promise<Row> {
  const script = scriptText({ n: 3, pace: 3 })
  const request = (subject: Subject) => chatRequest(subject, { stream: true, user: script })
  const requests = { gateway: request(bed.gateway), bare: request(bed.bare) }
  const blocks: Record<Subject['name'], number[]> = { gateway: [], bare: [] }
  for (let block = 0; block <= BLOCKS; block++) {
    const times: Record<Subject['name'], number[]> = { gateway: [], bare: [] }
    const wires = { gateway: await Wire.open(bed.gateway.port), bare: await Wire.open(bed.bare.port) }
    try {
      // Request by request in turn: the finest interleaving there is.
      for (let i = 0; i < each; i++)
        for (const name of i % 2 === 0 ? (['gateway', 'bare'] as const) : (['bare', 'gateway'] as const))
          times[name].push(await firstByte(wires[name], requests[name]))
    } finally {
      wires.gateway.leave()
      wires.bare.leave()
    }
    if (block === 0) continue // warm-up
    blocks.gateway.push(median(times.gateway))
    blocks.bare.push(median(times.bare))
  }
  const differences = blocks.gateway.map((value, i) => value - (blocks.bare[i] ?? Number.NaN))
  return {
    section: 'stream',
    name: 'first streamed chunk, in sequence',
    unit: 'ms',
    gateway: spread(blocks.gateway),
    bare: spread(blocks.bare),
    by: 'difference',
    compared: spread(differences),
    goal: { most: 1 },
  }
}

/** Milliseconds from the upstream's write to the client, of each event of one paced stream. */
async function delays(upstream: number, subject: Subject, id: string, events: number): Promise<number[]> {
  const user = scriptText({ n: events, pace: 4, id })
  const wire = await Wire.open(subject.port)
  const counter = new EventCounter()
  const arrived: number[] = []
  const sink = {
    body: (bytes: Buffer) => {
      const now = monotonic()
      counter.body(bytes)
      while (arrived.length < counter.count) arrived.push(now)
    },
  }
  try {
    await wire.exchange(chatRequest(subject, { stream: true, user }), sink)
  } finally {
    wire.leave()
  }
  const written = (await readLog(upstream, id))?.writes ?? []
  return written.map((time, i) => (arrived[i] ?? Number.NaN) - time)
}

/** A first chunk may come at once and the rest in lumps: this is what shows a buffer in the middle of a stream. */
async function pacedEvents(bed: Bed, upstream: number, events: number): Promise<Row> {
  const medians: Record<Subject['name'], number[]> = { gateway: [], bare: [] }
  for (let block = 0; block < BLOCKS; block++)
    for (const subject of block % 2 === 0 ? [bed.gateway, bed.bare] : [bed.bare, bed.gateway])
      medians[subject.name].push(
        median(await delays(upstream, subject, `paced-${subject.name}-${block}`, events)),
      )
  const differences = medians.gateway.map((value, i) => value - (medians.bare[i] ?? Number.NaN))
  return {
    section: 'stream',
    name: 'paced event, from the upstream’s write to the client',
    unit: 'ms',
    gateway: spread(medians.gateway),
    bare: spread(medians.bare),
    by: 'difference',
    compared: spread(differences),
    goal: { most: 1 },
  }
}

/** Measures the first chunk and the flow of events. */
export async function stream(bed: Bed, upstream: number, quick: boolean): Promise<Row[]> {
  const rows = [await firstChunk(bed, quick ? 10 : 40), await pacedEvents(bed, upstream, quick ? 50 : 150)]
  for (const connections of [1, 16]) {
    const user = scriptText({ n: EVENTS })
    const load = {
      connections,
      milliseconds: quick ? 400 : 1500,
      request: (subject: Subject) => chatRequest(subject, { stream: true, user }),
      events: true,
    }
    const measured = await pairs(bed, load, quick ? 4 : 8)
    const at = `${connections} connection${connections === 1 ? '' : 's'}`
    const row = { section: 'stream', by: 'ratio' } as const
    const rate = compare(measured, round => round.events / round.seconds)
    rows.push({
      ...row,
      name: `streamed events, ${at}`,
      unit: 'events/s',
      gateway: rate.gateway,
      bare: rate.bare,
      compared: rate.ratio,
      goal: { least: 0.8 },
    })
    if (bed.pid === null) continue
    const cpu = compare(measured, round => ((round.cpu ?? Number.NaN) / round.events) * 1e6)
    rows.push({
      ...row,
      name: `CPU an event, ${at}`,
      unit: 'µs',
      gateway: cpu.gateway,
      bare: cpu.bare,
      compared: cpu.ratio,
    })
  }
  return rows
}
