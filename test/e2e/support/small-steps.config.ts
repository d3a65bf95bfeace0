/** Short leases and small parts, so that a copy of a few megabytes is a long one. */
import { defineConfig } from '../../../shared/config.ts'

const MEBIBYTE = 1024 * 1024

// biome-ignore lint/style/noDefaultExport: a configuration file has one value, its default export
export default defineConfig({
  connections: {
    openai: { provider: 'openai' },
    bedrock: { provider: 'bedrock', sources: ['s3://sandbox-bucket/shared/'] },
  },
  retries: { count: 2, firstDelayMs: 1, longestDelayMs: 2 },
  copying: {
    stepBytes: 2 * MEBIBYTE,
    stepSeconds: 15,
    partBytes: MEBIBYTE,
    leaseSeconds: 3,
    waitSeconds: 1,
  },
})
