/**
 * Short leases and small parts, so that a copy of a few megabytes is a long one; and, where it is asked for, a clock that runs
 * faster than the world's.
 */
import { defineConfig } from '../../../shared/config.ts'
import { hurry } from './hurry.ts'

const MEBIBYTE = 1024 * 1024

const { CLOCK_START, CLOCK_SPEED } = process.env
if (CLOCK_SPEED !== undefined) hurry(Number(CLOCK_START), Number(CLOCK_SPEED))

// biome-ignore lint/style/noDefaultExport: a configuration file has one value, its default export
export default defineConfig({
  connections: { openai: { provider: 'openai' } },
  retries: { count: 2, firstDelayMs: 1, longestDelayMs: 2 },
  copying: {
    stepBytes: 2 * MEBIBYTE,
    stepSeconds: 15,
    partBytes: MEBIBYTE,
    leaseSeconds: 3,
    waitSeconds: 1,
  },
})
