/** A customization job's record and how it looks on the wire. */
import { arnOf, foundationArn, newResourceId } from './arns.ts'
import type { BaseModel } from './base-models.ts'
import type { CustomModel } from './custom-models.ts'
import type { Hyperparameters } from './hyperparameters.ts'
import type { JobRequest } from './job-schema.ts'
import type { Resource } from './registry.ts'

export const JOB_STATUSES = ['InProgress', 'Completed', 'Failed', 'Stopping', 'Stopped'] as const
export type JobStatus = (typeof JOB_STATUSES)[number]

/** The parts of a job, in their order. */
export const PHASES = ['validationDetails', 'dataProcessingDetails', 'trainingDetails'] as const
export type Phase = (typeof PHASES)[number]

interface PhaseDetails {
  status: 'NotStarted' | JobStatus
  creationTime?: Date
  lastModifiedTime?: Date
}

export interface Job extends Resource {
  request: JobRequest
  base: BaseModel
  hyperparameters: Hyperparameters
  status: JobStatus
  phases: Record<Phase, PhaseDetails>
  modifiedAt: Date
  endedAt: Date | undefined
  failureMessage: string | undefined
  trainingLoss: number | undefined
  validationLoss: number | undefined
  /** Steps trained so far. */
  step: number
  output: CustomModel | undefined
}

export function newJob(request: JobRequest, base: BaseModel, hyperparameters: Hyperparameters): Job {
  const id = newResourceId()
  const now = new Date()
  return {
    id,
    arn: arnOf('model-customization-job', base.customizableId, id),
    name: request.jobName,
    createdAt: now,
    request,
    base,
    hyperparameters,
    status: 'InProgress',
    phases: {
      validationDetails: { status: 'NotStarted' },
      dataProcessingDetails: { status: 'NotStarted' },
      trainingDetails: { status: 'NotStarted' },
    },
    modifiedAt: now,
    endedAt: undefined,
    failureMessage: undefined,
    trainingLoss: undefined,
    validationLoss: undefined,
    step: 0,
    output: undefined,
  }
}

/** Fields that are alike in a job and in a line of the list. Undefined ones vanish in JSON. */
const common = (job: Job) => ({
  jobArn: job.arn,
  jobName: job.name,
  baseModelArn: foundationArn(job.base.customizableId),
  status: job.status,
  statusDetails: job.phases,
  creationTime: job.createdAt,
  lastModifiedTime: job.modifiedAt,
  endTime: job.endedAt,
  customizationType: job.request.customizationType,
})

export const wireJob = (job: Job) => ({
  ...common(job),
  outputModelName: job.request.customModelName,
  outputModelArn: job.output?.arn,
  clientRequestToken: job.request.clientRequestToken,
  roleArn: job.request.roleArn,
  failureMessage: job.failureMessage,
  hyperParameters: job.hyperparameters,
  trainingDataConfig: job.request.trainingDataConfig,
  validationDataConfig: job.request.validationDataConfig ?? { validators: [] },
  outputDataConfig: job.request.outputDataConfig,
  outputModelKmsKeyArn: job.request.customModelKmsKeyId,
  vpcConfig: job.request.vpcConfig,
  ...wireMetrics(job),
})

export const wireJobSummary = (job: Job) => ({
  ...common(job),
  customModelArn: job.output?.arn,
  customModelName: job.request.customModelName,
})

/** Known when the job is complete, not before. */
export const wireMetrics = ({ trainingLoss, validationLoss }: Job) => ({
  trainingMetrics: trainingLoss === undefined ? undefined : { trainingLoss },
  validationMetrics: validationLoss === undefined ? undefined : [{ validationLoss }],
})
