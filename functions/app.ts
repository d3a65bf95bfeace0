/**
 * The Hono app: middleware, routes, the one error handler.
 * @module
 */
import { Hono } from 'hono'
import { createCaches } from '../shared/caches.ts'
import type { Config } from '../shared/config.ts'
import type { Context } from '../shared/context.ts'
import { ApiError } from '../shared/openai/index.ts'
import type { Platform } from '../shared/platform/index.ts'
import { batches } from './batches.ts'
import { budgets } from './budgets.ts'
import { compare } from './compare.ts'
import { answerCompletion, completions, isPlainCompletion } from './completions.ts'
import { RequestContext, type Shared, shareContext } from './context.ts'
import { openTo } from './cors.ts'
import { costs } from './costs.ts'
import { estimates } from './estimates.ts'
import { files } from './files.ts'
import {
  type AppEnv,
  asAnyone,
  asManager,
  asOwner,
  type Entrance,
  enter,
  jsonLimit,
  logFailure,
  requestIdOf,
  toErrorAnswer,
} from './http.ts'
import { jobs } from './jobs.ts'
import { keys } from './keys.ts'
import { models } from './models.ts'
import { predictions } from './predictions.ts'
import { suggestions } from './suggestions.ts'
import { uploads } from './uploads.ts'
import { webhookEndpoints, webhookEventTypes, webhookSecret } from './webhook-endpoints.ts'
import { webhooks } from './webhooks.ts'

interface Door extends Entrance {
  /** What a path begins with, or its form. */
  path: string | RegExp
  /** Any, unless named. */
  method?: 'GET'
  isJson: boolean | ((path: string) => boolean)
}
const CHAT: Door = { path: '/v1/chat/', guard: asOwner, scopes: ['chat'], isJson: true }
/**
 * Who may enter where, by which scope, and whether bodies are JSON of a bounded size. The first that fits goes; whatever none fits
 * is closed.
 */
const DOORS: readonly Door[] = [
  CHAT,
  { path: '/v1/files', guard: asOwner, scopes: ['files'], isJson: false },
  { path: '/v1/uploads', guard: asOwner, scopes: ['files'], isJson: path => !path.endsWith('/parts') },
  {
    path: /^\/v1\/fine_tuning\/jobs\/[^/]+\/deploy(ment)?$/,
    guard: asOwner,
    scopes: ['models'],
    isJson: true,
  },
  { path: '/v1/fine_tuning/', guard: asOwner, scopes: ['jobs'], isJson: true },
  // Whoever may chat may see with what.
  { path: '/v1/models', method: 'GET', guard: asOwner, scopes: ['models', 'chat'], isJson: false },
  { path: '/v1/models', guard: asOwner, scopes: ['models'], isJson: false },
  { path: '/v1/vertex_ai/', guard: asOwner, scopes: ['chat'], isJson: true },
  // Whoever spends may see what was spent; limits are for others to set.
  { path: '/v1/budgets', method: 'GET', guard: asManager, scopes: ['jobs', 'admin'], isJson: false },
  { path: '/v1/budgets', guard: asManager, scopes: ['admin'], isJson: true },
  { path: '/v1/costs', guard: asManager, scopes: ['jobs', 'admin'], isJson: false },
  { path: '/v1/keys', guard: asManager, scopes: ['admin'], isJson: true },
  { path: '/v1/webhook_', guard: asOwner, scopes: ['jobs'], isJson: true },
  { path: '/webhooks/', guard: asAnyone, scopes: null, isJson: false },
]

const doorOf = (method: string, path: string): Door | undefined =>
  DOORS.find(
    door =>
      (door.method ?? method) === method &&
      (typeof door.path === 'string' ? path.startsWith(door.path) : door.path.test(path)),
  )

/** Builds the app for a configuration. One app serves all requests of an isolate; its caches may vanish with it. */
export const createApp = (config: Config) => {
  const caches = createCaches()
  const limit = jsonLimit(config.limits.jsonBody)
  const shared = new WeakMap<Platform, Shared>()
  const share = (platform: Platform): Shared => {
    const known = shared.get(platform) ?? shareContext(config, caches, platform)
    shared.set(platform, known)
    return known
  }

  const app = new Hono<AppEnv>()
    // One step for all that every request needs: each further one costs every completion.
    .use(async (c, next) => {
      const id = requestIdOf(c.req.raw.headers)
      const context = new RequestContext(share(c.env.platform), c.req.raw)
      c.set('requestId', id)
      c.set('context', context)
      const door = doorOf(c.req.method, c.req.path)
      if (!door) return c.notFound()
      context.caller = await enter(door, context, c.req.raw.headers)
      c.set('owner', context.caller.owner)
      const isJson = typeof door.isJson === 'function' ? door.isJson(c.req.path) : door.isJson
      await (isJson ? limit(c, next) : next())
      c.res.headers.set('x-request-id', id)
    })
    .route('/v1/keys', keys)
    .route('/v1/files', files)
    .route('/v1/uploads', uploads)
    .route('/v1/fine_tuning/jobs', jobs)
    .route('/v1/fine_tuning/compare', compare)
    .route('/v1/fine_tuning/batches', batches)
    .route('/v1/fine_tuning/suggestions', suggestions)
    .route('/v1/fine_tuning/estimates', estimates)
    .route('/v1/budgets', budgets)
    .route('/v1/costs', costs)
    .route('/v1/chat/completions', completions)
    .route('/v1/models', models)
    .route('/v1/vertex_ai/endpoints', predictions)
    .route('/v1/webhook_endpoints', webhookEndpoints)
    .route('/v1/webhook_event_types', webhookEventTypes)
    .route('/v1/webhook_secret', webhookSecret)
    .route('/webhooks', webhooks)

  /** An answer made by hand takes none of the headers set so far: the request's id is named again. */
  const answer = (id: string, error: ApiError): Response =>
    Response.json(error.toBody(), { status: error.status, headers: { ...error.headers, 'x-request-id': id } })
  const answerFailure = (id: string, thrown: unknown): Response => {
    const error = toErrorAnswer(thrown)
    if (error.code === 'internal_error') logFailure(id, thrown)
    return answer(id, error)
  }

  app.notFound(c => {
    // The path is known with another method: that is a 405 (RFC 9110, 15.5.6).
    const allowed = doorOf(c.req.method, c.req.path) ? methodsOf(app, c.req.path) : []
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
    return answer(c.get('requestId'), error)
  })
  app.onError((thrown, c) => answerFailure(c.get('requestId'), thrown))

  const routed = app.fetch
  const shortcut: typeof routed = (request, env, execution) => {
    if (!env || !('platform' in env) || !isPlainCompletion(request, config.limits.jsonBody)) {
      return routed(request, env, execution)
    }
    const id = requestIdOf(request.headers)
    const context = new RequestContext(share(env.platform), request)
    return answerCompletion(context, request, CHAT, { 'x-request-id': id }).catch((thrown: unknown) =>
      answerFailure(id, thrown),
    )
  }
  app.fetch = openTo(config.cors, shortcut)
  return Object.assign(app, {
    /** The context of work that no request asks for: the schedule's and the queue's. */
    background: (platform: Platform): Context => share(platform),
  })
}

/** The methods a path is served with. */
const methodsOf = (app: Pick<Hono<AppEnv>, 'routes' | 'router'>, path: string): string[] =>
  [...new Set(app.routes.map(({ method }) => method))].filter(
    method =>
      method !== 'ALL' && app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  )

export type App = ReturnType<typeof createApp>
