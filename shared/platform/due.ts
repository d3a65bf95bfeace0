/**
 * Work that is due at a time: an index of its records by that time, so that a scan reads only what is due.
 * @module
 */
import type { Collection } from './collection.ts'
import type { IndexEntry, Store } from './ports.ts'

/** `due`: work to be done. `expired`: what is to be removed, kept apart so that no amount of it delays work. */
export type DueList = 'due' | 'expired'

const sortOf = (seconds: number) => String(Math.max(0, Math.floor(seconds))).padStart(12, '0')

/** Where a record stands among what is due. @param at Unix seconds; null: never */
export const dueEntry = (at: number | null, id: string, list: DueList = 'due'): IndexEntry | undefined =>
  at === null ? undefined : { partition: list, sort: `${sortOf(at)}#${id}` }

/** When what stands in the list `expired` is to be removed, for a store that removes by itself. @returns Unix seconds */
export const expiryOf = (entry: IndexEntry | undefined): number | undefined =>
  entry?.partition === ('expired' satisfies DueList) ? Number(entry.sort.split('#')[0]) : undefined

/** What is due by now, longest overdue first. @param now Unix seconds */
export const listDue = async <T>(
  store: Store,
  records: Collection<T, 'due'>,
  now: number,
  limit: number,
  list: DueList = 'due',
): Promise<T[]> => {
  const { items } = await records.list(store, 'due', list, {
    order: 'asc',
    limit,
    below: sortOf(now + 1),
  })
  return items
}
