/**
 * The schedule's duties around money and models: accounts whose alerts or reservations someone left behind, models whose hosting is
 * to be entered or whose base is about to be retired.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { forEach } from '../each.ts'
import { listDue } from '../platform/index.ts'
import { isOutOfReach, servedUntil } from '../providers/index.ts'
import { MODELS, type ModelRecord, providerOf, refreshDeployment } from '../serving/index.ts'
import { ACCOUNTS, type AccountRecord, DAY, markSeen, settle, startOf } from '../spending/index.ts'
import { emit } from '../webhooks/index.ts'
import { tellAlerts } from './alerts.ts'
import { accountHosting } from './hosting.ts'
import { JOBS } from './records.ts'

/** Worked on at once. */
const AT_ONCE = 4

/**
 * Ends the reservations that no step of a job will: of a job that was removed while it was being written, or of an attempt that was
 * entered already. Everyone else's are the job's own to settle.
 */
const clearReservations = async (context: Context, account: AccountRecord): Promise<void> => {
  for (const key of Object.keys(account.reservations)) {
    const [id = '', attempt = ''] = key.split('/')
    const job = (await JOBS.get(context.platform.store, id))?.value
    const of = job && (job.past[Number(attempt)] ?? job)
    // The job's record is written first: what it does not know has been given back, or is to be.
    if (!of || of.is_accounted || of.reservation === null)
      await settle(context, account, { key, micros: 0, job: id })
  }
}

/** Looks after accounts that are due. */
export const tendAccounts = async (context: Context, limit: number): Promise<void> => {
  const due = await listDue(context.platform.store, ACCOUNTS, nowSeconds(context), limit)
  await forEach(due, AT_ONCE, async account => {
    await tellAlerts(context, account)
    await clearReservations(context, account)
    await markSeen(context, account)
  })
}

/** Days before its end at which a model's owner is told. */
const AHEAD = [7, 30, 90] as const

/** Tells that a model's base will not be served for much longer: the nearest of the thresholds only. */
const tellRetirement = async (context: Context, model: ModelRecord): Promise<void> => {
  const on = servedUntil(providerOf(context, model), model.base_model)
  if (on === null || model.deleted_at !== null) return
  const now = nowSeconds(context)
  const end = startOf(on)
  const days = AHEAD.filter(each => now >= end - each * DAY)
  const told = model.retirement_told?.on === on ? model.retirement_told.days : []
  const [nearest] = days
  if (now >= end || nearest === undefined || told.includes(nearest)) return
  await emit(context, model.owner, {
    type: 'tunegate.model.retiring',
    subject: `${model.name}/${on}/${nearest}`,
    at: Math.max(model.created_at, end - nearest * DAY),
    data: {
      id: model.name,
      base_model: model.base_model,
      connection: model.connection,
      retires_at: end,
      days: nearest,
    },
  })
  await MODELS.update(context.platform.store, model.name, value => ({
    ...value,
    retirement_told: { on, days: [...days] },
  }))
}

/** Seconds between looks at a deployment, and at a model without one: tables of retirement dates change. */
const HOSTING_LOOK = 3600
const MODEL_LOOK = DAY

/** When a model is looked at next; null: nothing will happen to it any more. */
const nextLook = ({ deleted_at, hosting = [] }: ModelRecord, now: number): number | null => {
  if (hosting.length > 0) return now + HOSTING_LOOK
  return deleted_at === null ? now + MODEL_LOOK : null
}

const tendModel = async (context: Context, name: string): Promise<void> => {
  const { store } = context.platform
  // The list may be of a moment ago: what has been entered since must not be entered as it was.
  const found = (await MODELS.get(store, name))?.value
  if (!found) return
  // A deployment may have been taken down by its provider: idle ones are.
  const asked = found.deployment && found.deleted_at === null
  const model = asked
    ? await refreshDeployment(context, found).catch((error: unknown) => {
        if (!isOutOfReach(error)) throw error
        return found
      })
    : found
  await accountHosting(context, model)
  await tellRetirement(context, model)
  const now = nowSeconds(context)
  await MODELS.update(store, model.name, value => ({ ...value, due_at: nextLook(value, now) }))
}

/** Looks after models that are due. One that fails is put off. */
export const tendModels = async (context: Context, limit: number): Promise<void> => {
  const { store } = context.platform
  const due = await listDue(store, MODELS, nowSeconds(context), limit)
  await forEach(due, AT_ONCE, async model => {
    try {
      await tendModel(context, model.name)
    } catch (error) {
      const later = nowSeconds(context) + HOSTING_LOOK
      await MODELS.update(store, model.name, value => ({ ...value, due_at: later }))
      throw error
    }
  })
}
