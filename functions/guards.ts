/**
 * Doors that open for more than one kind of caller.
 * @module
 */
import { ApiError } from '../shared/openai/index.ts'
import { asAdmin, asOwner, type Guard } from './http.ts'

/** Lets in whoever has a gateway key, and the deployment's admin, who owns nothing ({@link managerOf}). */
export const asManager: Guard = async (context, headers) => {
  try {
    return await asOwner(context, headers)
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'invalid_api_key') throw error
    // A key that is neither is told what is wrong with it as a gateway key.
    return Promise.resolve(asAdmin(context, headers)).catch(() => {
      throw error
    })
  }
}

/** Who manages: an owner, or null for the admin. */
export const managerOf = (owner: string): string | null => (owner === '' ? null : owner)
