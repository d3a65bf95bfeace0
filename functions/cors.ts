/**
 * Pages of other origins, as the configuration lets them. Outside of everything else: preflights come without a key, and what is
 * answered past the router, or is an error, is read by a page like any other answer.
 * @module
 */
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import type { Config } from '../shared/config.ts'
import { DROPPED_HEADER, PASSED_HEADERS } from '../shared/serving/index.ts'
import { type AppEnv, requestIdOf } from './http.ts'
import { REPLAYED_HEADER } from './idempotency.ts'

type Fetch = Hono<AppEnv>['fetch']

/** What a page may read of an answer beside its body. */
const EXPOSED = [
  ...['x-request-id', 'x-should-retry', 'allow', 'content-disposition', 'www-authenticate'],
  DROPPED_HEADER,
  REPLAYED_HEADER,
  ...PASSED_HEADERS,
]

/** Seconds for which a browser need not ask again. */
const MAX_AGE = 600

/**
 * The app, open to pages of the configured origins. Credentials of the browser's own (cookies) are never asked for. Which headers a
 * page sends is left to it: the gateway acts on none that an origin could be kept from sending.
 */
export const openTo = ({ origins, maxAgeSeconds = MAX_AGE }: Config['cors'], app: Fetch): Fetch => {
  if (origins.length === 0) return app
  const outer = new Hono<AppEnv>()
    .use(async (c, next) => {
      await next()
      // A preflight is not the app's answer, which brings an id of its own.
      if (!c.res.headers.has('x-request-id')) c.header('x-request-id', requestIdOf(c.req.raw.headers))
    })
    .use(
      cors({
        origin: origins.includes('*') ? '*' : [...origins],
        allowMethods: ['GET', 'POST', 'DELETE'],
        exposeHeaders: EXPOSED,
        maxAge: maxAgeSeconds,
      }),
    )
    .all('*', ({ req, env }) => app(req.raw, env))
  return (request, env, execution) =>
    (request.headers.has('origin') ? outer.fetch : app)(request, env, execution)
}
