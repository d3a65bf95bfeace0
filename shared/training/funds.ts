/**
 * The money of a job: set aside before each attempt, settled when the attempt is over.
 *
 * The job's record says what is to be set aside, and where, before any account is written: whoever dies in between leaves a record
 * from which the next step goes on, and an account whose reservation the record explains.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError, type BudgetDetails, budgetLimitOf, type JobEstimate } from '../openai/index.ts'
import {
  type AccountRecord,
  type AccountRef,
  type BudgetRecord,
  budgetsFor,
  type Charge,
  enterOnce,
  getAccount,
  getBudgetRecord,
  isBudget,
  monthOf,
  reserve,
  reservedIn,
  roomIn,
  settle,
  spentIn,
  type Terms,
  termsOf,
  toMicros,
  toUsd,
  WHOLE,
} from '../spending/index.ts'
import { tellAlerts } from './alerts.ts'
import { announceAttempt } from './announce.ts'
import { chargeOfCurrent, chargeOfPast, countedOf, targetOfPast } from './charges.ts'
import {
  isTerminal,
  JOBS,
  type JobRecord,
  type PastAttempt,
  type Reservation,
  type Target,
} from './records.ts'

/** Every limit that a job's attempts are held to. */
export interface Limits {
  budgets: BudgetRecord[]
  batch: JobRecord['batch_limit']
  /** Millionths. */
  own: number | null
}

type Held = Pick<JobRecord, 'owner' | 'key' | 'batch_limit' | 'request'>

export const limitsOf = async (context: Context, job: Held): Promise<Limits> => {
  const own = budgetLimitOf(job.request)
  return {
    budgets: await budgetsFor(context, job),
    batch: job.batch_limit ?? null,
    own: own === null ? null : toMicros(own),
  }
}

const isBound = ({ budgets, batch, own }: Limits) => budgets.length > 0 || batch !== null || own !== null

/** The high figure of an estimate, in millionths; null: not known. */
const highOf = (estimate: Target['estimate']): number | null => {
  const usd = 'missing' in estimate ? null : estimate.usd
  return usd && toMicros(usd.high)
}

const dollars = (micros: number) => `$${toUsd(micros)}`

const exceeded = (param: string | null, message: string, details: BudgetDetails) =>
  new ApiError({
    status: 402,
    code: 'budget_exceeded',
    param,
    message,
    headers: { 'x-should-retry': 'false' },
    tunegate: details,
  })

const reasonOf = (estimate: JobEstimate | { missing: string }) =>
  'missing' in estimate ? estimate.missing : (estimate.price_missing ?? 'Its cost cannot be estimated.')

const priceUnknown = ({ connection, estimate }: Pick<Target, 'connection' | 'estimate'>, by: string) =>
  new ApiError({
    status: 402,
    code: 'price_unknown',
    param: 'model',
    message: `What the job costs at '${connection}' is not known, and ${by} lets nothing of unknown cost through. ${reasonOf(estimate)}`,
    headers: { 'x-should-retry': 'false' },
  })

/** What a job at a place would set aside. @returns the reservation, or why there can be none */
const wantedAt = (
  context: Context,
  limits: Limits,
  target: Pick<Target, 'connection' | 'estimate'>,
  spent: number,
): Reservation | ApiError => {
  const micros = highOf(target.estimate)
  if (micros === null) {
    const strict = limits.budgets.find(({ unknown_prices }) => unknown_prices === 'refuse')
    if (strict) return priceUnknown(target, `the budget ${strict.id}`)
    const isStrict = context.config.unknownPrices === 'refuse'
    if (isStrict && limits.own !== null) return priceUnknown(target, "the job's budget_limit")
    if (isStrict && limits.batch !== null) return priceUnknown(target, "the batch's budget_limit")
  }
  if (micros !== null && limits.own !== null && spent + micros > limits.own)
    return exceeded(
      'budget_limit',
      `The job may cost ${dollars(limits.own)} (budget_limit). At '${target.connection}' it is estimated to cost up to ${dollars(micros)}${spent > 0 ? `, after ${dollars(spent)} for earlier attempts` : ''}.`,
      {
        budget: null,
        limit_usd: toUsd(limits.own),
        spent_usd: toUsd(spent),
        reserved_usd: 0,
        estimate_usd: toUsd(micros),
      },
    )
  const period = monthOf(nowSeconds(context))
  return {
    micros: micros ?? 0,
    accounts: [
      ...limits.budgets.map(({ id }) => ({ holder: id, period })),
      ...(limits.batch ? [{ holder: limits.batch.batch, period: WHOLE }] : []),
    ],
  }
}

