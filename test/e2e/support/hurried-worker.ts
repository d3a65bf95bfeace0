/**
 * The gateway's Worker with short leases and small parts, so that a copy of a few megabytes is a long one; and, where it is asked
 * for, with a clock that runs faster than the world's.
 */
import { waitUntil } from 'cloudflare:workers'
import { createApp } from '../../../functions/app.ts'
import { tick } from '../../../functions/schedule.ts'
import { runTask } from '../../../functions/tasks.ts'
import { defineConfig } from '../../../shared/config.ts'
import { type Bindings, createCloudflarePlatform } from '../../../shared/platform/cloudflare/index.ts'
import type { Platform, Task } from '../../../shared/platform/index.ts'

const MEBIBYTE = 1024 * 1024

const app = createApp(
  defineConfig({
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
  }),
)
const platformOf = (bindings: Bindings): Platform => {
  const platform = createCloudflarePlatform(bindings, waitUntil)
  const { CLOCK_START, CLOCK_SPEED } = bindings
  if (CLOCK_SPEED === undefined) return platform
  // It goes on after a restart: its start is the test's.
  const start = Number(CLOCK_START)
  const now = () => start + Math.floor((Date.now() - start) * Number(CLOCK_SPEED))
  return { ...platform, clock: { ...platform.clock, now } }
}

interface Batch {
  messages: { body: Task; ack(): void; retry(): void }[]
}

// biome-ignore lint/style/noDefaultExport: a Worker is its default export
export default {
  fetch: (request: Request, bindings: Bindings) => app.fetch(request, { platform: platformOf(bindings) }),
  scheduled: (_: unknown, bindings: Bindings) => tick(app.background(platformOf(bindings))),
  async queue({ messages }: Batch, bindings: Bindings) {
    for (const message of messages)
      if (await runTask(app.background(platformOf(bindings)), message.body)) message.ack()
      else message.retry()
  },
}
