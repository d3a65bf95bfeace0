/** A job's record and how it looks on the wire. */
import { newId, nowInSeconds } from '../ids.ts'
import { Ledger } from '../ledger.ts'
import type { Grade } from '../trainer/objectives.ts'
import type { StepReport } from '../trainer/train.ts'
import { type Resolved, unresolvedHyperparameters } from './hyperparameters.ts'
import { type JobMethod, type JobRequest, methodOf } from './job-schema.ts'
import type { BaseModel, FineTune } from './models.ts'

export type JobStatus =
  | 'validating_files'
  | 'queued'
  | 'running'
  | 'paused'
  | 'succeeded'
  | 'failed'
  | 'cancelled'

export const TERMINAL: ReadonlySet<JobStatus> = new Set(['succeeded', 'failed', 'cancelled'])

/** What a job can be told. */
export type Action = 'cancel' | 'pause' | 'resume'

export interface JobError {
  code: string
  message: string
  param: string | null
}

export interface JobEvent {
  id: string
  createdAt: number
  level: 'info' | 'warn' | 'error'
  message: string
  type: 'message' | 'metrics'
  data: Record<string, unknown>
}

export interface Checkpoint {
  id: string
  createdAt: number
  model: string
  step: number
  metrics: Metrics
}

export type Metrics = Record<string, number>

export interface Job {
  id: string
  createdAt: number
  finishedAt: number | null
  status: JobStatus
  error: JobError | null
  /** What was asked for. */
  request: JobRequest
  base: BaseModel
  /** Set if the job goes on from a tuned model. */
  from: FineTune | undefined
  method: JobMethod
  /** Known once the examples are counted. */
  resolved: Resolved | undefined
  seed: number
  fineTunedModel: string | null
  resultFiles: string[]
  trainedTokens: number | null
  /** While it runs: when training began (ms), and how far it is. */
  progress: { startedAt: number; step: number; totalSteps: number } | undefined
  events: Ledger<JobEvent>
  checkpoints: Ledger<Checkpoint>
}

export function newJob(request: JobRequest, base: BaseModel, from: FineTune | undefined): Job {
  return {
    id: newId('ftjob-'),
    createdAt: nowInSeconds(),
    finishedAt: null,
    status: 'validating_files',
    error: null,
    request,
    base,
    from,
    method: methodOf(request),
    resolved: undefined,
    seed: request.seed ?? Math.floor(Math.random() * 2 ** 31),
    fineTunedModel: null,
    resultFiles: [],
    trainedTokens: null,
    progress: undefined,
    events: new Ledger(),
    checkpoints: new Ledger(),
  }
}

export function addEvent(
  job: Job,
  message: string,
  { level = 'info', type = 'message', data = {} }: Partial<Pick<JobEvent, 'level' | 'type' | 'data'>> = {},
): void {
  job.events.add({ id: newId('ftevent-'), createdAt: nowInSeconds(), level, message, type, data })
}

/** A step's figures under OpenAI's names. Accuracy is over whole answers: the model gives them in one piece. */
export function metricsOf({ step, train, valid, fullValid }: StepReport): Metrics {
  const pair = (prefix: string, grade: Grade | undefined): Metrics =>
    grade ? { [`${prefix}_loss`]: grade.loss, [`${prefix}_mean_token_accuracy`]: grade.accuracy } : {}
  return { step, ...pair('train', train), ...pair('valid', valid), ...pair('full_valid', fullValid) }
}

export const wireEvent = (event: JobEvent) => ({
  object: 'fine_tuning.job.event',
  id: event.id,
  created_at: event.createdAt,
  level: event.level,
  message: event.message,
  type: event.type,
  data: event.data,
})

export const wireCheckpoint = (job: Job, checkpoint: Checkpoint) => ({
  object: 'fine_tuning.job.checkpoint',
  id: checkpoint.id,
  created_at: checkpoint.createdAt,
  fine_tuned_model_checkpoint: checkpoint.model,
  fine_tuning_job_id: job.id,
  metrics: checkpoint.metrics,
  step_number: checkpoint.step,
})

export function wireJob(job: Job) {
  const { request, method } = job
  const hyperparameters = job.resolved ?? unresolvedHyperparameters(method)
  const { n_epochs, batch_size, learning_rate_multiplier } = hyperparameters
  return {
    object: 'fine_tuning.job',
    id: job.id,
    model: job.from?.id ?? job.base.id,
    created_at: job.createdAt,
    finished_at: job.finishedAt,
    fine_tuned_model: job.fineTunedModel,
    organization_id: 'org-sandbox',
    result_files: job.resultFiles,
    status: job.status,
    validation_file: request.validation_file ?? null,
    training_file: request.training_file,
    hyperparameters: { n_epochs, batch_size, learning_rate_multiplier },
    trained_tokens: TERMINAL.has(job.status) ? job.trainedTokens : null,
    error: job.error,
    seed: job.seed,
    estimated_finish: estimatedFinish(job),
    integrations: request.integrations ?? [],
    metadata: request.metadata ?? {},
    method: {
      type: method.type,
      [method.type]: { ...(method.grader && { grader: method.grader }), hyperparameters },
    },
  }
}

function estimatedFinish({ status, progress }: Job): number | null {
  if (status !== 'running' || !progress || progress.step === 0) return null
  const spent = Date.now() - progress.startedAt
  return Math.ceil((progress.startedAt + (spent / progress.step) * progress.totalSteps) / 1000)
}
