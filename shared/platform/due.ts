/**
 * Work that is due at a time: an index of its records by that time, so that a scan reads only what is due.
 * @module
 */
import { forEach } from '../each.ts'
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

const REMOVED_AT_ONCE = 6

/**
 * Removes what is to be removed by now. The list may be of a moment ago, and what it shows be in use again: each is looked at once more.
 * @param now Unix seconds
 * @param isOver whether a record, as it is now, is to be removed
 */
export const removeExpired = async <T extends { id: string }>(
  store: Store,
  records: Collection<T, 'due'>,
  now: number,
  limit: number,
  isOver: (value: T) => boolean,
): Promise<void> => {
  const old = await listDue(store, records, now, limit, 'expired')
  await forEach(old, REMOVED_AT_ONCE, async ({ id }) => {
    const found = await records.get(store, id)
    if (found && isOver(found.value)) await records.delete(store, id)
  })
}
