/**
 * Whom a token lets in, and for how long that is remembered.
 * @module
 */
import type { Caller, Context } from '../context.ts'
import { ApiError } from '../openai/index.ts'

export interface Admission {
  caller: Caller
  /** Unix seconds from which on it does no more; null: never. */
  until: number | null
}

/**
 * Tokens found valid, by the token itself: hashing or verifying it anew for each request costs as much as all the rest of the way
 * in. A revocation is seen at once by the isolate that made it, and by all others after this time at the latest. Unknown tokens
 * are not remembered.
 */
const CACHE = { size: 2000, ttlMs: 10_000 }
export const admissionsOf = ({ caches }: Context) => caches<Admission>('keys', CACHE)

export const unauthorised = (code: 'missing_api_key' | 'invalid_api_key', message: string): ApiError =>
  new ApiError({ status: 401, code, message, headers: { 'www-authenticate': 'Bearer' } })
