/**
 * The cron tick: finds in the store whatever is due, so that a lost message or a crash only delays it.
 * @module
 */
import type { Context } from '../shared/context.ts'
import { removeLeftovers, resumeCopies, resumeIntakes, sweepUploads } from '../shared/datasets/index.ts'
import { forgetAnswers } from '../shared/idempotency.ts'
import { advanceDueBatches, advanceDueJobs, tendAccounts, tendModels } from '../shared/training/index.ts'
import { deliverDue, forgetHeard, removeOldDeliveries } from '../shared/webhooks/index.ts'
import { logFailure } from './http.ts'

/** Looks for due work of one kind and does it, up to a limit. */
export type Duty = (context: Context, limit: number) => Promise<void>

/** Every duty there is. */
const DUTIES: Readonly<Record<string, Duty>> = {
  uploads: sweepUploads,
  intakes: resumeIntakes,
  copies: resumeCopies,
  leftovers: removeLeftovers,
  batches: advanceDueBatches,
  jobs: advanceDueJobs,
  budgets: tendAccounts,
  models: tendModels,
  webhooks: deliverDue,
  'old deliveries': removeOldDeliveries,
  'old messages': forgetHeard,
  'old answers': forgetAnswers,
  'torn writes': async ({ platform }, limit) => platform.store.sweep?.(limit),
}

/** Records of one kind handled in one tick; the rest waits for the next. */
const MOST_OF_A_KIND = 50

/** One tick. A duty that fails keeps none of the others from theirs. */
export const tick = async (context: Context): Promise<void> => {
  for (const [name, duty] of Object.entries(DUTIES)) {
    try {
      await duty(context, MOST_OF_A_KIND)
    } catch (error) {
      logFailure(`schedule ${name}`, error)
    }
  }
}
