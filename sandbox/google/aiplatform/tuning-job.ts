/** A tuning job's record and how it looks on the wire. */
import type { Grade } from '../../trainer/objectives.ts'
import { STATUS, type StatusName } from '../errors.ts'
import { numericId, timestamp } from '../wire.ts'
import type { Dataset } from './dataset.ts'
import {
  type BaseModel,
  type Checkpoint,
  endpointName,
  modelName,
  placeName,
  type TunedGemini,
} from './models.ts'
import type { Hyperparameters, TuningRequest } from './tuning-schema.ts'

export type JobState =
  | 'JOB_STATE_QUEUED'
  | 'JOB_STATE_PENDING'
  | 'JOB_STATE_RUNNING'
  | 'JOB_STATE_CANCELLING'
  | 'JOB_STATE_CANCELLED'
  | 'JOB_STATE_SUCCEEDED'
  | 'JOB_STATE_FAILED'

export type TuningState =
  | 'TUNING_JOB_STATE_WAITING_FOR_QUOTA'
  | 'TUNING_JOB_STATE_WAITING_FOR_CAPACITY'
  | 'TUNING_JOB_STATE_PROCESSING_DATASET'
  | 'TUNING_JOB_STATE_TUNING'
  | 'TUNING_JOB_STATE_POST_PROCESSING'

export const TERMINAL: ReadonlySet<JobState> = new Set([
  'JOB_STATE_SUCCEEDED',
  'JOB_STATE_FAILED',
  'JOB_STATE_CANCELLED',
])

/** The one TensorBoard of a place. */
export const TENSORBOARD = '6200000000000000001'

/** What one step was measured at. */
export interface StepMetrics {
  step: number
  /** Examples in its batch. */
  examples: number
  train: Grade
  valid: Grade | undefined
}

/** What a job starts from. */
export interface Start {
  base: BaseModel
  from: { model: TunedGemini; checkpoint: Checkpoint } | undefined
}

export interface TuningJob extends Start {
  id: string
  region: string
  request: TuningRequest
  state: JobState
  tuningState: TuningState | undefined
  createdAt: Date
  startedAt: Date | undefined
  endedAt: Date | undefined
  updatedAt: Date
  error: { status: StatusName; message: string } | undefined
  /** Known once the examples are counted. */
  hyperparameters: Hyperparameters | undefined
  dataset: { data: Dataset; steps: number; epochs: number } | undefined
  metrics: StepMetrics[]
  completed: { epochs: number; steps: number }
  model: TunedGemini | undefined
}

/** A job that waits for its turn. */
export function newTuningJob(request: TuningRequest, region: string, start: Start): TuningJob {
  const now = new Date()
  return {
    ...start,
    id: numericId(),
    region,
    request,
    state: 'JOB_STATE_QUEUED',
    tuningState: 'TUNING_JOB_STATE_WAITING_FOR_QUOTA',
    createdAt: now,
    startedAt: undefined,
    endedAt: undefined,
    updatedAt: now,
    error: undefined,
    hyperparameters: undefined,
    dataset: undefined,
    completed: { epochs: 0, steps: 0 },
    metrics: [],
    model: undefined,
  }
}

/** The resource name. */
export const jobName = ({ region, id }: TuningJob): string => `${placeName(region)}/tuningJobs/${id}`

/** The TuningJob resource: 64-bit integers are strings, what is empty is absent. */
export function wireJob(job: TuningJob) {
  const { request, from, error, completed, endedAt, startedAt, model } = job
  return {
    name: jobName(job),
    ...(request.tunedModelDisplayName !== undefined && {
      tunedModelDisplayName: request.tunedModelDisplayName,
    }),
    ...(request.description !== undefined && { description: request.description }),
    ...(from
      ? {
          preTunedModel: {
            tunedModelName: `${modelName(from.model)}@1`,
            checkpointId: from.checkpoint.checkpointId,
            baseModel: job.base.id,
          },
        }
      : { baseModel: job.base.id }),
    [request.spec.field]: wireSpec(job),
    state: job.state,
    ...(job.tuningState && { tuningJobState: job.tuningState }),
    ...(completed.steps > 0 && {
      tuningJobMetadata: {
        completedEpochCount: String(completed.epochs),
        completedStepCount: String(completed.steps),
      },
    }),
    createTime: timestamp(job.createdAt),
    ...(startedAt && { startTime: timestamp(startedAt) }),
    ...(endedAt && { endTime: timestamp(endedAt) }),
    updateTime: timestamp(job.updatedAt),
    ...(error && { error: { code: STATUS[error.status].rpc, message: error.message } }),
    ...(Object.keys(request.labels).length > 0 && { labels: request.labels }),
    ...(startedAt && {
      experiment: `${placeName(job.region)}/metadataStores/default/contexts/tuning-experiment-${job.id}`,
    }),
    ...(model && { tunedModel: wireTunedModel(model) }),
    ...(job.dataset && { tuningDataStats: wireStats(job, job.dataset) }),
    ...(request.serviceAccount !== undefined && { serviceAccount: request.serviceAccount }),
  }
}

function wireSpec({ request: { spec }, hyperparameters = spec.hyperParameters }: TuningJob) {
  const { epochCount, ...others } = hyperparameters
  const wire = { ...(epochCount !== undefined && { epochCount: String(epochCount) }), ...others }
  return {
    trainingDatasetUri: spec.trainingDatasetUri,
    ...(spec.validationDatasetUri !== undefined && { validationDatasetUri: spec.validationDatasetUri }),
    ...(Object.keys(wire).length > 0 && { hyperParameters: wire }),
    ...(spec.exportLastCheckpointOnly && { exportLastCheckpointOnly: true }),
  }
}

function wireTunedModel(model: TunedGemini) {
  const last = model.checkpoints.at(-1)
  return {
    model: `${modelName(model)}@1`,
    endpoint: endpointName(model.region, last?.endpointId ?? ''),
    checkpoints: model.checkpoints.map(({ checkpointId, epoch, step, endpointId }) => ({
      checkpointId,
      epoch: String(epoch),
      step: String(step),
      endpoint: endpointName(model.region, endpointId),
    })),
  }
}

function wireStats(
  { request: { spec } }: TuningJob,
  { data: { lines }, steps, epochs }: NonNullable<TuningJob['dataset']>,
) {
  const tokens = lines.reduce((sum, line) => sum + line.inputTokens + line.outputTokens, 0)
  const shared = {
    tuningDatasetExampleCount: String(lines.length),
    totalBillableTokenCount: String(tokens * epochs),
    tuningStepCount: String(steps),
    userInputTokenDistribution: distribution(lines.map(({ inputTokens }) => inputTokens)),
    userOutputTokenDistribution: distribution(lines.map(({ outputTokens }) => outputTokens)),
  }
  if (spec.method === 'preference') {
    const scores = distribution(lines.flatMap(line => line.scores))
    return { preferenceOptimizationDataStats: { ...shared, scoresDistribution: scores } }
  }
  return {
    supervisedTuningDataStats: {
      ...shared,
      userMessagePerExampleDistribution: distribution(lines.map(({ turns }) => turns)),
    },
  }
}

function distribution(values: readonly number[]) {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? 0
  const sum = values.reduce((total, value) => total + value, 0)
  return {
    sum: String(Math.round(sum)),
    min: at(0),
    max: at(1),
    mean: sum / Math.max(1, values.length),
    median: at(0.5),
    p5: at(0.05),
    p95: at(0.95),
  }
}
