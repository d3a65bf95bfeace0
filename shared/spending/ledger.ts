/**
 * The ledger: one entry for each attempt that a provider has had and is over, and for each day of a deployment. Ids follow from what
 * the entries are of: entering twice makes one.
 * @module
 */
import type { Context } from '../context.ts'
import { collection } from '../platform/index.ts'
import { dayOf } from './calendar.ts'

export interface LedgerEntry {
  id: string
  line_item: 'training' | 'hosting'
  owner: string
  /** The gateway key that asked for the job; null where none did. */
  key: string | null
  job: string
  /** As the provider names it: what was trained. */
  model: string
  provider: string
  connection: string
  /** Unix seconds: when the attempt began, or the day. It counts in this day and month. */
  at: number
  /** Millionths; null: not known. */
  cost_micros: number | null
  missing: string | null
  /** The expected figure of the estimate; null where there was none. */
  estimate_micros: number | null
}

const EVERY = 'all'
/** Where an entry stands in time. */
export const placeOf = ({ at, id }: Pick<LedgerEntry, 'at' | 'id'>): string => `${dayOf(at)}#${id}`

const LEDGER = collection<LedgerEntry, 'owner' | 'all'>('ledger', ({ id }) => id, {
  owner: { slot: 'a', entry: entry => ({ partition: entry.owner, sort: placeOf(entry) }) },
  all: { slot: 'b', entry: entry => ({ partition: EVERY, sort: placeOf(entry) }) },
})

/** Enters what is over and does not change any more. */
export const enterOnce = async ({ platform }: Context, entry: LedgerEntry): Promise<void> => {
  await LEDGER.create(platform.store, entry)
}

/** Enters days, of which the last may still grow. */
export const enterDays = ({ platform }: Context, entries: LedgerEntry[]): Promise<void> =>
  LEDGER.putAll(platform.store, entries)

/** Entries read at a time. */
const CHUNK = 500

/** The entries of some days, in order. @param owner null: everyone's; @param from, to `YYYY-MM-DD`, `to` not among them */
export async function* entriesOf(
  { platform: { store } }: Context,
  owner: string | null,
  from: string,
  to: string,
): AsyncGenerator<LedgerEntry> {
  const [index, partition] = owner === null ? (['all', EVERY] as const) : (['owner', owner] as const)
  for (let after = from; ; ) {
    const { items, hasMore } = await LEDGER.list(store, index, partition, {
      order: 'asc',
      limit: CHUNK,
      after,
      below: to,
    })
    yield* items
    const last = items.at(-1)
    if (!hasMore || !last) return
    after = placeOf(last)
  }
}
