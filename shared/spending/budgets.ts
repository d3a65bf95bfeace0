/**
 * Budgets: how much may be spent in a month, by one key, by one owner or by all. Months are UTC's.
 * @module
 */
import { KEYS } from '../access/index.ts'
import { type Context, newId, nowSeconds } from '../context.ts'
import {
  ApiError,
  type BudgetObject,
  type BudgetRequest,
  type BudgetScope,
  type BudgetUpdate,
  badRequest,
  notFound,
  type UnknownPrices,
} from '../openai/index.ts'
import { collection, type Page, type PageQuery } from '../platform/index.ts'
import { type AccountRef, getAccount, reservedIn, roomIn, spentIn, type Terms } from './accounts.ts'
import { monthOf } from './calendar.ts'
import { toMicros, toUsd } from './money.ts'

export interface BudgetRecord {
  id: string
  name: string | null
  scope: BudgetScope
  /** What the admin has set, no owner changes. */
  managed_by: 'admin' | 'owner'
  limit_micros: number
  /** Ascending. */
  thresholds: number[]
  unknown_prices: UnknownPrices
  /** The owner whose webhook endpoints are told. */
  alerts_to: string | null
  /** Unix seconds. */
  created_at: number
  updated_at: number
}

/** Where a budget is looked for. */
const scopeKey = (scope: BudgetScope): string =>
  scope.type === 'all' ? 'all' : scope.type === 'owner' ? `owner ${scope.owner}` : `key ${scope.key_id}`

const EVERY = 'every'

export const BUDGETS = collection<BudgetRecord, 'scope' | 'every'>('budget', ({ id }) => id, {
  scope: { slot: 'a', entry: ({ id, scope }) => ({ partition: scopeKey(scope), sort: id }) },
  every: { slot: 'b', entry: ({ id }) => ({ partition: EVERY, sort: id }) },
})

/** Budgets of one key, one owner, or for all: each is asked before every attempt. */
const MOST_OF_A_SCOPE = 10
/** As many as can be there when several were made at once. */
const READ_OF_A_SCOPE = 100

/** Who manages budgets: an owner its own, the admin (null) all of them. */
export type Manager = string | null

const ID_PREFIX = 'budget_'
/** Whether an account is a budget's. */
export const isBudget = ({ holder }: AccountRef): boolean => holder.startsWith(ID_PREFIX)

export const termsOf = ({ limit_micros, thresholds }: BudgetRecord): Terms => ({ limit_micros, thresholds })

/** The budgets that count what is spent for an owner, by one of its keys. */
export const budgetsFor = async (
  { platform: { store } }: Context,
  { owner, key }: { owner: string; key: string | null },
): Promise<BudgetRecord[]> => {
  const scopes: BudgetScope[] = [{ type: 'all' }, { type: 'owner', owner }]
  if (key !== null) scopes.push({ type: 'key', owner, key_id: key })
  const found = await Promise.all(
    scopes.map(scope => BUDGETS.list(store, 'scope', scopeKey(scope), { limit: READ_OF_A_SCOPE })),
  )
  return found.flatMap(({ items }) => items)
}

export const getBudgetRecord = async ({ platform }: Context, id: string): Promise<BudgetRecord | undefined> =>
  (await BUDGETS.get(platform.store, id))?.value

const toObject = async (context: Context, budget: BudgetRecord): Promise<BudgetObject> => {
  const month = monthOf(nowSeconds(context))
  const account = await getAccount(context, { holder: budget.id, period: month })
  const { id, created_at, updated_at, name, scope, managed_by, limit_micros, alerts_to } = budget
  return {
    ...{ id, object: 'tunegate.budget' as const, created_at, updated_at, name, scope, managed_by },
    monthly_limit_usd: toUsd(limit_micros),
    thresholds: budget.thresholds,
    unknown_prices: budget.unknown_prices,
    alerts_to,
    month,
    spent_usd: toUsd(spentIn(account)),
    reserved_usd: toUsd(reservedIn(account)),
    remaining_usd: toUsd(roomIn(account, budget)),
    alerts: account.alerts.map(({ threshold, at }) => ({ threshold, at })),
  }
}

const forbidden = (param: string | null, message: string) =>
  new ApiError({ status: 403, code: 'permission_denied', param, message })

/** The scope of a new budget. @throws {ApiError} 400, 403, 404 where it is not the manager's to limit */
const scopeOf = async (
  { platform: { store } }: Context,
  manager: Manager,
  { scope, owner }: BudgetRequest,
): Promise<BudgetScope> => {
  if (manager !== null && owner !== undefined && owner !== manager)
    throw forbidden('owner', 'Budgets of other owners are made with the admin key.')
  if (scope.type === 'all') {
    if (manager !== null) throw forbidden('scope', 'A budget for everything is made with the admin key.')
    if (owner !== undefined) throw badRequest('owner', 'A budget for everything has no owner.')
    return scope
  }
  const named = owner ?? manager
  if (scope.type === 'owner') {
    if (named === null)
      throw badRequest('owner', "Missing required parameter: 'owner'.", 'missing_required_parameter')
    return { type: 'owner', owner: named }
  }
  const { key_id } = scope
  const [key] = (await KEYS.list(store, 'id', key_id, { limit: 1 })).items
  if (!key || (named !== null && key.owner !== named))
    throw notFound('key_not_found', 'scope.key_id', `No such key: '${key_id}'.`)
  return { type: 'key', owner: key.owner, key_id }
}

