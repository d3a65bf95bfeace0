/**
 * Least, median, greatest and sum of many counts, in bounded memory.
 * @module
 */
import type { Distribution } from '../openai/index.ts'

/** Counts below it are told apart exactly. */
const FINE = 1 << 18

export interface Tally {
  add(count: number): void
  /** Null without any count. The median is exact where it is below 262,144, else that number. */
  result(): Distribution | null
}

export const createTally = (): Tally => {
  let histogram = new Uint32Array(1024)
  // In typed memory, where a large sum is no object of its own.
  const sums = new Float64Array([0, Number.POSITIVE_INFINITY, 0, 0])
  const TOTAL = 0
  const MIN = 1
  const MAX = 2
  const SIZE = 3
  const of = (which: number) => sums[which] ?? 0
  return {
    add(count) {
      sums[TOTAL] = of(TOTAL) + count
      sums[SIZE] = of(SIZE) + 1
      if (count < of(MIN)) sums[MIN] = count
      if (count > of(MAX)) sums[MAX] = count
      const place = Math.min(count, FINE)
      if (place >= histogram.length) {
        const grown = new Uint32Array(Math.min(FINE + 1, Math.max(place + 1, histogram.length * 2)))
        grown.set(histogram)
        histogram = grown
      }
      histogram[place] = (histogram[place] ?? 0) + 1
    },
    result() {
      if (of(SIZE) === 0) return null
      let median = 0
      const half = Math.ceil(of(SIZE) / 2)
      for (let seen = histogram[0] ?? 0; seen < half; ) seen += histogram[++median] ?? 0
      return { total: of(TOTAL), min: of(MIN), median, max: of(MAX) }
    },
  }
}
