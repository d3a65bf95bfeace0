/**
 * What has been spent, and set aside, of one limit in one period: one record, changed by conditional writes only. Whether there is
 * room for an amount is decided in the very write that sets it aside. A reservation that is there has not been settled, and one
 * that is settled is not there: doing either again changes nothing.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError } from '../openai/index.ts'
import { collection, dueEntry } from '../platform/index.ts'
import { sum } from './money.ts'

/** Whose limit, and of which period: `YYYY-MM`, or {@link WHOLE}. */
export interface AccountRef {
  holder: string
  period: string
}

/** The period of a limit that is good for all time. */
export const WHOLE = 'whole'

/** A threshold that has been reached. */
export interface Alert {
  threshold: number
  /** Unix seconds. */
  at: number
  /** The job that reached it. */
  job: string | null
  is_told: boolean
}

export interface AccountRecord extends AccountRef {
  /** What is over, in millionths. */
  settled_micros: number
  /** What is set aside, by what for. */
  reservations: Record<string, number>
  /** What deployments have cost so far, by deployment. */
  hosting: Record<string, number>
  alerts: Alert[]
  /** Unix seconds: when alerts are to be told, or reservations looked through. */
  due_at: number | null
}

const accountId = ({ holder, period }: AccountRef): string => `${holder}/${period}`

export const ACCOUNTS = collection<AccountRecord, 'due'>('account', accountId, {
  due: { slot: 'b', entry: account => dueEntry(account.due_at, accountId(account)) },
})

/** What an account is held to. */
export interface Terms {
  limit_micros: number
  /** Shares of the limit, ascending. */
  thresholds: readonly number[]
}

export const spentIn = ({ settled_micros, hosting }: AccountRecord): number =>
  settled_micros + sum(Object.values(hosting))
export const reservedIn = ({ reservations }: AccountRecord): number => sum(Object.values(reservations))
const usedIn = (account: AccountRecord) => spentIn(account) + reservedIn(account)

/** Millionths that are left, never below 0. */
export const roomIn = (account: AccountRecord, { limit_micros }: Pick<Terms, 'limit_micros'>): number =>
  Math.max(0, limit_micros - usedIn(account))

/** Seconds between looks for reservations that no one will settle. */
const LOOK = 6 * 3600

const dueOf = ({ alerts, reservations, due_at }: AccountRecord, now: number): number | null => {
  if (alerts.some(({ is_told }) => !is_told)) return Math.min(due_at ?? now, now)
  if (Object.keys(reservations).length === 0) return null
  return due_at !== null && due_at > now ? due_at : now + LOOK
}

/** The account after a change: thresholds it has reached, told ones for good, and when it is due. Without terms they stay. */
const reviewed = (
  account: AccountRecord,
  terms: Terms | undefined,
  { now, job }: { now: number; job: string | null },
): AccountRecord => {
  if (!terms) return { ...account, due_at: dueOf(account, now) }
  const { limit_micros, thresholds } = terms
  const used = usedIn(account)
  const isReached = (threshold: number) => used >= threshold * limit_micros
  const known = account.alerts.filter(({ is_told, threshold }) => is_told || isReached(threshold))
  const fresh = thresholds
    .filter(each => isReached(each) && !known.some(({ threshold }) => threshold === each))
    .map((threshold): Alert => ({ threshold, at: now, job, is_told: false }))
  const next = { ...account, alerts: [...known, ...fresh] }
  return { ...next, due_at: dueOf(next, now) }
}

const emptyAccount = (ref: AccountRef): AccountRecord => ({
  ...ref,
  settled_micros: 0,
  reservations: {},
  hosting: {},
  alerts: [],
  due_at: null,
})

export const getAccount = async ({ platform }: Context, ref: AccountRef): Promise<AccountRecord> =>
  (await ACCOUNTS.get(platform.store, accountId(ref)))?.value ?? emptyAccount(ref)

