/**
 * One worker at a time for a copy.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { COPIES, type CopyRecord } from './copy-records.ts'
import { leasesOf } from './lease.ts'

const leases = leasesOf(COPIES)
export const { claim, save } = leases

/** Lets go of a copy. What it is then told to be is only written if it is still in these hands. */
export const release = (context: Context, copy: CopyRecord, changes: Partial<CopyRecord>): Promise<void> =>
  leases.release(context, copy, ({ state }) =>
    // A deletion that came meanwhile is still to be carried out.
    state === 'deleting' ? { ...changes, state, due_at: nowSeconds(context) } : changes,
  )
