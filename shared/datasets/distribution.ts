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
  let [total, min, max, size] = [0, Number.POSITIVE_INFINITY, 0, 0]
  return {
    add(count) {
      total += count
      size++
      if (count < min) min = count
      if (count > max) max = count
      const place = Math.min(count, FINE)
      if (place >= histogram.length) {
        const grown = new Uint32Array(Math.min(FINE + 1, Math.max(place + 1, histogram.length * 2)))
        grown.set(histogram)
        histogram = grown
      }
      histogram[place] = (histogram[place] ?? 0) + 1
    },
    result() {
      if (size === 0) return null
      let median = 0
      for (let seen = histogram[0] ?? 0; seen < Math.ceil(size / 2); ) seen += histogram[++median] ?? 0
      return { total, min, median, max }
    },
  }
}
