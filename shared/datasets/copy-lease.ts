/**
 * One worker at a time for a copy: who is at work holds a lease, each change renews it, and a change by anyone who holds it no
 * longer is not written.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { COPIES, type CopyRecord } from './copy-records.ts'

/** Someone else is at work on the copy, or it is gone. */
export class LeaseLost extends Error {
  constructor() {
    super('The copy is no longer in these hands.')
    this.name = 'LeaseLost'
  }
}

/** Whether someone is at work on it, as far as is known. */
export const isHeld = (context: Context, { lease }: CopyRecord) =>
  lease !== null && lease.until > nowSeconds(context)

/**
 * Takes a copy into one's hands, if it is in nobody's.
 * @param may whether there is anything to do; asked of the record as it then is
 */
export const claim = async (
  context: Context,
  id: string,
  holder: string,
  may: (copy: CopyRecord) => boolean = () => true,
): Promise<CopyRecord | undefined> => {
  const copy = await COPIES.update(context.platform.store, id, value =>
    isHeld(context, value) || !may(value) ? value : { ...value, ...leased(context, holder) },
  )
  return copy?.lease?.holder === holder ? copy : undefined
}

const leased = (context: Context, holder: string): Pick<CopyRecord, 'lease' | 'due_at'> => {
  const until = nowSeconds(context) + context.config.copying.leaseSeconds
  return { lease: { holder, until }, due_at: until }
}

/** Writes a change, and shows a sign of life. @throws {LeaseLost} Nothing has been written then. */
export const save = async (
  context: Context,
  { id, lease, state }: CopyRecord,
  changes: Partial<CopyRecord>,
): Promise<CopyRecord> => {
  const holder = lease?.holder ?? ''
  const copy = await COPIES.update(context.platform.store, id, value =>
    // A deletion takes a copy out of any state and any hands.
    value.lease?.holder === holder && value.state === state
      ? { ...value, ...leased(context, holder), ...changes }
      : value,
  )
  if (copy?.lease?.holder !== holder || copy.state !== (changes.state ?? state)) throw new LeaseLost()
  return copy
}

/** Lets go of a copy. What it is then told to be is only written if it is still in these hands. */
export const release = async (
  context: Context,
  { id, lease }: CopyRecord,
  changes: Partial<CopyRecord>,
): Promise<void> => {
  await COPIES.update(context.platform.store, id, value => {
    if (value.lease?.holder !== lease?.holder) return value
    const next = { ...value, ...changes, lease: null }
    // A deletion that came meanwhile is still to be carried out.
    return value.state === 'deleting' ? { ...next, state: 'deleting', due_at: nowSeconds(context) } : next
  })
}
