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

/** {@link announce} at once. What fails here is done when the job is closed. */
export const announceEnd = (context: Context, job: JobRecord): Promise<void> =>
  announce(context, job).catch(() => undefined)
