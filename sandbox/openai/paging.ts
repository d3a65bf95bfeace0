import * as z from 'zod'
import type { Ledger } from '../ledger.ts'
import { ApiError, check } from './errors.ts'

export interface ListOptions<T extends { id: string }> {
  defaultLimit: number
  maxLimit: number
  order?: 'asc' | 'desc'
  where?: (item: T) => boolean
}

/**
 * Answers a list request's `after` and `limit`.
 *
 * @throws {ApiError} 400 for a bad limit or an unknown cursor
 */
export function listPage<T extends { id: string }>(
  ledger: Ledger<T>,
  query: Record<string, string | undefined>,
  { defaultLimit, maxLimit, order = 'desc', where }: ListOptions<T>,
): { object: 'list'; data: T[]; has_more: boolean } {
  const { limit } = check(
    z.object({
      limit: z.coerce.number().pipe(z.int().min(1).max(maxLimit)).default(defaultLimit),
    }),
    query,
  )
  const page = ledger.page({ after: query.after, limit, order, ...(where && { where }) })
  if (!page) throw new ApiError(400, `No such object: ${query.after}`, { param: 'after' })
  return { object: 'list', data: page.data, has_more: page.hasMore }
}
