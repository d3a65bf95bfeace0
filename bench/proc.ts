/**
 * What the kernel knows of a process: CPU time and resident memory, from /proc.
 *
 * On a system without /proc the readers return `null` and the figures built on them are left out.
 *
 * @module
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100 // USER_HZ is 100 on every Linux that Node runs on
const MEBI_PER_KIBI = 1 / 1024

function statFields(pid: number): { name: string; fields: string[] } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const close = text.lastIndexOf(')')
    // Field 3 (state) is the first one after the name, which may itself hold blanks and parentheses.
    return { name: text.slice(text.indexOf('(') + 1, close), fields: text.slice(close + 2).split(' ') }
  } catch {
    return null
  }
}

/** Seconds of CPU (user and system, all threads) that a process has used so far. */
export function cpuSeconds(pid: number): number | null {
  const stat = statFields(pid)
  if (stat === null) return null
  return (Number(stat.fields[11]) + Number(stat.fields[12])) / TICKS_PER_SECOND
}

/**
 * The same to the nanosecond, from what the scheduler counts of each thread that still runs; null where it does not tell.
 * For a process whose threads stay.
 */
export function fineCpuSeconds(pid: number): number | null {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    const spent = threads.map(thread =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]),
    )
    return spent.reduce((sum, each) => sum + each, 0) / 1e9
  } catch {
    return null
  }
}

/** The pids of this process's direct children that bear a name. */
export function childrenNamed(name: string): number[] {
  let pids: string[] = []
  try {
    pids = readdirSync('/proc').filter(entry => /^\d+$/.test(entry))
  } catch {
    return []
  }
  return pids.map(Number).filter(pid => {
    const stat = statFields(pid)
    return stat?.name === name && Number(stat.fields[1]) === process.pid
  })
}

/** Resident memory of a process in MiB: now, and the most it has been since {@link resetPeak}. */
export function residentMiB(pid: number): { now: number; peak: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    const field = (name: string) => Number(new RegExp(`${name}:\\s*(\\d+)`).exec(text)?.[1]) * MEBI_PER_KIBI
    return { now: field('VmRSS'), peak: field('VmHWM') }
  } catch {
    return null
  }
}

/** Makes VmHWM start anew from the present size, where the kernel allows it. */
export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Without the right to it the sampled maximum still stands.
  }
}
