/** Cloudflare's entry. */
import type { ExecutionContext } from '@cloudflare/workers-types'
import { type Bindings, createCloudflarePlatform } from '../shared/platform/cloudflare/index.ts'
import config from '../tunegate.config.ts'
import { createApp } from './app.ts'

const app = createApp(config)

// biome-ignore lint/style/noDefaultExport: a Worker is its default export
export default {
  fetch: (request: Request, bindings: Bindings, context: ExecutionContext) =>
    app.fetch(request, { platform: createCloudflarePlatform(bindings, context) }),
}
