/**
 * The table, and the same figures as JSON.
 *
 * @module
 */
import type { Spread } from './load.ts'

/** One line of the table. */
export interface Row {
  section: string
  name: string
  unit: string
  gateway: Spread
  bare: Spread
  /** What stands in the bare Worker's column where it is not the bare Worker; the same for a whole section. */
  beside?: string
  /** How the two are compared: gateway ÷ bare, gateway − bare, or the gateway's figure by itself. */
  by: 'ratio' | 'difference' | 'itself'
  compared: Spread
  /** The bound from the project's goals; absent for rows that only inform. */
  goal?: { least: number } | { most: number }
}

/** Where and on what the figures were taken; ratios travel between machines, times do not. */
export interface Circumstances {
  date: string
  command: string
  node: string
  workerd: string
  cpu: string
  cores: number
  minutes: number
}

/** Whether a row's median keeps its goal; `null` without one. */
export function keepsGoal(row: Row): boolean | null {
  if (row.goal === undefined) return null
  return 'least' in row.goal ? row.compared.median >= row.goal.least : row.compared.median <= row.goal.most
}

function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}

function comparison(by: Row['by'], value: number): string {
  if (by === 'ratio') return `${digits(value)}×`
  return `${by === 'difference' && value >= 0 ? '+' : ''}${digits(value)}`
}

function cells(row: Row): string[] {
  const { by, compared, goal } = row
  const bound =
    goal === undefined
      ? ''
      : 'least' in goal
        ? `≥ ${comparison(by, goal.least)}`
        : `≤ ${comparison(by, goal.most)}`
  const kept = keepsGoal(row)
  const range =
    compared.low === compared.high ? '' : `${comparison(by, compared.low)} … ${comparison(by, compared.high)}`
  return [
    row.name,
    row.unit,
    digits(row.gateway.median),
    digits(row.bare.median),
    comparison(by, compared.median),
    range,
    bound,
    kept === null ? '' : kept ? 'kept' : 'MISSED',
  ]
}

const HEAD = ['', 'unit', 'gateway', 'bare', 'compared', 'least … most', 'goal', '']
const LEFT_ALIGNED = 2

/** The rows as a table for a terminal, one block a section. */
export function table(rows: Row[]): string {
  const lines = [HEAD, ...rows.map(cells)]
  const widths = HEAD.map((_, column) => Math.max(...lines.map(line => line[column]?.length ?? 0)))
  const print = (line: string[]) =>
    line
      .map((cell, i) => (i < LEFT_ALIGNED ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  const rule = '─'.repeat(widths.reduce((sum, width) => sum + width + 2, -2))
  const output = [print(HEAD)]
  let section = ''
  for (const row of rows) {
    if (row.section !== section) {
      output.push(rule)
      if (row.beside !== undefined) output.push(`in the place of “bare”: ${row.beside}`)
    }
    section = row.section
    output.push(print(cells(row)))
  }
  return output.join('\n')
}

/** The figures with their circumstances, for a file. */
export function json(circumstances: Circumstances, rows: Row[]): string {
  const kept = rows.map(row => ({ ...row, kept: keepsGoal(row) }))
  return `${JSON.stringify({ ...circumstances, rows: kept }, null, 2)}\n`
}
