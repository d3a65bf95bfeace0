/**
 * The next step of whatever job is due. Steps may come late, twice or at once: a worker claims a job before it does anything,
 * and what it finds in the record decides what is to be done.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { listDue } from '../platform/index.ts'
import { isOutOfReach } from '../providers/index.ts'
import { announceOverdue } from './announce.ts'
import { close, settlePast } from './close.ts'
import { tell } from './events.ts'
import { syncEvents } from './feed.ts'
import { settleSpending } from './funds.ts'
import { retryAfter } from './pace.ts'
import { leaseFor, place } from './place.ts'
import { isTerminal, JOBS, type JobRecord } from './records.ts'
import { askProvider, cancelNative, connectionOf } from './refresh.ts'

/** Seconds a worker has for a step that sends nothing new. */
const LEASE = 120

/** Takes a job that is due for oneself. @returns undefined when it is not, or another was faster */
const claim = async (context: Context, id: string): Promise<JobRecord | undefined> => {
  const now = nowSeconds(context)
  let isMine = false
  const job = await JOBS.update(context.platform.store, id, value => {
    isMine = value.due_at !== null && value.due_at <= now
    if (!isMine) return value
    return { ...value, due_at: now + (value.stage === 'placing' ? leaseFor(context) : LEASE) }
  })
  return isMine ? job : undefined
}

/** What a step found out about the provider. */
export type Finding = 'done' | 'away'

/** Flags a job that has outlived its deadline, once. */
const flagOverdue = async (context: Context, job: JobRecord): Promise<void> => {
  const now = nowSeconds(context)
  if (job.is_overdue || job.deadline_at === null || now <= job.deadline_at) return
  await announceOverdue(context, job, job.deadline_at)
  let isMine = false
  const flagged = await JOBS.update(context.platform.store, job.id, value => {
    isMine = !value.is_overdue && !isTerminal(value.status)
    return isMine ? { ...value, is_overdue: true } : value
  })
  if (!flagged || !isMine) return
  await tell(context, flagged, [
    {
      level: 'warn',
      message: `The job is not over ${now - job.created_at} s after its creation: its deadline has passed.`,
    },
  ])
}

/** Asks after a job that a provider has. */
const watch = async (context: Context, job: JobRecord): Promise<Finding> => {
  try {
    const asked = await askProvider(context, job)
    if (asked.is_cancelled && !isTerminal(asked.status) && asked.native_id !== null)
      await cancelNative(context, asked, await connectionOf(context, asked))
    await syncEvents(context, asked)
    await settlePast(context, asked)
    await settleSpending(context, (await JOBS.get(context.platform.store, job.id))?.value ?? asked)
    return 'done'
  } catch (error) {
    if (!isOutOfReach(error)) throw error
    await later(context, job)
    return 'away'
  }
}

/** Comes back to a job after a while, the longer the oftener it has failed. */
const later = async (context: Context, job: JobRecord): Promise<void> => {
  await JOBS.update(context.platform.store, job.id, value => ({
    ...value,
    trouble: value.trouble + 1,
    due_at: nowSeconds(context) + retryAfter(value.trouble + 1),
  }))
}

const steps: Record<JobRecord['stage'], (context: Context, job: JobRecord) => Promise<Finding>> = {
  async placing(context, job) {
    const { placement } = await place(context, job, { isWaited: false })
    return placement.kind === 'unknown' ? 'away' : 'done'
  },
  watching: watch,
  async closing(context, job) {
    await close(context, job)
    return 'done'
  },
  over: async () => 'done',
}

/** Does the next step of a job if it is due. */
export const advanceJob = async (context: Context, id: string): Promise<Finding> => {
  const job = await claim(context, id)
  if (!job) return 'done'
  try {
    const finding = await steps[job.stage](context, job)
    await flagOverdue(context, job)
    return finding
  } catch (error) {
    // A fault of the gateway's own must not make it run in circles.
    await later(context, job)
    throw error
  }
}

/** Puts a job off without asking after it: its provider has just been found to be away. */
const putOff = async (context: Context, { id }: JobRecord): Promise<void> => {
  await JOBS.update(context.platform.store, id, value =>
    value.due_at === null || value.due_at > nowSeconds(context)
      ? value
      : { ...value, due_at: nowSeconds(context) + retryAfter(value.trouble + 2) },
  )
}

/** Jobs of one connection that are advanced at once. */
const AT_ONCE = 4

/**
 * Advances what is due, up to a limit. When a connection turns out to be away its other jobs are put off: an outage neither
 * fails them nor is made worse by them.
 */
export const advanceDueJobs = async (context: Context, limit: number): Promise<void> => {
  const due = await listDue(context.platform.store, JOBS, nowSeconds(context), limit)
  const waiting = Map.groupBy(due, ({ connection }) => connection)
  const faults: unknown[] = []
  const work = async (jobs: JobRecord[]) => {
    let isAway = false
    const one = async () => {
      const job = jobs.shift()
      if (!job) return
      try {
        if (isAway) await putOff(context, job)
        else if ((await advanceJob(context, job.id)) === 'away') isAway = true
      } catch (error) {
        faults.push(error)
      }
    }
    const others = async () => {
      while (jobs.length > 0) await one()
    }
    // The first finds out for all whether the provider is there.
    await one()
    await Promise.all(Array.from({ length: AT_ONCE }, others))
  }
  await Promise.all([...waiting.values()].map(work))
  if (faults.length > 0) throw new AggregateError(faults, 'Jobs could not be advanced.')
}
