/**
 * What is done for a job when it is over, and for attempts whose end was never heard of.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { isOutOfReach, reconnect } from '../providers/index.ts'
import { announce } from './announce.ts'
import { tell } from './events.ts'
import { syncEvents } from './feed.ts'
import { settleSpending } from './funds.ts'
import { retryAfter } from './pace.ts'
import { isOnOwnCredentials, isTerminal, JOBS, type JobRecord, labelOf } from './records.ts'

/** Seconds after its end until which a job's loose ends are looked for. */
const LONGEST_CLOSING = 7 * 86_400

/**
 * Looks for jobs that earlier attempts may have left at their providers, and cancels them.
 * @returns whether nothing is left to look for
 */
export const settlePast = async (context: Context, job: JobRecord): Promise<boolean> => {
  const { submissionGrace } = context.config.jobs
  let isSettled = true
  for (const [index, past] of job.past.entries()) {
    if (!past.is_unsettled) continue
    try {
      const { provider, channel } = await reconnect(context, past.connection, past.account)
      const found = await provider.jobs.find(channel, labelOf(job, index))
      if (found && !isTerminal(found.status)) {
        await provider.jobs.cancel(channel, found.id)
        await tell(context, job, [
          {
            level: 'warn',
            message: `${past.connection} had created ${found.id} after all: it is cancelled, the job goes on elsewhere.`,
          },
        ])
      }
      if (!found && nowSeconds(context) < past.ended_at + submissionGrace) {
        isSettled = false
        continue
      }
      await JOBS.update(context.platform.store, job.id, value => ({
        ...value,
        past: value.past.map((each, at) =>
          at === index
            ? {
                ...each,
                is_unsettled: false,
                native_id: found?.id ?? each.native_id,
                found: found ? { status: found.status, trainedTokens: found.trainedTokens } : null,
              }
            : each,
        ),
      }))
    } catch (error) {
      if (!isOutOfReach(error)) throw error
      isSettled = false
    }
  }
  return isSettled
}

/** Does what follows from a job's end, until nothing is left to do. */
export const close = async (context: Context, job: JobRecord): Promise<void> => {
  const now = nowSeconds(context)
  await announce(context, job)
  await syncEvents(context, job)
  const isSettled = await settlePast(context, job)
  // By our own clock: the provider's word of when it was over may be anything.
  const isOld = now > (job.polled_at ?? job.created_at) + LONGEST_CLOSING
  const found = (await JOBS.get(context.platform.store, job.id))?.value ?? job
  const fresh = await settleSpending(context, found, isOld)
  const isWhole = fresh.native_id === null || fresh.feed.is_complete || isOnOwnCredentials(fresh)
  const isOver = (isSettled && isWhole) || isOld
  await JOBS.update(context.platform.store, job.id, value =>
    value.stage !== 'closing'
      ? value
      : isOver
        ? { ...value, stage: 'over', due_at: null }
        : { ...value, trouble: value.trouble + 1, due_at: now + retryAfter(value.trouble + 1) },
  )
}
