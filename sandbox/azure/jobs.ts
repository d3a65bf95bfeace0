/** Azure's dialects of OpenAI's fine-tuning: that of the v1 surface, and the older dated one. */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import type { FileDialect, JobDialect } from '../openai/dialect.ts'
import { check } from '../openai/errors.ts'
import { type Action, type Job, type JobStatus, wireEvent, wireJob } from '../openai/job.ts'
import { type JobRequest, jobRequest, method, supervisedHyperparameters } from '../openai/job-schema.ts'
import type { Columns } from '../openai/results.ts'
import type { AzureSettings } from './settings.ts'

export const azureFiles = (settings: AzureSettings): FileDialect => ({
  byteOrderMark: 'required',
  lifetime: { min: 1_209_600, max: 2_592_000 },
  created: 200,
  looks: () => settings.filePolls,
})

const hyperparameters = supervisedHyperparameters.safeExtend({
  prompt_loss_weight: z.number().min(0).optional(),
})

/** The service is not particular about upper and lower case: its documentation has both. */
const TRAINING_TYPE = /^(standard|globalstandard|developertier)$/i
const DEVELOPER_TIER = /^developertier$/i

const azureJobRequest = jobRequest.safeExtend({
  suffix: z
    .string()
    .min(1)
    .max(40)
    .regex(/^[A-Za-z0-9_-]+$/)
    .nullish(),
  trainingType: z.string().regex(TRAINING_TYPE).optional(),
  method: method
    .safeExtend({
      supervised: z.strictObject({ hyperparameters: hyperparameters.optional() }).optional(),
    })
    .optional(),
  hyperparameters: hyperparameters.optional(),
})

type AzureJobRequest = z.infer<typeof azureJobRequest>

/** The statuses of `FineTuningState`. Its `created` is never returned, says the specification. */
const DATED_STATUSES: Record<JobStatus, string> = {
  validating_files: 'pending',
  queued: 'pending',
  running: 'running',
  paused: 'paused',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
}

/** The answer to being told already shows the state between. */
const DATED_TRANSITIONS: Partial<Record<Action, string>> = { pause: 'pausing', resume: 'resuming' }

/** v1 has OpenAI's six statuses, and none for a pause. */
const v1Status = (status: JobStatus): string => (status === 'paused' ? 'queued' : status)

function azureJob(job: Job, status: string) {
  // Every request in an Azure account's ledger has been read by `azureJobRequest`.
  const { trainingType, suffix }: AzureJobRequest = job.request
  const { prompt_loss_weight }: z.infer<typeof hyperparameters> = job.method.hyperparameters
  const wire = wireJob(job)
  return {
    ...wire,
    status,
    ...(suffix != null && { suffix }),
    ...(trainingType !== undefined && { trainingType }),
    ...(prompt_loss_weight !== undefined && {
      hyperparameters: { ...wire.hyperparameters, prompt_loss_weight },
    }),
  }
}

const COLUMNS: Columns = [
  ['step', ({ step }) => step],
  ['train_loss', ({ train }) => train.loss],
  ['train_mean_token_accuracy', ({ train }) => train.accuracy],
  ['valid_loss', ({ valid }) => valid?.loss],
  ['validation_mean_token_accuracy', ({ valid }) => valid?.accuracy],
  ['full_valid_loss', ({ fullValid }) => fullValid?.loss],
  ['full_valid_mean_token_accuracy', ({ fullValid }) => fullValid?.accuracy],
]

export const V1_JOBS: JobDialect = {
  readRequest: body => check(azureJobRequest, body),
  warnings: ({ trainingType }: JobRequest & Pick<AzureJobRequest, 'trainingType'>) =>
    trainingType && DEVELOPER_TIER.test(trainingType)
      ? ['The developer tier runs on spare capacity: the job may be preempted and resumed']
      : [],
  created: 200,
  newModelName: ({ base, request }) => {
    const id = randomUUID().replaceAll('-', '')
    return [`${base.id}.ft`, id, ...(request.suffix ? [request.suffix] : [])].join('-')
  },
  results: { filename: 'results.csv', columns: COLUMNS },
  wireJob: job => azureJob(job, v1Status(job.status)),
  wireEvent: event => ({ ...wireEvent(event), level: event.level === 'warn' ? 'warning' : event.level }),
}

export const DATED_JOBS: JobDialect = {
  ...V1_JOBS,
  created: 201,
  wireJob: (job, told) => azureJob(job, (told && DATED_TRANSITIONS[told]) ?? DATED_STATUSES[job.status]),
}
