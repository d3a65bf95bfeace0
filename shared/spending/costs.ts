/**
 * What has been spent, by day (`GET /v1/costs`), in the form of OpenAI's `/organization/costs`.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import {
  ApiError,
  badRequest,
  COST_GROUPS,
  type CostGroup,
  type CostsBucket,
  type CostsPage,
  type CostsQuery,
  type CostsResult,
} from '../openai/index.ts'
import type { Manager } from './budgets.ts'
import { DAY, dayOf, startOf } from './calendar.ts'
import { entriesOf, type LedgerEntry } from './ledger.ts'
import { toUsd } from './money.ts'

const groupOf = (entry: LedgerEntry, group: CostGroup): string | null =>
  group === 'day' ? dayOf(entry.at) : entry[group]

interface Tally {
  groups: Partial<Record<CostGroup, string | null>>
  micros: number
  estimate: number
  unknown: number
}

/** Adds an entry to the tally of its group. */
const add = (tallies: Map<string, Tally>, entry: LedgerEntry, by: readonly CostGroup[]): void => {
  const groups = Object.fromEntries(by.map(group => [group, groupOf(entry, group)]))
  const key = JSON.stringify(groups)
  const known = tallies.get(key) ?? { groups, micros: 0, estimate: 0, unknown: 0 }
  const { cost_micros, estimate_micros } = entry
  tallies.set(key, {
    groups,
    micros: known.micros + (cost_micros ?? 0),
    // Side by side: what cannot be compared is in neither.
    estimate: known.estimate + (cost_micros === null ? 0 : (estimate_micros ?? 0)),
    unknown: known.unknown + Number(cost_micros === null),
  })
}

const UNGROUPED = Object.fromEntries(COST_GROUPS.map(group => [group, null])) as Record<CostGroup, null>

const toResult = ({ groups, micros, estimate, unknown }: Tally): CostsResult => ({
  object: 'tunegate.costs.result',
  amount: { value: toUsd(micros), currency: 'usd' },
  estimate: { value: toUsd(estimate), currency: 'usd' },
  unknown,
  ...UNGROUPED,
  ...groups,
})

const PAGE = /^page_(\d{1,12})$/

/** Where a page begins. @throws {ApiError} 400 for what no answer has named */
const startOfPage = (page: string | undefined, first: number): number => {
  if (page === undefined) return first
  const at = Number(PAGE.exec(page)?.[1] ?? Number.NaN)
  if (Number.isNaN(at) || at % DAY !== 0 || at < first) throw badRequest('page', `No such page: '${page}'.`)
  return at
}

/** Costs by day: an owner's own, for the admin (null) everyone's or one owner's. */
export const costsPage = async (
  context: Context,
  manager: Manager,
  query: CostsQuery,
): Promise<CostsPage> => {
  const { start_time, limit, owner } = query
  if (manager !== null && owner !== undefined && owner !== manager)
    throw new ApiError({
      status: 403,
      code: 'permission_denied',
      param: 'owner',
      message: "Other owners' costs are told with the admin key.",
    })
  const by = [...new Set([...query.group_by, ...query['group_by[]']])]
  const from = startOfPage(query.page, startOf(dayOf(start_time)))
  const end = Math.ceil((query.end_time ?? nowSeconds(context) + 1) / DAY) * DAY
  const to = Math.max(from, Math.min(end, from + limit * DAY))
  const days = new Map<string, Map<string, Tally>>()
  for (let at = from; at < to; at += DAY) days.set(dayOf(at), new Map())
  for await (const entry of entriesOf(context, manager ?? owner ?? null, dayOf(from), dayOf(to))) {
    const day = days.get(dayOf(entry.at))
    if (day) add(day, entry, by)
  }
  const data = [...days].map(
    ([day, tallies]): CostsBucket => ({
      object: 'bucket',
      start_time: startOf(day),
      end_time: startOf(day) + DAY,
      results: [...tallies.values()].map(toResult),
    }),
  )
  const has_more = to < end
  return { object: 'page', data, has_more, next_page: has_more ? `page_${to}` : null }
}
