/**
 * Tells that a budget has reached a threshold: its owner's webhooks, and the job that reached it. Once for each threshold and month.
 * @module
 */
import type { Context } from '../context.ts'
import {
  type AccountRecord,
  type Alert,
  type BudgetRecord,
  getBudgetRecord,
  isBudget,
  markTold,
  reservedIn,
  spentIn,
  toUsd,
} from '../spending/index.ts'
import { emit } from '../webhooks/index.ts'
import { tell } from './events.ts'

const percent = (share: number) => `${Math.round(share * 1000) / 10} %`

/** A budget for everything says nothing of what others have spent to whose job it is told. */
const messageOf = (
  { id, scope, limit_micros }: BudgetRecord,
  account: AccountRecord,
  { threshold }: Alert,
) =>
  scope.type === 'all'
    ? `The deployment's budget ${id} for ${account.period} has reached ${percent(threshold)}.`
    : `The budget ${id} for ${account.period} has reached ${percent(threshold)} of $${toUsd(limit_micros)}: $${toUsd(spentIn(account))} spent, $${toUsd(reservedIn(account))} reserved.`

const announce = async (
  context: Context,
  budget: BudgetRecord,
  account: AccountRecord,
  { threshold, at }: Alert,
): Promise<void> => {
  if (budget.alerts_to === null) return
  await emit(context, budget.alerts_to, {
    type: 'tunegate.budget.alert',
    subject: `${account.holder}/${account.period}/${threshold}`,
    at,
    data: {
      id: budget.id,
      scope: budget.scope,
      month: account.period,
      threshold,
      monthly_limit_usd: toUsd(budget.limit_micros),
      spent_usd: toUsd(spentIn(account)),
      reserved_usd: toUsd(reservedIn(account)),
    },
  })
}

/** Tells what an account has reached and no one has been told of. Doing it again tells no one twice. */
export const tellAlerts = async (context: Context, account: AccountRecord): Promise<void> => {
  const untold = account.alerts.filter(({ is_told }) => !is_told)
  if (untold.length === 0 || !isBudget(account)) return
  const budget = await getBudgetRecord(context, account.holder)
  for (const alert of untold) {
    // Webhooks first: who dies in between repeats them, and they are told apart by their id.
    if (budget) await announce(context, budget, account, alert)
    if (!(await markTold(context, account, alert.threshold)) || !budget || alert.job === null) continue
    await tell(context, { id: alert.job }, [
      {
        level: 'warn',
        message: messageOf(budget, account, alert),
        data: { alert: 'budget', budget: budget.id, month: account.period, threshold: alert.threshold },
      },
    ])
  }
}
