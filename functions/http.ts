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
import { authenticate, bearerOf, type KeyRecord, requireAdmin } from '../shared/access/index.ts'
import type { Caller, Context } from '../shared/context.ts'
import { ApiError, badRequest, toApiError } from '../shared/openai/index.ts'
import type { Platform } from '../shared/platform/index.ts'
import { asAnswerError } from '../shared/providers/index.ts'
import type { RequestContext } from './context.ts'

export interface AppEnv {
  Bindings: { platform: Platform }
  Variables: { requestId: string; context: RequestContext; owner: string }
}

/** Decides who a request comes from. @throws {ApiError} 401 */
export type Guard = (context: Context, headers: Headers) => Promise<Caller> | Caller

const callerOf = ({ owner, id }: KeyRecord): Caller => ({ owner, key: id })

/** Lets in whoever has a gateway key; records belong to its owner. */
export const asOwner: Guard = (context, headers) => {
  const key = authenticate(context, bearerOf(headers.get('authorization')))
  return key instanceof Promise ? key.then(callerOf) : callerOf(key)
}

/** Owns nothing. */
const NOBODY: Caller = { owner: '', key: null }

/** Lets in the deployment's admin only. */
export const asAdmin: Guard = async (context, headers) => {
  await requireAdmin(context, bearerOf(headers.get('authorization')))
  return NOBODY
}

/** Lets in whoever comes: what is behind proves its senders itself. */
export const asAnyone: Guard = () => NOBODY

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