/** What an account is held to now; undefined where nothing is any more. */
const termsFor = async (
  context: Context,
  account: AccountRef,
  batch: JobRecord['batch_limit'],
): Promise<{ terms: Terms; budget: BudgetRecord | null } | undefined> => {
  if (!isBudget(account))
    return batch ? { terms: { limit_micros: batch.micros, thresholds: [] }, budget: null } : undefined
  const budget = await getBudgetRecord(context, account.holder)
  return budget && { terms: termsOf(budget), budget }
}

/** Why an account has no room for a job. */
const noRoom = (
  account: AccountRecord,
  { limit_micros }: Terms,
  budget: BudgetRecord | null,
  micros: number,
  connection: string,
): ApiError => {
  const isShared = budget?.scope.type === 'all'
  const [spent, reserved] = [spentIn(account), reservedIn(account)]
  const whose = budget
    ? `The ${isShared ? "deployment's " : ''}budget ${budget.id} for ${account.period}`
    : `The budget_limit of the batch ${account.holder}`
  // What others have used of a budget for everything is not told.
  const used = isShared ? '' : `, of which ${dollars(spent)} are spent and ${dollars(reserved)} reserved`
  return exceeded(
    null,
    `${whose} is ${dollars(limit_micros)}${used}: there is no room for this job, which is estimated to cost up to ${dollars(micros)} at '${connection}'.`,
    {
      budget: account.holder,
      limit_usd: toUsd(limit_micros),
      spent_usd: isShared ? null : toUsd(spent),
      reserved_usd: isShared ? null : toUsd(reserved),
      estimate_usd: toUsd(micros),
    },
  )
}

/**
 * What a job at a place would set aside as things stand; nothing is written.
 * @returns the reservation, or why there can be none
 */
export const reservationAt = async (
  context: Context,
  limits: Limits,
  target: Pick<Target, 'connection' | 'estimate'>,
): Promise<Reservation | ApiError> => {
  const wanted = wantedAt(context, limits, target, 0)
  if (wanted instanceof ApiError) return wanted
  for (const ref of wanted.accounts) {
    const bound = await termsFor(context, ref, limits.batch)
    const account = await getAccount(context, ref)
    if (bound && wanted.micros > roomIn(account, bound.terms))
      return noRoom(account, bound.terms, bound.budget, wanted.micros, target.connection)
  }
  return wanted
}

/** What the caller should know of a job that is let through though its cost is not known. */
export const unknownCostNote = (
  limits: Limits,
  { connection, estimate }: Pick<Target, 'connection' | 'estimate'>,
) =>
  isBound(limits) && highOf(estimate) === null
    ? [
        {
          level: 'warn' as const,
          message: `What the job costs at '${connection}' is not known: no budget counts it. ${reasonOf(estimate)}`,
        },
      ]
    : []

/** What an attempt's reservation is kept under. @param attempt from 0 */
const keyOf = ({ id }: Pick<JobRecord, 'id'>, attempt: number) => `${id}/${attempt}`

/** Gives back what an attempt has set aside. */
const giveBack = async (
  context: Context,
  job: JobRecord,
  attempt: number,
  accounts: readonly AccountRef[],
) => {
  for (const ref of accounts) {
    const bound = await termsFor(context, ref, job.batch_limit)
    await settle(context, ref, { key: keyOf(job, attempt), micros: 0, job: job.id }, bound?.terms)
  }
}

/**
 * Sets aside in every account what the job's record says of its current attempt. Doing it again changes nothing.
 * @throws {ApiError} 402 where one has no room; then none has it
 */
export const reserveFunds = async (context: Context, job: JobRecord): Promise<void> => {
  const { reservation, connection } = job
  const attempt = job.past.length
  const changed: AccountRecord[] = []
  for (const [index, ref] of (reservation?.accounts ?? []).entries()) {
    const bound = await termsFor(context, ref, job.batch_limit)
    if (!reservation || !bound) continue
    const { micros } = reservation
    const asked = { key: keyOf(job, attempt), micros, job: job.id }
    const { isReserved, account } = await reserve(context, ref, asked, bound.terms)
    changed.push(account)
    if (isReserved) continue
    await giveBack(context, job, attempt, reservation.accounts.slice(0, index))
    throw noRoom(account, bound.terms, bound.budget, micros, connection)
  }
  for (const account of changed) await tellAlerts(context, account)
}

