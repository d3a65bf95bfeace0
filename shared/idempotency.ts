/**
 * Requests that are repeated under an `Idempotency-Key`: carried out once, and answered alike from then on (as at Stripe).
 *
 * A record says who is at it, under a lease that is renewed; who dies leaves it to the next. What the request makes gets ids that
 * follow from the record, so that whoever takes over finds what was made already.
 * @module
 */
import { type Caller, type Context, nowSeconds } from './context.ts'
import { ApiError, sha256, toBase64 } from './openai/index.ts'
import {
  bytesToBase62,
  collection,
  createSealer,
  dueEntry,
  type Ids,
  removeExpired,
  toBase62,
} from './platform/index.ts'

/** An answer as it is told again. */
export interface KeptAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

interface IdempotencyRecord {
  /** A digest of whose it is, and of the key. */
  id: string
  /** A digest of where the request goes. */
  target: string
  /** A digest of the request's body; null until it is known, as a form's is only at its end. */
  body: string | null
  /** `open`: nobody is at it, and no answer is kept. */
  state: 'running' | 'open' | 'done'
  /** Who is at it. */
  holder: string
  /** Unix seconds. */
  leased_until: number
  /** Unix milliseconds: when it was first asked for. */
  began_at: number
  /** Unix seconds. */
  expires_at: number
  /** Sealed where it holds a secret. */
  answer: (KeptAnswer & { is_sealed: boolean }) | null
}

const RECORDS = collection<IdempotencyRecord, 'due'>('idempotency', ({ id }) => id, {
  due: { slot: 'b', entry: ({ expires_at, id }) => dueEntry(expires_at, id, 'expired') },
})

/** Seconds that an answer is kept. */
const KEPT = 86_400
/** Seconds without a sign of life after which the next may take over. */
const LEASE = 60
const RENEWED_EVERY_MS = 20_000
/** Seconds after which to ask again whether the first is through. */
const ASK_AGAIN = 2

/** A request under its key. */
export interface Keyed {
  caller: Caller
  key: string
  /** Method, path and whatever else says where it goes. */
  target: string
  /** A digest; null where it is not known yet. */
  body: string | null
}

/** A request that is to be carried out now. */
export interface Run {
  id: string
  holder: string
  /** Those of what it makes. */
  ids: Ids
}

export type Claim = { run: Run } | { answer: KeptAnswer; body: string | null }

const digest = async (...parts: string[]): Promise<string> =>
  toBase64(await sha256(parts.map(part => `${part.length}:${part}`).join('')))

/** Ids in the manner of the platform's, the same whenever they are asked for: one of a kind. */
const idsOf = async ({ id, began_at }: IdempotencyRecord): Promise<Ids> => {
  const random = (await sha256(`${id}\n${began_at}`)).subarray(0, 16)
  return { next: prefix => prefix + toBase62(began_at, 8) + bytesToBase62(random) }
}

const sealerOf = ({ platform }: Context) => createSealer(platform, 'idempotent answers')

const inUse = (): ApiError =>
  new ApiError({
    status: 409,
    code: 'idempotency_key_in_use',
    param: 'idempotency-key',
    message: 'A request under this Idempotency-Key is being carried out.',
    headers: { 'retry-after': String(ASK_AGAIN) },
  })

/** @throws {ApiError} 422 */
export const refuseReuse = (): never => {
  throw new ApiError({
    status: 422,
    code: 'idempotency_key_reused',
    param: 'idempotency-key',
    message: 'This Idempotency-Key belongs to another request: each takes a key of its own.',
  })
}

type Judgement = 'take' | 'renew' | 'busy' | 'other' | 'done'

const judge = (record: IdempotencyRecord, wanted: IdempotencyRecord, now: number): Judgement => {
  if (record.expires_at <= now) return 'renew'
  const isOther = record.body !== null && wanted.body !== null && record.body !== wanted.body
  if (record.target !== wanted.target || isOther) return 'other'
  if (record.state === 'done') return 'done'
  return record.state === 'running' && record.leased_until > now ? 'busy' : 'take'
}

