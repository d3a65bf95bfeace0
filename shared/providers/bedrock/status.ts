/** Native status → canonical. @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelCustomizationJob.html */
import type { JobStatus } from '../../openai/index.ts'

/** The steps of a job, each with a status of its own. */
export interface StatusDetails {
  validationDetails?: { status?: string | undefined } | null | undefined
  dataProcessingDetails?: { status?: string | undefined } | null | undefined
  trainingDetails?: { status?: string | undefined } | null | undefined
}

/** What `InProgress` means is told by the steps. */
const inProgress = (details: StatusDetails | null | undefined): JobStatus => {
  const { validationDetails, dataProcessingDetails, trainingDetails } = details ?? {}
  const steps = [validationDetails, dataProcessingDetails, trainingDetails].map(step => step?.status)
  const known = steps.filter(status => status !== undefined)
  if (trainingDetails?.status === 'InProgress') return 'running'
  if (validationDetails?.status === 'InProgress' || dataProcessingDetails?.status === 'InProgress')
    return 'validating_files'
  return known.length > 0 && known.every(status => status === 'NotStarted') ? 'queued' : 'running'
}

const STATUS: Record<string, JobStatus> = {
  // Asked to stop is not stopped: it may still complete.
  Stopping: 'running',
  Stopped: 'cancelled',
  Completed: 'succeeded',
  Failed: 'failed',
}

/** A word we do not know means that the job is not over. */
export const toStatus = (native: string, details?: StatusDetails | null): JobStatus =>
  native === 'InProgress' ? inProgress(details) : (STATUS[native] ?? 'running')
