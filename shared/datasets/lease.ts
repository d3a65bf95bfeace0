/**
 * One worker at a time for a record of long work: who is at work holds a lease, each change renews it, and a change by anyone who
 * holds it no longer is not written.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import type { ChunkReader, Collection } from '../platform/index.ts'

/** What a record of work has that one worker at a time is at. */
export interface Leased {
  id: string
  state: string
  /** Who is at work, and until when it is believed without a further sign of life (Unix seconds). */
  lease: { holder: string; until: number } | null
  /** When the schedule is to see to it, Unix seconds; null: never. */
  due_at: number | null
}

/** Someone else is at work on it, or it is gone. */
export class LeaseLost extends Error {
  constructor() {
    super('The work is no longer in these hands.')
    this.name = 'LeaseLost'
  }
}

/** Whether someone is at work on it, as far as is known. */
export const isHeld = (context: Context, { lease }: Pick<Leased, 'lease'>): boolean =>
  lease !== null && lease.until > nowSeconds(context)

const leased = (context: Context, holder: string): Pick<Leased, 'lease' | 'due_at'> => {
  const until = nowSeconds(context) + context.config.copying.leaseSeconds
  return { lease: { holder, until }, due_at: until }
}

/** The leases on one kind of record. */
export const leasesOf = <T extends Leased>(records: Pick<Collection<T, 'due'>, 'update'>) => ({
  /**
   * Takes a record into one's hands, if it is in nobody's.
   * @param may whether there is anything to do; asked of the record as it then is
   */
  async claim(
    context: Context,
    id: string,
    holder: string,
    may: (value: T) => boolean = () => true,
  ): Promise<T | undefined> {
    const claimed = await records.update(context.platform.store, id, value =>
      isHeld(context, value) || !may(value) ? value : { ...value, ...leased(context, holder) },
    )
    return claimed?.lease?.holder === holder ? claimed : undefined
  },

  /** Writes a change, and shows a sign of life. @throws {LeaseLost} Nothing has been written then. */
  async save(context: Context, { id, lease, state }: T, changes: Partial<T>): Promise<T> {
    const holder = lease?.holder ?? ''
    const saved = await records.update(context.platform.store, id, value =>
      // Who ends the work for all takes it out of any state and any hands.
      value.lease?.holder === holder && value.state === state
        ? { ...value, ...leased(context, holder), ...changes }
        : value,
    )
    if (saved?.lease?.holder !== holder || saved.state !== (changes.state ?? state)) throw new LeaseLost()
    return saved
  },

  /** Lets go. What it is then told to be is only written if it is still in these hands. */
  async release(
    context: Context,
    { id, lease }: T,
    changes: Partial<T> | ((value: T) => Partial<T>),
  ): Promise<void> {
    await records.update(context.platform.store, id, value =>
      value.lease?.holder === lease?.holder
        ? { ...value, ...(typeof changes === 'function' ? changes(value) : changes), lease: null }
        : value,
    )
  },
})

/** A sign of life, to be called as often as something moves: it is given when it is time for one. */
export const signOfLife = (context: Context, give: () => Promise<unknown>): (() => Promise<void>) => {
  const pause = context.config.copying.leaseSeconds / 3
  let last = nowSeconds(context)
  return async () => {
    if (nowSeconds(context) - last <= pause) return
    last = nowSeconds(context)
    await give()
  }
}

/** Calls a sign of life along while a body is read. */
export const watched = (source: ChunkReader, alive: () => Promise<void>): ChunkReader => ({
  async next(spent) {
    await alive()
    return source.next(spent)
  },
  cancel: () => source.cancel(),
})
