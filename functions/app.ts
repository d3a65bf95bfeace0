/**
 * The Hono app: middleware, routes, the one error handler.
 * @module
 */
import { Hono, type Context as HonoContext } from 'hono'
import { requestId } from 'hono/request-id'
import { createCaches } from '../shared/caches.ts'
import type { Config } from '../shared/config.ts'
import type { Context } from '../shared/context.ts'
import { ApiError, CREDENTIAL_FIELDS, type RequestCredentials } from '../shared/openai/index.ts'
import { createTransport } from '../shared/transport.ts'
import { completions } from './completions.ts'
import { files } from './files.ts'
import { type AppEnv, asAdmin, asOwner, jsonLimit, logFailure, toErrorAnswer } from './http.ts'
import { jobs } from './jobs.ts'
import { keys } from './keys.ts'
import { models } from './models.ts'

/** Builds the app for a configuration. One app serves all requests of an isolate; its caches may vanish with it. */
export const createApp = (config: Config) => {
  const caches = createCaches()
  const limit = jsonLimit(config.limits.jsonBody)

  const app = new Hono<AppEnv>()
    .use(requestId({ generator: () => `req_${crypto.randomUUID().replaceAll('-', '')}` }))
    .use(async (c, next) => {
      const { platform } = c.env
      const context: Context = {
        config,
        platform,
        caches,
        transport: createTransport({
          fetch: platform.fetch,
          clock: platform.clock,
          retries: config.retries,
          allowedOrigin: platform.environment.get('TUNEGATE_SANDBOX_ORIGIN'),
        }),
        provider: c.req.header('x-tunegate-provider') ?? c.req.query('provider'),
        credentials: headerCredentials(name => c.req.header(name)),
        signal: c.req.raw.signal,
      }
      c.set('context', context)
      await next()
    })
    .use('/v1/keys/*', asAdmin, limit)
    .use('/v1/files/*', asOwner)
    .use('/v1/fine_tuning/*', asOwner, limit)
    .use('/v1/chat/*', asOwner, limit)
    .use('/v1/models/*', asOwner)
    .route('/v1/keys', keys)
    .route('/v1/files', files)
    .route('/v1/fine_tuning/jobs', jobs)
    .route('/v1/chat/completions', completions)
    .route('/v1/models', models)

  app.notFound(c => {
    // The path is known with another method: that is a 405 (RFC 9110, 15.5.6).
    const allowed = methodsOf(app, c.req.path)
    const error =
      allowed.length > 0
        ? new ApiError({
            status: 405,
            code: 'method_not_allowed',
            message: `${c.req.path} takes ${allowed.join(', ')}, not ${c.req.method}.`,
            headers: { allow: allowed.join(', ') },
          })
        : new ApiError({
            status: 404,
            code: 'unknown_url',
            message: `Unknown URL (${c.req.method} ${c.req.path}).`,
          })
    return answer(c, error)
  })
  app.onError((thrown, c) => {
    const error = toErrorAnswer(thrown)
    if (error.code === 'internal_error') logFailure(c.get('requestId'), thrown)
    return answer(c, error)
  })
  return app
}

/** `x-tunegate-api-key`, `x-tunegate-aws-region-name`…: credentials of a request that has no JSON body to hold them. */
const headerCredentials = (header: (name: string) => string | undefined): RequestCredentials | undefined => {
  const found = CREDENTIAL_FIELDS.flatMap(field => {
    const value = header(`x-tunegate-${field.replaceAll('_', '-')}`)
    return value === undefined ? [] : [[field, value] as const]
  })
  return found.length > 0 ? Object.fromEntries(found) : undefined
}

/** An answer made by hand takes none of the headers set so far: the request's id is named again. */
const answer = (c: HonoContext<AppEnv>, error: ApiError): Response =>
  Response.json(error.toBody(), {
    status: error.status,
    headers: { ...error.headers, 'x-request-id': c.get('requestId') },
  })

/** The methods a path is served with. */
const methodsOf = (app: Pick<Hono<AppEnv>, 'routes' | 'router'>, path: string): string[] =>
  [...new Set(app.routes.map(({ method }) => method))].filter(
    method =>
      method !== 'ALL' && app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  )

export type App = ReturnType<typeof createApp>
