import type { Context } from 'hono'
import { ApiError } from './errors.ts'

/**
 * The request's body as JSON.
 *
 * @throws {ApiError} 400 if it is none
 */
export async function readJson(context: Context): Promise<unknown> {
  try {
    return await context.req.json()
  } catch {
    throw new ApiError(400, 'We could not parse the JSON body of your request.', { code: 'invalid_json' })
  }
}
