/** The gateway's Worker with another configuration: small limits, keys of callers allowed, several connections. */
import type { ExecutionContext } from '@cloudflare/workers-types'
import { createApp } from '../../../functions/app.ts'
import { defineConfig } from '../../../shared/config.ts'
import { type Bindings, createCloudflarePlatform } from '../../../shared/platform/cloudflare/index.ts'

const app = createApp(
  defineConfig({
    connections: {
      openai: { provider: 'openai' },
      configured: { provider: 'openai', apiKey: 'sk-from-config' },
      renamed: { provider: 'openai', apiKey: { env: 'RENAMED_KEY' } },
      hasty: { provider: 'openai', timeoutSeconds: 0.3 },
      vertex_ai: { provider: 'vertex_ai' },
      'federated-aws': { provider: 'vertex_ai', credentials: { env: 'AWS_FEDERATION' } },
      'federated-elsewhere': { provider: 'vertex_ai', credentials: { env: 'OTHER_FEDERATION' } },
    },
    requestCredentials: true,
    limits: { jsonBody: 20_000, file: 50_000 },
    retries: { count: 2, firstDelayMs: 1, longestDelayMs: 2 },
  }),
)

// biome-ignore lint/style/noDefaultExport: a Worker is its default export
export default {
  fetch: (request: Request, bindings: Bindings, context: ExecutionContext) =>
    app.fetch(request, { platform: createCloudflarePlatform(bindings, work => context.waitUntil(work)) }),
}