/** Takes a record for oneself, or learns why not. */
const take = async (
  { platform: { store } }: Context,
  wanted: IdempotencyRecord,
  now: number,
): Promise<{ record: IdempotencyRecord; judgement: Judgement } | undefined> => {
  if (await RECORDS.create(store, wanted)) return { record: wanted, judgement: 'take' }
  let judgement: Judgement = 'busy'
  const record = await RECORDS.update(store, wanted.id, found => {
    judgement = judge(found, wanted, now)
    if (judgement === 'renew') return wanted
    if (judgement !== 'take') return found
    const { began_at } = found
    return { ...wanted, began_at, body: wanted.body ?? found.body }
  })
  return record && { record, judgement }
}

/**
 * Whether a request is to be carried out, or was answered before.
 * @param isSecret whether its answer will hold a secret
 * @throws {ApiError} 409 while it is being carried out, 422 when the key is another request's, 500 when a secret could not be kept
 */
export const claimRequest = async (
  context: Context,
  { caller, key, target, body }: Keyed,
  isSecret: boolean,
): Promise<Claim> => {
  const { clock } = context.platform
  const now = nowSeconds(context)
  const sealer = isSecret ? await sealerOf(context) : undefined
  const wanted: IdempotencyRecord = {
    id: await digest(caller.owner, caller.key ?? '', caller.subject ?? '', key),
    target: await digest(target),
    body,
    state: 'running',
    holder: crypto.randomUUID(),
    leased_until: now + LEASE,
    began_at: clock.now(),
    expires_at: now + KEPT,
    answer: null,
  }
  // Swept between two looks, it is there to be made anew.
  const found = (await take(context, wanted, now)) ?? (await take(context, wanted, now))
  if (!found || found.judgement === 'busy') throw inUse()
  const { record, judgement } = found
  if (judgement === 'other') refuseReuse()
  if (judgement !== 'done' || !record.answer)
    return { run: { id: record.id, holder: record.holder, ids: await idsOf(record) } }
  const { is_sealed, ...answer } = record.answer
  const told = is_sealed
    ? await (sealer ?? (await sealerOf(context))).open(answer.body, record.id)
    : answer.body
  return { answer: { ...answer, body: told }, body: record.body }
}

/** Changes a record as long as it is one's own. */
const change = (
  { platform: { store } }: Context,
  { id, holder }: Run,
  to: (record: IdempotencyRecord) => IdempotencyRecord,
): Promise<unknown> => RECORDS.update(store, id, record => (record.holder === holder ? to(record) : record))

/** Keeps others away while a request is carried out. @returns ends it */
export const keepLease = (context: Context, run: Run): (() => void) => {
  const renew = () =>
    change(context, run, record => ({ ...record, leased_until: nowSeconds(context) + LEASE })).catch(
      () => undefined,
    )
  const timer = setInterval(() => context.platform.defer(renew()), RENEWED_EVERY_MS)
  return () => clearInterval(timer)
}

/**
 * Ends a run.
 * @param answer to be told again; undefined: none, and the next request is carried out anew
 * @param body the digest of the request's body, where it was not known before
 */
export const endRun = async (
  context: Context,
  run: Run,
  answer: KeptAnswer | undefined,
  { body, isSecret }: { body?: string | undefined; isSecret: boolean },
): Promise<void> => {
  const now = nowSeconds(context)
  const kept = answer && {
    ...answer,
    is_sealed: isSecret,
    ...(isSecret && { body: await (await sealerOf(context)).seal(answer.body, run.id) }),
  }
  await change(context, run, record =>
    kept
      ? { ...record, state: 'done', body: body ?? record.body, answer: kept, expires_at: now + KEPT }
      : { ...record, state: 'open', leased_until: now },
  )
}

/** Forgets answers that have been kept long enough, as the schedule's duty. */
export const forgetAnswers = async (context: Context, limit: number): Promise<void> => {
  const now = nowSeconds(context)
  await removeExpired(context.platform.store, RECORDS, now, limit, ({ expires_at }) => expires_at <= now)
}
