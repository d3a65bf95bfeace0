/**
 * Plain chat completions: requests per second, and what each costs workerd.
 *
 * @module
 */
import type { Bed } from './boot.ts'
import { chatRequest, compare, median, pairs, type Round } from './load.ts'
import type { Row } from './report.ts'

const CONNECTIONS = [1, 16, 64]

/** Measures throughput, CPU and added latency of plain answers. */
export async function chat(bed: Bed, quick: boolean): Promise<Row[]> {
  const rows: Row[] = []
  const request = chatRequest
  // The first seconds are V8's: until both Workers' code is optimised, later rounds look faster than earlier ones.
  await pairs(bed, { connections: 16, milliseconds: quick ? 500 : 2000, request }, 1)
  for (const connections of CONNECTIONS) {
    const measured = await pairs(
      bed,
      { connections, milliseconds: quick ? 400 : 1500, request },
      quick ? 4 : 8,
    )
    const at = `${connections} connection${connections === 1 ? '' : 's'}`
    const rate = compare(measured, round => round.requests / round.seconds)
    const row = { section: 'chat', by: 'ratio' } as const
    rows.push({
      ...row,
      name: `chat, ${at}`,
      unit: 'requests/s',
      gateway: rate.gateway,
      bare: rate.bare,
      compared: rate.ratio,
      goal: { least: 0.85 },
    })
    if (bed.pid !== null) {
      const cpu = compare(measured, round => ((round.cpu ?? Number.NaN) / round.requests) * 1e6)
      rows.push({
        ...row,
        name: `CPU a request, ${at}`,
        unit: 'µs',
        gateway: cpu.gateway,
        bare: cpu.bare,
        compared: cpu.ratio,
        goal: { most: 1.3 },
      })
    }
    if (connections === 1) {
      const latency = compare(measured, (round: Round) => median(round.latencies))
      rows.push({
        ...row,
        by: 'difference',
        name: 'median answer time, 1 connection',
        unit: 'ms',
        gateway: latency.gateway,
        bare: latency.bare,
        compared: latency.difference,
      })
    }
  }
  return rows
}
