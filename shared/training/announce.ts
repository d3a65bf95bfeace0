/**
 * Tells webhooks of a job's end. That it is to be told stands in the job's own record, written together with the end itself.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { forEach } from '../each.ts'
import type { JobStatus, WebhookEventType } from '../openai/index.ts'
import { listDue } from '../platform/index.ts'
import { emit } from '../webhooks/index.ts'
import { JOBS, type JobRecord } from './records.ts'

const EVENT_OF: Partial<Record<JobStatus, WebhookEventType>> = {
  succeeded: 'fine_tuning.job.succeeded',
  failed: 'fine_tuning.job.failed',
  cancelled: 'fine_tuning.job.cancelled',
}

/** Doing it again tells no one twice: the time is the job's own. */
const announce = async (context: Context, job: JobRecord): Promise<void> => {
  const type = EVENT_OF[job.status]
  const url = job.request.webhook_url
  if (type) {
    await emit(context, job.owner, {
      type,
      subject: job.id,
      at: job.finished_at ?? job.created_at,
      data: { id: job.id },
      callback: url ? { job: job.id, url } : undefined,
    })
  }
  await JOBS.update(context.platform.store, job.id, value =>
    value.announce_at === null ? value : { ...value, announce_at: null },
  )
}

/** Tells of a job's end, if it has come and has not been told. What fails here is the schedule's to do. */
export const announceEnd = async (context: Context, job: JobRecord): Promise<void> => {
  if (job.announce_at) await announce(context, job).catch(() => undefined)
}

const ANNOUNCED_AT_ONCE = 6

/** Tells what was left untold, as the schedule's duty. */
export const announceDue = async (context: Context, limit: number): Promise<void> => {
  const due = await listDue(context.platform.store, JOBS, nowSeconds(context), limit)
  await forEach(due, ANNOUNCED_AT_ONCE, job => announce(context, job))
}
