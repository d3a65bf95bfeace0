/** Another configuration: small limits, keys of callers allowed, several connections. */
import { defineConfig } from '../../../shared/config.ts'

// biome-ignore lint/style/noDefaultExport: a configuration file has one value, its default export
export default defineConfig({
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
})
