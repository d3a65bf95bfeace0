/**
 * OpenAI's cursor paging: `limit`, `after`, and envelopes that say whether there is more.
 * @module
 */
import * as z from 'zod'
import type { EndedList, List } from './objects.ts'

/** Characters. A provider's own id may be a path or an address: Cloud Storage has names of up to 1,024 bytes. */
const LONGEST_CURSOR = 2048
const cursor = z.string().min(1).max(LONGEST_CURSOR).optional()
const count = (max: number, standard: number) => z.coerce.number().int().min(1).max(max).default(standard)

/** `?limit&after` with the resource's own bounds. */
export const pageQuery = (max: number, standard: number) => ({ limit: count(max, standard), after: cursor })

/** The envelope of jobs and events. */
export const list = <T>(data: T[], hasMore: boolean): List<T> => ({ object: 'list', data, has_more: hasMore })

/** The envelope of files, whose ends are strings even when the list is empty (OpenAI's specification). */
export const endedList = <T extends { id: string }>(data: T[], hasMore: boolean): EndedList<T> => ({
  ...list(data, hasMore),
  first_id: data[0]?.id ?? '',
  last_id: data.at(-1)?.id ?? '',
})
