import { afterEach, describe, expect, it, vi } from 'vitest'
import { soak } from './support/soak.ts'

/** `npm run soak` sets more: `SOAK_SEEDS=100 npm run soak`. */
const SEEDS = Number(process.env.SOAK_SEEDS ?? 3)

describe('200 jobs under kills and faults', () => {
  afterEach(() => vi.restoreAllMocks())

  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    'seed %i: none lost, none trained twice, all over',
    async seed => {
      const { jobs, kills, faults, lostMessages, ends, wrongs } = await soak(seed, 200)
      expect(wrongs).toEqual([])
      // The storm has been one.
      expect(jobs).toBeGreaterThan(100)
      expect(kills).toBeGreaterThan(50)
      expect(faults).toBeGreaterThan(200)
      expect(lostMessages).toBeGreaterThan(5)
      expect(ends.succeeded).toBeGreaterThan(100)
      expect(ends.failed).toBeGreaterThan(5)
    },
  )
})
