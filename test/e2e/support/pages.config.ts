/** A gateway for pages of another origin, whose users an identity provider vouches for. */
import { defineConfig } from '../../../shared/config.ts'

// Ports are only known when the test runs; a Worker has its bindings there too.
const { PAGE_ORIGIN = '', TUNEGATE_SANDBOX_ORIGIN } = process.env

// biome-ignore lint/style/noDefaultExport: a configuration file has one value, its default export
export default defineConfig({
  cors: { origins: [PAGE_ORIGIN] },
  oidc: [
    {
      issuer: `${TUNEGATE_SANDBOX_ORIGIN}/identity`,
      audience: 'tunegate',
      scopes: { claim: 'scope' },
      algorithms: ['ES256'],
    },
  ],
})