/** How often an account is tried that many write to at once. */
const TRIES = 12
/** Milliseconds of the pauses between. */
const PAUSE = 40

const isConflict = (error: unknown) => error instanceof ApiError && error.code === 'conflict'

/** Changes an account, which begins with its first change; returning the same object changes nothing. */
const change = async (
  { platform: { store, clock } }: Context,
  ref: AccountRef,
  how: (account: AccountRecord) => AccountRecord,
): Promise<AccountRecord> => {
  for (let tries = 1; tries <= TRIES; tries++) {
    try {
      const updated = await ACCOUNTS.update(store, accountId(ref), how)
      if (updated) return updated
      const empty = emptyAccount(ref)
      const first = how(empty)
      if (first === empty || (await ACCOUNTS.create(store, first))) return first
    } catch (error) {
      if (!isConflict(error)) throw error
      await clock.sleep(Math.random() * PAUSE * tries)
    }
  }
  // No one's fault but the gateway's: whoever asked comes again.
  throw new Error('An account is being changed by too many.')
}

/**
 * Sets an amount aside, if there is room for it. What is set aside already stays as it is.
 * @returns whether it is set aside, and the account as it now is
 */
export const reserve = async (
  context: Context,
  ref: AccountRef,
  { key, micros, job }: { key: string; micros: number; job: string },
  terms: Terms,
): Promise<{ isReserved: boolean; account: AccountRecord }> => {
  const now = nowSeconds(context)
  let isReserved = false
  const account = await change(context, ref, value => {
    isReserved = key in value.reservations
    if (isReserved || micros > roomIn(value, terms)) return value
    isReserved = true
    const reservations = { ...value.reservations, [key]: micros }
    return reviewed({ ...value, reservations }, terms, { now, job })
  })
  return { isReserved, account }
}

/**
 * Ends a reservation with what it came to: 0 gives it back. One that is not there has been ended.
 * @param terms none where nothing is limited any more
 */
export const settle = (
  context: Context,
  ref: AccountRef,
  { key, micros, job }: { key: string; micros: number; job: string },
  terms?: Terms,
): Promise<AccountRecord> => {
  const now = nowSeconds(context)
  return change(context, ref, value => {
    if (!(key in value.reservations)) return value
    const { [key]: _, ...reservations } = value.reservations
    const settled_micros = value.settled_micros + micros
    return reviewed({ ...value, reservations, settled_micros }, terms, { now, job })
  })
}

/** Says what a deployment has cost so far in the period: never less than was said before. */
export const noteHosting = (
  context: Context,
  ref: AccountRef,
  { key, micros }: { key: string; micros: number },
  terms: Terms,
): Promise<AccountRecord> => {
  const now = nowSeconds(context)
  return change(context, ref, value => {
    if (micros <= (value.hosting[key] ?? 0)) return value
    const hosting = { ...value.hosting, [key]: micros }
    return reviewed({ ...value, hosting }, terms, { now, job: null })
  })
}

/** Notes that an alert has been told. @returns whether it was this call that did */
export const markTold = async (context: Context, ref: AccountRef, threshold: number): Promise<boolean> => {
  const now = nowSeconds(context)
  let isMine = false
  await change(context, ref, value => {
    isMine = value.alerts.some(each => each.threshold === threshold && !each.is_told)
    if (!isMine) return value
    const alerts = value.alerts.map(each =>
      each.threshold === threshold ? { ...each, is_told: true } : each,
    )
    const next = { ...value, alerts, due_at: null }
    return { ...next, due_at: dueOf(next, now) }
  })
  return isMine
}

/** Puts the next look at an account off, when it has been looked at. */
export const markSeen = async (context: Context, ref: AccountRef): Promise<void> => {
  const now = nowSeconds(context)
  await change(context, ref, value => ({ ...value, due_at: dueOf({ ...value, due_at: null }, now) }))
}
