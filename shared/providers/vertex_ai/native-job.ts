/** Vertex AI's TuningJob → canonical job. A job that lacks something, or has it in another form, never breaks a list. */
import * as z from 'zod'
import type { DpoHyperparameters, Method } from '../../openai/index.ts'
import type { JobOrigin, NativeCheckpoint, NativeJob } from '../provider.ts'
import { rpcName } from './faults.ts'
import { fromHyperParameters, hyperParameters, int64 } from './hyperparameters.ts'
import { fromLabel, JOB_LABEL_KEY } from './labels.ts'
import { nativeStatus, toStatus } from './status.ts'

const lenient = <T extends z.ZodType>(schema: T) => schema.optional().catch(undefined)
const text = lenient(z.string())
const spec = lenient(
  z.object({
    hyperParameters: lenient(hyperParameters),
    trainingDatasetUri: text,
    validationDatasetUri: text,
  }),
)
const stats = lenient(
  z.object({
    tuningDatasetExampleCount: int64,
    totalBillableTokenCount: int64,
    totalBillableCharacterCount: int64,
    tuningStepCount: int64,
    totalTruncatedExampleCount: int64,
    droppedExampleReasons: lenient(z.array(z.string())),
  }),
)

export const tuningJob = z.object({
  name: z.string(),
  state: text,
  tuningJobState: text,
  experiment: text,
  tuningJobMetadata: lenient(z.object({ completedEpochCount: int64, completedStepCount: int64 })),
  baseModel: text,
  tunedModelDisplayName: text,
  preTunedModel: lenient(z.object({ tunedModelName: text, baseModel: text })),
  supervisedTuningSpec: spec,
  preferenceOptimizationSpec: spec,
  createTime: text,
  updateTime: text,
  endTime: text,
  error: lenient(z.object({ code: lenient(z.number()), message: text })),
  labels: lenient(z.record(z.string(), z.string())),
  tunedModel: lenient(
    z.object({
      model: text,
      endpoint: text,
      checkpoints: lenient(
        z.array(z.object({ checkpointId: z.string(), epoch: int64, step: int64, endpoint: text })),
      ),
    }),
  ),
  tuningDataStats: lenient(
    z.object({ supervisedTuningDataStats: stats, preferenceOptimizationDataStats: stats }),
  ),
})
export type TuningJob = z.infer<typeof tuningJob>

export const tuningJobList = z.object({
  tuningJobs: z.array(tuningJob).default([]),
  nextPageToken: z.string().optional(),
})

/** Unix seconds of a `google.protobuf.Timestamp`. */
const seconds = (time: string | undefined): number | null => {
  const at = Date.parse(time ?? '')
  return Number.isNaN(at) ? null : Math.floor(at / 1000)
}

const methodOf = (job: TuningJob, hyperparameters: DpoHyperparameters): Method | null => {
  if (job.supervisedTuningSpec) return { type: 'supervised', supervised: { hyperparameters } }
  if (job.preferenceOptimizationSpec) return { type: 'dpo', dpo: { hyperparameters } }
  return null
}

/** A job that failed without a word still has failed. */
const errorOf = ({ error, state = '' }: TuningJob): NativeJob['error'] => {
  if (error?.message) return { code: rpcName(error.code), message: error.message, param: null }
  return toStatus(state) === 'failed'
    ? { code: state, message: 'Vertex AI gave no reason.', param: null }
    : null
}

/** Newest first. Each has an endpoint of its own; one without cannot be called. */
const checkpointsOf = ({ tunedModel, endTime, updateTime }: TuningJob): NativeCheckpoint[] =>
  (tunedModel?.checkpoints ?? [])
    .flatMap(({ checkpointId, step = 0, endpoint, epoch }) =>
      endpoint === undefined
        ? []
        : [
            {
              id: checkpointId,
              createdAt: seconds(endTime ?? updateTime) ?? 0,
              model: endpoint,
              step,
              metrics: { step, ...(epoch !== undefined && { epoch }) },
            },
          ],
    )
    .sort((a, b) => b.step - a.step)

const statsOf = ({ tuningDataStats }: TuningJob) =>
  tuningDataStats?.supervisedTuningDataStats ?? tuningDataStats?.preferenceOptimizationDataStats

/** What is worth telling beside the state, without what is not known. */
const factsOf = (job: TuningJob): Record<string, unknown> => {
  const known = statsOf(job)
  const facts = {
    tuning_job_state: job.tuningJobState,
    completed_epochs: job.tuningJobMetadata?.completedEpochCount,
    completed_steps: job.tuningJobMetadata?.completedStepCount,
    examples: known?.tuningDatasetExampleCount,
    billable_tokens: known?.totalBillableTokenCount,
    steps: known?.tuningStepCount,
    truncated_examples: known?.totalTruncatedExampleCount,
    dropped_example_reasons: known?.droppedExampleReasons,
  }
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}

const originOf = ({ labels = {}, createTime, tunedModelDisplayName, ...job }: TuningJob): JobOrigin => {
  const { [JOB_LABEL_KEY]: label, ...metadata } = labels
  const tuningSpec = job.supervisedTuningSpec ?? job.preferenceOptimizationSpec
  return {
    label: label === undefined ? undefined : fromLabel(label),
    createdAt: seconds(createTime),
    trainingFile: tuningSpec?.trainingDatasetUri ?? null,
    validationFile: tuningSpec?.validationDatasetUri ?? null,
    suffix: tunedModelDisplayName ?? null,
    metadata,
  }
}

export const fromJob = (job: TuningJob): NativeJob => {
  const { state = 'JOB_STATE_UNSPECIFIED', tuningJobState, tunedModel, preTunedModel } = job
  const tuningSpec = job.supervisedTuningSpec ?? job.preferenceOptimizationSpec
  const hyperparameters = fromHyperParameters(tuningSpec?.hyperParameters)
  const { beta: _, ...common } = hyperparameters
  return {
    id: job.name,
    nativeStatus: nativeStatus(state, tuningJobState),
    status: toStatus(state, tuningJobState),
    model: job.baseModel ?? preTunedModel?.baseModel ?? preTunedModel?.tunedModelName ?? '',
    // Only the endpoint can be called; the model resource beside it cannot.
    fineTunedModel: tunedModel?.endpoint ?? null,
    finishedAt: seconds(job.endTime),
    estimatedFinish: null,
    error: errorOf(job),
    hyperparameters: common,
    method: methodOf(job, hyperparameters),
    resultFiles: [],
    trainedTokens: statsOf(job)?.totalBillableTokenCount ?? null,
    seed: null,
    checkpoints: checkpointsOf(job),
    facts: factsOf(job),
    origin: originOf(job),
  }
}
