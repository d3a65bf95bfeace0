/** What the tests of budgets share: budgets in a world, and what its books say. */
import { ADMIN, createKey } from '../../../shared/access/index.ts'
import type { Caller } from '../../../shared/context.ts'
import {
  type BudgetObject,
  type BudgetRequest,
  budgetRequest,
  type CostsResult,
  costsQuery,
} from '../../../shared/openai/index.ts'
import { costsPage, createBudget, getBudget, toMicros, toUsd } from '../../../shared/spending/index.ts'
import { chargeOfCurrent, chargeOfPast } from '../../../shared/training/charges.ts'
import type { JobRecord } from '../../../shared/training/records.ts'
import { jobsIn, OWNER } from './placing.ts'
import { TRAINED, type World } from './world.ts'

/** What a job of the world costs: gpt-4.1-mini at $5 a million. */
export const COST = (TRAINED * 5) / 1e6

/** By the admin unless an owner is named. */
export const budget = (
  world: World,
  request: Partial<Record<keyof BudgetRequest, unknown>>,
  manager: string | null = null,
): Promise<BudgetObject> =>
  createBudget(world.process().context, manager, budgetRequest.parse({ scope: { type: 'all' }, ...request }))

export const seen = (world: World, { id }: { id: string }): Promise<BudgetObject> =>
  getBudget(world.process().context, null, id)

/** Whoever calls with a key. */
export const callerWith = (key: string, owner = OWNER): Caller => ({ ...ADMIN, owner, key })

export const keyOf = async (world: World, owner = OWNER): Promise<string> =>
  (await createKey(world.process().context, { name: 'k', owner }, ADMIN)).record.id

/** All that has been entered, in one sum. */
export const costs = async (world: World, query: object = {}, manager: string | null = null) => {
  const parsed = costsQuery.parse({ start_time: 0, limit: 180, ...query })
  const start = { start_time: world.platform.clock.time / 1000 - 90 * 86_400, ...query }
  const { data } = await costsPage(world.process().context, manager, { ...parsed, ...start })
  const results = data.flatMap((bucket): CostsResult[] => bucket.results)
  return {
    results,
    usd: toUsd(results.reduce((total, { amount }) => total + toMicros(amount.value), 0)),
    unknown: results.reduce((total, { unknown }) => total + unknown, 0),
  }
}

/** What a job counts for in budgets, by its record alone. */
export const countedFor = (job: JobRecord): number => {
  const attempts = [
    ...job.past.map(past => ({ reservation: past.reservation, charge: chargeOfPast(job, past) })),
    { reservation: job.reservation, charge: chargeOfCurrent(job) },
  ]
  return attempts.reduce(
    (total, { reservation, charge }) =>
      total +
      (reservation?.accounts.length ? (charge.usd === null ? reservation.micros : toMicros(charge.usd)) : 0),
    0,
  )
}

/** What is wrong with the books of a budget when all jobs are over. */
export const wrongsIn = async (world: World, made: { id: string }): Promise<string[]> => {
  const { spent_usd, reserved_usd } = await seen(world, made)
  const counted = toUsd((await jobsIn(world)).map(countedFor).reduce((total, each) => total + each, 0))
  return [
    ...(reserved_usd === 0 ? [] : [`${reserved_usd} are reserved for no one`]),
    ...(spent_usd === counted ? [] : [`${spent_usd} are spent, the jobs say ${counted}`]),
  ]
}