/**
 * Sets aside what the current attempt may cost, if that has not been done.
 * @param write changes the job's record as long as the attempt is one's own
 * @returns the record, and what the caller should know
 * @throws {ApiError} 402
 */
export const setAside = async (
  context: Context,
  job: JobRecord,
  write: (to: (job: JobRecord) => JobRecord) => Promise<JobRecord>,
) => {
  let current = job
  let notes: ReturnType<typeof unknownCostNote> = []
  if (job.reservation === null) {
    const limits = await limitsOf(context, job)
    if (!isBound(limits)) return { job, notes }
    const wanted = wantedAt(context, limits, job, countedOf(job))
    if (wanted instanceof ApiError) throw wanted
    notes = unknownCostNote(limits, job)
    // A place may have been waited for: the attempt begins now, in the month whose budgets pay for it.
    const started_at = nowSeconds(context)
    current = await write(value =>
      value.reservation ? value : { ...value, reservation: wanted, started_at },
    )
  }
  try {
    await reserveFunds(context, current)
  } catch (error) {
    if (error instanceof ApiError) await write(value => ({ ...value, reservation: null }))
    throw error
  }
  return { job: current, notes }
}

/** Whether the gateway has sent the job itself: what it has only taken in is not its spending. */
const isOwn = ({ sent_at, past }: JobRecord) => sent_at !== null || past.length > 0

/** Enters the end of one attempt in the ledger and in every account. */
const enter = async (
  context: Context,
  job: JobRecord,
  attempt: number,
  of: Pick<
    PastAttempt,
    'provider' | 'connection' | 'native_model' | 'native_id' | 'started_at' | 'reservation'
  >,
  estimate: Target['estimate'],
  { usd, missing }: Charge,
): Promise<void> => {
  const key = keyOf(job, attempt)
  if ((of.native_id !== null || missing !== null) && isOwn(job)) {
    const expected = 'missing' in estimate ? null : estimate.usd
    await enterOnce(context, {
      id: key,
      line_item: 'training',
      owner: job.owner,
      key: job.key,
      job: job.id,
      model: of.native_model,
      provider: of.provider,
      connection: of.connection,
      at: of.started_at,
      cost_micros: usd === null ? null : toMicros(usd),
      missing,
      estimate_micros: expected && toMicros(expected.expected),
    })
  }
  const { micros, accounts } = of.reservation ?? { micros: 0, accounts: [] }
  // What is not known counts as what was set aside for it: never as nothing.
  const cost = usd === null ? micros : toMicros(usd)
  for (const ref of accounts) {
    const bound = await termsFor(context, ref, job.batch_limit)
    const account = await settle(context, ref, { key, micros: cost, job: job.id }, bound?.terms)
    await tellAlerts(context, account)
  }
}

/**
 * Enters what attempts that are over have cost. Doing it again changes nothing.
 * @param isLast also those of which it will not be known any more whether the provider had them
 */
export const settleSpending = async (
  context: Context,
  job: JobRecord,
  isLast = false,
): Promise<JobRecord> => {
  const due = job.past.flatMap((past, index) =>
    !past.is_accounted && (isLast || !past.is_unsettled) ? [index] : [],
  )
  for (const index of due) {
    const past = job.past[index]
    const estimate = past && targetOfPast(job, past)?.estimate
    if (!past) continue
    await enter(context, job, index, past, estimate ?? { missing: '' }, chargeOfPast(job, past))
    await announceAttempt(context, job, index)
  }
  const isEnd = isTerminal(job.status) && !job.is_accounted
  if (isEnd) await enter(context, job, job.past.length, job, job.estimate, chargeOfCurrent(job))
  if (due.length === 0 && !isEnd) return job
  const marked = await JOBS.update(context.platform.store, job.id, value => ({
    ...value,
    past: value.past.map((past, index) => (due.includes(index) ? { ...past, is_accounted: true } : past)),
    is_accounted: value.is_accounted || (isEnd && value.past.length === job.past.length),
  }))
  return marked ?? job
}

/** Gives back all that a job has set aside, for it is to be removed. */
export const releaseFunds = async (context: Context, job: JobRecord): Promise<void> => {
  const attempts = [...job.past, job]
  for (const [index, { reservation, is_accounted }] of attempts.entries())
    if (reservation && !is_accounted) await giveBack(context, job, index, reservation.accounts)
}
