/**
 * Tells webhooks of a job's end. A job stays in the stage `closing` until that has been done.
 * @module
 */
import type { Context } from '../context.ts'
import type { JobStatus, WebhookEventType } from '../openai/index.ts'
import { emit } from '../webhooks/index.ts'
import type { JobRecord } from './records.ts'

const EVENT_OF: Partial<Record<JobStatus, WebhookEventType>> = {
  succeeded: 'fine_tuning.job.succeeded',
  failed: 'fine_tuning.job.failed',
  cancelled: 'fine_tuning.job.cancelled',
}

/** Tells of a job's end, if it has come. Doing it again tells no one twice: the time is the job's own. */
export const announce = async (context: Context, job: JobRecord): Promise<void> => {
  const type = EVENT_OF[job.status]
  if (!type) return
  const url = job.request.webhook_url
  await emit(context, job.owner, {
    type,
    subject: job.id,
    at: job.finished_at ?? job.created_at,
    data: { id: job.id },
    callback: url ? { job: job.id, url } : undefined,
  })
}

/** Tells that a job has outlived its deadline. @param at Unix seconds: the deadline */
export const announceOverdue = (context: Context, job: JobRecord, at: number): Promise<void> =>
  emit(context, job.owner, {
    type: 'tunegate.job.overdue',
    subject: job.id,
    at,
    data: { id: job.id, deadline_at: at, status: job.status },
  })

/** Tells that an attempt has come to nothing: where a provider had had the job, or it goes on at another place. @param index of the attempt, from 0 */
export const announceAttempt = async (context: Context, job: JobRecord, index: number): Promise<void> => {
  const past = job.past[index]
  const next = job.past[index + 1] ?? job
  if (!past || (past.native_id === null && past.connection === next.connection)) return
  await emit(context, job.owner, {
    type: 'tunegate.job.attempt_failed',
    subject: `${job.id}/${index}`,
    at: past.ended_at,
    data: {
      id: job.id,
      attempt: index + 1,
      connection: past.connection,
      outcome: past.verdict,
      next_connection: next.connection,
    },
  })
}

/** {@link announce} at once. What fails here is done when the job is closed. */
export const announceEnd = (context: Context, job: JobRecord): Promise<void> =>
  announce(context, job).catch(() => undefined)
