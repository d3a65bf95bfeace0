/**
 * Watches a process's resident memory while something happens.
 *
 * @module
 */
import { resetPeak, residentMiB } from './proc.ts'

const SAMPLE_MS = 50

/** Resident memory around one operation, in MiB. */
export interface MemoryFigure {
  before: number
  /** The larger of the sampled maximum and the kernel's own high-water mark. */
  peak: number
  growth: number
  after: number
}

/**
 * Runs `work` and reports how far the process grew meanwhile.
 *
 * @returns the work's result, and `null` for the memory where there is no /proc
 */
export async function watchMemory<T>(
  pid: number | null,
  work: () => Promise<T>,
): Promise<{ result: T; memory: MemoryFigure | null }> {
  if (pid !== null) resetPeak(pid)
  const first = pid === null ? null : residentMiB(pid)
  if (pid === null || first === null) return { result: await work(), memory: null }
  const before = first.now
  // Where the mark could not be reset it may stem from earlier work: then only the samples count.
  const markIsFresh = first.peak <= before * 1.02
  let sampled = before
  const timer = setInterval(() => {
    sampled = Math.max(sampled, residentMiB(pid)?.now ?? 0)
  }, SAMPLE_MS)
  try {
    const result = await work()
    const last = residentMiB(pid)
    const after = last?.now ?? sampled
    const peak = Math.max(sampled, after, markIsFresh && last !== null ? last.peak : 0)
    return { result, memory: { before, peak, growth: peak - before, after } }
  } finally {
    clearInterval(timer)
  }
}
