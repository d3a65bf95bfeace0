/**
 * Budgets and costs: the gateway's own routes. Costs have the form of OpenAI's `/organization/costs`. Times are Unix seconds,
 * days and months are UTC's, money is dollars to the millionth.
 * @module
 */
import * as z from 'zod'
import { pageQuery } from './paging.ts'

/** Dollars: what is counted in millionths stays exact well beyond it. */
const MOST_USD = 1_000_000_000

/** A limit of spending. */
export const usdLimit = z
  .number()
  .min(0.000001)
  .max(MOST_USD)
  .refine(
    usd => Math.abs(Math.round(usd * 1e6) - usd * 1e6) < 1e-3,
    'must be dollars with at most six decimals',
  )

/** What is done with a job whose price is not known: refused, or let through uncounted, with a warning. */
export const UNKNOWN_PRICES = ['refuse', 'allow'] as const
export type UnknownPrices = (typeof UNKNOWN_PRICES)[number]

/** A user's of an identity provider is longer than any key's: it holds what tells issuers apart, and may hold several claims. */
const ownerName = z.string().min(1).max(1024)

const scope = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('all') }),
  z.strictObject({ type: z.literal('owner') }),
  z.strictObject({ type: z.literal('key'), key_id: z.string().min(1).max(64) }),
])

const budgetFields = {
  name: z.string().min(1).max(128).nullable(),
  monthly_limit_usd: usdLimit,
  /** Shares of the limit at which it is told. */
  thresholds: z
    .array(z.number().gt(0).max(10))
    .max(10)
    .transform(shares => [...new Set(shares)].sort((a, b) => a - b)),
  unknown_prices: z.enum(UNKNOWN_PRICES),
}

export const budgetRequest = z.strictObject({
  ...budgetFields,
  name: budgetFields.name.default(null),
  thresholds: budgetFields.thresholds.default([0.5, 0.8, 1]),
  unknown_prices: budgetFields.unknown_prices.default('refuse'),
  scope,
  /** Whose budget it is: only the admin names another. */
  owner: ownerName.optional(),
  /** Of a budget for everything: whose webhook endpoints are told. */
  alerts_to: ownerName.optional(),
})
export type BudgetRequest = z.infer<typeof budgetRequest>

export const budgetUpdate = z.strictObject({ ...budgetFields, alerts_to: ownerName.nullable() }).partial()
export type BudgetUpdate = z.infer<typeof budgetUpdate>

export const budgetsQuery = z.strictObject({ ...pageQuery(100, 20), owner: ownerName.optional() })

export type BudgetScope =
  | { type: 'all' }
  | { type: 'owner'; owner: string }
  | { type: 'key'; owner: string; key_id: string }

export interface BudgetObject {
  id: string
  object: 'tunegate.budget'
  created_at: number
  updated_at: number
  name: string | null
  scope: BudgetScope
  /** Who may change it. */
  managed_by: 'admin' | 'owner'
  monthly_limit_usd: number
  thresholds: number[]
  unknown_prices: UnknownPrices
  alerts_to: string | null
  /** `YYYY-MM`: what the figures below are of. */
  month: string
  /** What has been settled. */
  spent_usd: number
  /** Set aside for attempts that are not over: the high figures of their estimates. */
  reserved_usd: number
  /** Never below 0. */
  remaining_usd: number
  /** Thresholds that have been reached. */
  alerts: { threshold: number; at: number }[]
}

/** What costs may be told apart by; `line_item` is training or hosting. */
export const COST_GROUPS = [
  'job',
  'key',
  'model',
  'provider',
  'connection',
  'day',
  'line_item',
  'owner',
] as const
export type CostGroup = (typeof COST_GROUPS)[number]

const groups = z
  .union([z.enum(COST_GROUPS).transform(group => [group]), z.array(z.enum(COST_GROUPS))])
  .default([])
const seconds = z.coerce.number().int().min(0).max(32_503_680_000)

export const costsQuery = z
  .strictObject({
    start_time: seconds,
    /** Not itself among them; now unless given. */
    end_time: seconds.optional(),
    bucket_width: z.literal('1d').default('1d'),
    group_by: groups,
    /** As official clients write a list. */
    'group_by[]': groups,
    /** Days in one answer. */
    limit: z.coerce.number().int().min(1).max(180).default(7),
    page: z.string().min(1).max(64).optional(),
    /** Only the admin may name one. */
    owner: ownerName.optional(),
  })
  .refine(({ start_time, end_time }) => end_time === undefined || end_time > start_time, {
    path: ['end_time'],
    message: 'must be after start_time',
  })
export type CostsQuery = z.infer<typeof costsQuery>

interface Amount {
  value: number
  currency: 'usd'
}

export interface CostsResult extends Record<Exclude<CostGroup, 'day'>, string | null> {
  object: 'tunegate.costs.result'
  amount: Amount
  /** What was estimated for the training in `amount`: the expected figures. */
  estimate: Amount
  /** Entries whose cost is not known: they are in no amount, and cost something all the same. */
  unknown: number
  /** `YYYY-MM-DD`. */
  day: string | null
}

export interface CostsBucket {
  object: 'bucket'
  start_time: number
  end_time: number
  results: CostsResult[]
}

export interface CostsPage {
  object: 'page'
  data: CostsBucket[]
  has_more: boolean
  next_page: string | null
}
