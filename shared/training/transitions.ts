/**
 * How a job's record moves from one state to the next. Pure: time is given.
 * @module
 */
import { budgetLimitOf, type JobObject } from '../openai/index.ts'
import type { NativeJob } from '../providers/index.ts'
import { costOfJob } from './charges.ts'
import { pollAfter } from './pace.ts'
import { isOnOwnCredentials, isTerminal, type JobRecord, type Verdict } from './records.ts'

/** The record with its provider's latest word. @param now Unix seconds */
export const withNative = (job: JobRecord, native: NativeJob, now: number): JobRecord => {
  const isOver = isTerminal(native.status)
  return {
    ...job,
    native_id: native.id,
    native,
    status: native.status,
    error: native.error,
    finished_at: isOver ? (native.finishedAt ?? now) : null,
    polled_at: now,
    trouble: 0,
    stage: isOver ? 'closing' : 'watching',
    due_at: isOver ? now : isOnOwnCredentials(job) ? null : now + pollAfter(now - job.started_at),
  }
}

/** The record with a note of it where the job has cost more than it may. */
export const withLimit = (job: JobRecord): JobRecord => {
  const limit = budgetLimitOf(job.request)
  const { usd } = costOfJob(job)
  return { ...job, is_over_limit: job.is_over_limit || (limit !== null && usd !== null && usd > limit) }
}

/** The record of a job that a provider has taken. An end that came at once is left to the next look: much follows from it. */
export const taken = (job: JobRecord, native: NativeJob, now: number): JobRecord =>
  isTerminal(native.status)
    ? { ...job, native_id: native.id, stage: 'watching', status: 'running', due_at: now, trouble: 0 }
    : withNative(job, native, now)

/** Where a job turns to, and when. */
export interface Turn {
  verdict: Verdict
  error: JobObject['error']
  /** Index of the target. */
  next: number
  /** Unix seconds. */
  dueAt: number
  /** Whether the provider may have created the job all the same. */
  isUnsettled: boolean
}

/** Ends the current attempt and turns to another target. */
export const turned = (
  job: JobRecord,
  { verdict, error, next, dueAt, isUnsettled }: Turn,
  now: number,
): JobRecord => {
  const target = job.targets[next]
  if (!target) throw new Error(`There is no target ${next}.`)
  const { provider, connection, account, native_model, native_id, started_at, reservation } = job
  const ended = { provider, connection, account, native_model, native_id, started_at, reservation }
  const open = { is_unsettled: isUnsettled, is_accounted: false, found: null }
  return {
    ...job,
    ...target,
    target: next,
    stage: 'placing',
    status: 'queued',
    past: [...job.past, { ...ended, ended_at: now, verdict, error, ...open }],
    reservation: null,
    native_id: null,
    native: null,
    sent_at: null,
    started_at: now,
    error: null,
    finished_at: null,
    // The next provider's feed is another one.
    feed: { ...job.feed, last_native_id: null, is_complete: false },
    due_at: dueAt,
  }
}

/** Ends a job that has no place, or whose caller wants none any more. */
export const ended = (job: JobRecord, error: JobObject['error'], now: number): JobRecord => ({
  ...job,
  stage: 'closing',
  status: job.is_cancelled ? 'cancelled' : 'failed',
  error: job.is_cancelled ? null : error,
  finished_at: now,
  due_at: now,
})
