/**
 * What deployments cost while they are there: entered for each day, and counted in budgets.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { reconnect } from '../providers/index.ts'
import { entered, type HostingPeriod, MODELS, type ModelRecord, providerOf } from '../serving/index.ts'
import {
  budgetsFor,
  costOf,
  DAY,
  dayOf,
  daysOf,
  endOfMonth,
  enterDays,
  hostingPrice,
  type LedgerEntry,
  monthsOf,
  noteHosting,
  overlap,
  type Span,
  startOf,
  termsOf,
  toMicros,
} from '../spending/index.ts'
import { tellAlerts } from './alerts.ts'
import { JOBS } from './records.ts'

/** Dollars by the hour, for so many seconds. */
const costOfSpan = ({ from, to }: Span, usdPerHour: number) =>
  toMicros(costOf(to - from, { usd: usdPerHour, per: 3600 }))

/** The hour's price; undefined where none is known. */
const priceOf = async (context: Context, model: ModelRecord): Promise<number | undefined> => {
  const { connection, account, base_model } = model
  // A region may have a price of its own; without the connection's credentials it is not known.
  const settings = await reconnect(context, connection, account).then(
    ({ channel }) => channel.settings,
    () => undefined,
  )
  const region = settings?.region ?? settings?.location
  const query = { provider: providerOf(context, model), connection, model: base_model, region }
  return hostingPrice(context.config.prices, query)?.usd_per_hour
}

/** One day of a deployment. Its id follows from both: entering it again, when more of the day is over, replaces it. */
const entryOf = (
  context: Context,
  model: ModelRecord,
  key: string | null,
  period: HostingPeriod,
  day: string,
  { span, usdPerHour }: { span: Span; usdPerHour: number | undefined },
): LedgerEntry => {
  const provider = providerOf(context, model)
  const inDay = overlap(span, { from: startOf(day), to: startOf(day) + DAY })
  return {
    id: `${model.name}/${period.since}/${day}`,
    line_item: 'hosting',
    owner: model.owner,
    key,
    job: model.job,
    model: model.base_model,
    provider,
    connection: model.connection,
    at: startOf(day),
    cost_micros: usdPerHour === undefined ? null : costOfSpan(inDay, usdPerHour),
    missing:
      usdPerHour === undefined
        ? `What a tune costs at '${provider}' while it is deployed is not known.`
        : null,
    estimate_micros: null,
  }
}

/** Counts what a deployment has cost in every budget of its owner. What it cost before a budget was made is not the budget's. */
const countIn = async (
  context: Context,
  { owner, name }: ModelRecord,
  key: string | null,
  { since }: HostingPeriod,
  span: Span,
  usdPerHour: number,
): Promise<void> => {
  const budgets = await budgetsFor(context, { owner, key })
  for (const budget of budgets) {
    const counted = overlap(span, { from: budget.created_at, to: span.to })
    for (const period of monthsOf(counted)) {
      const inMonth = overlap(counted, { from: startOf(period), to: endOfMonth(period) })
      const amount = { key: `${name}/${since}`, micros: costOfSpan(inMonth, usdPerHour) }
      const ref = { holder: budget.id, period }
      await tellAlerts(context, await noteHosting(context, ref, amount, termsOf(budget)))
    }
  }
}

/** Enters what a model's deployments have cost up to now. Doing it again changes nothing. */
export const accountHosting = async (context: Context, model: ModelRecord): Promise<void> => {
  const now = nowSeconds(context)
  const { hosting = [] } = model
  if (hosting.length === 0) return
  const usdPerHour = await priceOf(context, model)
  const key = (await JOBS.get(context.platform.store, model.job))?.value.key ?? null
  for (const period of hosting) {
    // Whether anyone bills it is not known before it has come up, or is over: then all of it is entered.
    if (period.until === null && !period.was_ready) continue
    const span = { from: period.since, to: Math.max(period.since, period.until ?? now) }
    const left = { from: period.accounted_until, to: span.to }
    const days = daysOf(left)
    await enterDays(
      context,
      days.map(day => entryOf(context, model, key, period, day, { span, usdPerHour })),
    )
    if (usdPerHour !== undefined) await countIn(context, model, key, period, span, usdPerHour)
    // The day that is not over is entered again.
    const accounted = period.until ?? startOf(dayOf(now))
    await MODELS.update(context.platform.store, model.name, value => ({
      ...value,
      hosting: entered(value, period, accounted),
    }))
  }
}
