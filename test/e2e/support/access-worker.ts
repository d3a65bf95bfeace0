/** The gateway's Worker for pages of another origin, whose users an identity provider vouches for. */
import type { ExecutionContext } from '@cloudflare/workers-types'
import { type App, createApp } from '../../../functions/app.ts'
import { defineConfig } from '../../../shared/config.ts'
import { type Bindings, createCloudflarePlatform } from '../../../shared/platform/cloudflare/index.ts'

/** Ports are only known when the test runs. */
type Places = Bindings & { PAGE_ORIGIN: string; TUNEGATE_SANDBOX_ORIGIN: string }

let app: App | undefined
const appOf = ({ PAGE_ORIGIN, TUNEGATE_SANDBOX_ORIGIN }: Places): App =>
  createApp(
    defineConfig({
      cors: { origins: [PAGE_ORIGIN] },
      oidc: [
        {
          issuer: `${TUNEGATE_SANDBOX_ORIGIN}/identity`,
          audience: 'tunegate',
          scopes: { claim: 'scope' },
          algorithms: ['ES256'],
        },
      ],
    }),
  )

// biome-ignore lint/style/noDefaultExport: a Worker is its default export
export default {
  fetch(request: Request, bindings: Places, context: ExecutionContext) {
    app ??= appOf(bindings)
    return app.fetch(request, {
      platform: createCloudflarePlatform(bindings, work => context.waitUntil(work)),
    })
  },
}
