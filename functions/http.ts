/**
 * What every route shares: who calls, the domain's context, the body, the answer to an error.
 * @module
 */
import { zValidator } from '@hono/zod-validator'
import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { createMiddleware } from 'hono/factory'
import { HTTPException } from 'hono/http-exception'
import type * as z from 'zod'
import { ADMIN, authenticate, bearerOf, isAdminKey } from '../shared/access/index.ts'
import type { Caller, Context } from '../shared/context.ts'
import type { FormHandlers } from '../shared/datasets/index.ts'
import { ApiError, badRequest, type Scope, toApiError } from '../shared/openai/index.ts'
import type { Platform } from '../shared/platform/index.ts'
import { asAnswerError } from '../shared/providers/index.ts'
import type { RequestContext } from './context.ts'

export interface AppEnv {
  Bindings: { platform: Platform }
  Variables: {
    requestId: string
    context: RequestContext
    owner: string
    /** Takes note of the form that a request brings. */
    form?: FormHandlers
  }
}

/** Decides who a request comes from. @throws {ApiError} 401 */
export type Guard = (context: Context, headers: Headers) => Promise<Caller> | Caller

/** Lets in whoever has a gateway key; records belong to its owner. */
export const asOwner: Guard = (context, headers) =>
  authenticate(context, bearerOf(headers.get('authorization')))

/** Lets in the deployment's admin, and owners. */
export const asManager: Guard = async (context, headers) =>
  (await isAdminKey(context, bearerOf(headers.get('authorization')))) ? ADMIN : asOwner(context, headers)

/** Who manages: an owner, or null for the deployment's admin, who owns nothing. */
export const managerOf = (owner: string): string | null => (owner === '' ? null : owner)

/** May nothing, and owns nothing. */
const NOBODY: Caller = { owner: '', key: null, subject: null, scopes: [], models: [], providers: [] }

/** Lets in whoever comes: what is behind proves its senders itself. */
export const asAnyone: Guard = () => NOBODY

/** Who may enter. */
export interface Entrance {
  guard: Guard
  /** One of these is needed; null: none. */
  scopes: readonly Scope[] | null
}

/** The caller as the guard finds it. @throws {ApiError} 401, or 403 naming the scope that is missing */
export const enter = (
  { guard, scopes }: Entrance,
  context: Context,
  headers: Headers,
): Caller | Promise<Caller> => {
  const found = guard(context, headers)
  return found instanceof Promise ? found.then(caller => withScope(caller, scopes)) : withScope(found, scopes)
}

const withScope = (caller: Caller, scopes: readonly Scope[] | null): Caller => {
  if (scopes === null || scopes.some(scope => caller.scopes.includes(scope))) return caller
  const needed = scopes.map(scope => `'${scope}'`).join(' or ')
  throw new ApiError({
    status: 403,
    code: 'insufficient_permissions',
    message: `The caller has not the scope this needs: ${needed}.`,
  })
}

/** A caller's own id for a request, if it can stand in a header and a log; else a new one. */
export const requestIdOf = (headers: Headers): string => {
  const given = headers.get('x-request-id')
  return given !== null && /^[\w-]{1,128}$/.test(given)
    ? given
    : `req_${crypto.randomUUID().replaceAll('-', '')}`
}

/** The query, checked; a parameter that is not known is refused. */
export const query = <T extends z.ZodType>(schema: T) =>
  zValidator('query', schema, result => {
    if (!result.success) throw toApiError(result.error, result.data)
  })

/** The JSON body, checked. */
export const json = <T extends z.ZodType>(schema: T) =>
  zValidator('json', schema, result => {
    if (!result.success) throw toApiError(result.error, result.data)
  })

/** Refuses a body that does not say it is JSON: a form would otherwise look like an empty request. */
export const assertJson = (headers: Headers): void => {
  const type = headers.get('content-type')
  if (type !== 'application/json' && !/^application\/([\w.-]+\+)?json\b/i.test(type ?? '')) {
    throw badRequest(null, 'The content type must be application/json.', 'invalid_json')
  }
}

/** {@link assertJson} for a route. */
export const jsonOnly: MiddlewareHandler<AppEnv> = createMiddleware<AppEnv>(async (c, next) => {
  assertJson(c.req.raw.headers)
  await next()
})

/** Refuses a JSON body beyond the limit, announced or not. */
export const jsonLimit = (bytes: number): MiddlewareHandler => {
  const refuse = (): never => {
    throw new ApiError({
      status: 413,
      code: 'body_too_large',
      message: `The body is too large: this gateway takes JSON of up to ${bytes} bytes.`,
    })
  }
  const counting = bodyLimit({ maxSize: bytes, onError: refuse })
  return async (c, next) => {
    const announced = c.req.raw.headers.get('content-length')
    // Only a body of unannounced length has to be counted as it comes.
    if (announced === null && c.req.raw.body !== null) return counting(c, next)
    if (Number(announced) > bytes) refuse()
    return next()
  }
}

const HTTP_ERRORS: Record<number, () => ApiError> = {
  // Hono's validator, on a body that is not JSON.
  400: () => badRequest(null, 'The body is not valid JSON.', 'invalid_json'),
}

/** An exception as the answer's error. Whatever is not known says nothing of itself to the caller. */
export const toErrorAnswer = (thrown: unknown): ApiError => {
  const error = asAnswerError(thrown)
  if (error instanceof ApiError) return error
  const known = error instanceof HTTPException ? HTTP_ERRORS[error.status] : undefined
  return (
    known?.() ??
    new ApiError({
      status: 500,
      code: 'internal_error',
      message: 'The gateway failed. The request id tells which log entry this is.',
      cause: thrown,
    })
  )
}

/** Name and places only: messages of exceptions may quote keys or training data. */
export const logFailure = (requestId: string, thrown: unknown): void => {
  const error = thrown instanceof Error ? thrown : undefined
  const frames = error?.stack
    ?.split('\n')
    .filter(line => /^\s+at /.test(line))
    .map(line => line.trim())
  console.error(
    JSON.stringify({
      level: 'error',
      request_id: requestId,
      error: error?.name ?? typeof thrown,
      at: frames?.slice(0, 8),
    }),
  )
}
