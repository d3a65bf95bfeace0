/** A tuning job's state → canonical status. States: JobState and TuningJobState of the Vertex AI API. */
import type { JobStatus } from '../../openai/index.ts'

const STATUS = new Map<string, JobStatus>(
  Object.entries({
    JOB_STATE_QUEUED: 'queued',
    JOB_STATE_PENDING: 'queued',
    JOB_STATE_PAUSED: 'queued',
    JOB_STATE_RUNNING: 'running',
    JOB_STATE_UPDATING: 'running',
    // Asked to stop, not stopped: it may still succeed.
    JOB_STATE_CANCELLING: 'running',
    JOB_STATE_SUCCEEDED: 'succeeded',
    JOB_STATE_PARTIALLY_SUCCEEDED: 'succeeded',
    JOB_STATE_FAILED: 'failed',
    JOB_STATE_EXPIRED: 'failed',
    JOB_STATE_CANCELLED: 'cancelled',
  }),
)

/** What a running job is doing, in finer words. */
const DETAIL = new Map<string, JobStatus>(
  Object.entries({
    TUNING_JOB_STATE_WAITING_FOR_QUOTA: 'queued',
    TUNING_JOB_STATE_WAITING_FOR_CAPACITY: 'queued',
    TUNING_JOB_STATE_PROCESSING_DATASET: 'validating_files',
    TUNING_JOB_STATE_TUNING: 'running',
    TUNING_JOB_STATE_POST_PROCESSING: 'running',
  }),
)

const RUNNING = 'JOB_STATE_RUNNING'

/** An unknown or unspecified state means that the job is not over. */
export const toStatus = (state: string, detail?: string): JobStatus => {
  const status = STATUS.get(state) ?? 'running'
  return state === RUNNING ? (DETAIL.get(detail ?? '') ?? status) : status
}

/** Google's own word; of a running job, with what it is doing, so that a change of that is a change too. */
export const nativeStatus = (state: string, detail?: string): string =>
  state === RUNNING && detail !== undefined ? `${state}/${detail}` : state