const alertsOf = (scope: BudgetScope, alerts_to: string | null | undefined): string | null => {
  if (scope.type === 'all') return alerts_to ?? null
  if (alerts_to === undefined) return scope.owner
  throw badRequest('alerts_to', "A key's and an owner's budget tells that owner.")
}

/** Looks for a budget that has just been made, and milliseconds between them. */
const MOST_LOOKS = 20
const LOOK = 100

/** Waits until jobs find a budget: an index may lag behind its records, and no one is to be told of a limit that does not hold yet. */
const untilItHolds = async (
  { platform: { store, clock } }: Context,
  { id, scope }: BudgetRecord,
): Promise<void> => {
  for (let looks = 1; looks <= MOST_LOOKS; looks++) {
    const { items } = await BUDGETS.list(store, 'scope', scopeKey(scope), { limit: MOST_OF_A_SCOPE })
    if (items.some(budget => budget.id === id)) return
    await clock.sleep(LOOK)
  }
}

/** Makes a budget (`POST /v1/budgets`). It counts what begins from now on. */
export const createBudget = async (
  context: Context,
  manager: Manager,
  request: BudgetRequest,
): Promise<BudgetObject> => {
  const { store } = context.platform
  const id = newId(context, ID_PREFIX)
  const scope = await scopeOf(context, manager, request)
  const alerts_to = alertsOf(scope, request.alerts_to)
  const { items } = await BUDGETS.list(store, 'scope', scopeKey(scope), { limit: MOST_OF_A_SCOPE })
  if (items.length >= MOST_OF_A_SCOPE && !items.some(made => made.id === id))
    throw badRequest('scope', `There are ${MOST_OF_A_SCOPE} budgets of this scope, which is the most.`)
  const now = nowSeconds(context)
  const { name, monthly_limit_usd, thresholds, unknown_prices } = request
  const budget: BudgetRecord = {
    id,
    name,
    scope,
    managed_by: manager === null ? 'admin' : 'owner',
    limit_micros: toMicros(monthly_limit_usd),
    thresholds,
    unknown_prices,
    alerts_to,
    created_at: now,
    updated_at: now,
  }
  // Made before by the same request.
  if (!(await BUDGETS.create(store, budget))) return getBudget(context, manager, id)
  await untilItHolds(context, budget)
  return toObject(context, budget)
}

const unknown = (id: string) => notFound('budget_not_found', 'budget_id', `No such budget: '${id}'.`)

const isVisible = ({ scope }: BudgetRecord, manager: Manager) =>
  manager === null || (scope.type !== 'all' && scope.owner === manager)

const find = async (context: Context, manager: Manager, id: string): Promise<BudgetRecord> => {
  const budget = await getBudgetRecord(context, id)
  if (!budget || !isVisible(budget, manager)) throw unknown(id)
  return budget
}

/** A budget that the manager may change. @throws {ApiError} 404; 403 for what the admin has set */
const findOwn = async (context: Context, manager: Manager, id: string): Promise<BudgetRecord> => {
  const budget = await find(context, manager, id)
  if (manager !== null && budget.managed_by === 'admin')
    throw forbidden('budget_id', `The budget '${id}' was set with the admin key, and is changed with it.`)
  return budget
}

export const getBudget = async (context: Context, manager: Manager, id: string): Promise<BudgetObject> =>
  toObject(context, await find(context, manager, id))

/** A page of budgets, newest first. @param owner only those of this owner and its keys */
export const listBudgets = async (
  context: Context,
  manager: Manager,
  { owner, ...query }: PageQuery & { owner?: string | undefined },
): Promise<Page<BudgetObject>> => {
  if (manager !== null && owner !== undefined && owner !== manager)
    throw forbidden('owner', 'Budgets of other owners are listed with the admin key.')
  const { items, hasMore } = await BUDGETS.list(
    context.platform.store,
    'every',
    EVERY,
    query,
    budget => isVisible(budget, manager) && (owner === undefined || isVisible(budget, owner)),
  )
  return { items: await Promise.all(items.map(budget => toObject(context, budget))), hasMore }
}

/** Changes what is named (`POST /v1/budgets/{id}`). What has been reserved stays so, whatever the new limit. */
export const updateBudget = async (
  context: Context,
  manager: Manager,
  id: string,
  { monthly_limit_usd, alerts_to, ...fields }: BudgetUpdate,
): Promise<BudgetObject> => {
  const { scope } = await findOwn(context, manager, id)
  const alerts = alerts_to === undefined ? undefined : { alerts_to: alertsOf(scope, alerts_to) }
  const named = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  const updated = await BUDGETS.update(context.platform.store, id, budget => ({
    ...budget,
    ...named,
    ...alerts,
    ...(monthly_limit_usd !== undefined && { limit_micros: toMicros(monthly_limit_usd) }),
    updated_at: nowSeconds(context),
  }))
  if (!updated) throw unknown(id)
  return toObject(context, updated)
}

/** Deletes a budget: it limits nothing any more. */
export const deleteBudget = async (context: Context, manager: Manager, id: string): Promise<void> => {
  await findOwn(context, manager, id)
  await BUDGETS.delete(context.platform.store, id)
}
