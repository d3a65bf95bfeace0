/**
 * Model customization jobs ⇄ canonical jobs.
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelCustomizationJob.html
 * @module
 */
import * as z from 'zod'
import { badRequest, JOB_LABEL } from '../../openai/index.ts'
import type { Query } from '../../platform/index.ts'
import {
  type Channel,
  type Dropped,
  type JobOrigin,
  type JobSubmission,
  type NativeJob,
  type Provider,
  ProviderFault,
  type ProviderRequest,
  type Settings,
} from '../provider.ts'
import { foundationIdOf, resourceId } from './arns.ts'
import { baseOf, familyOf, trainableId } from './bases.ts'
import { RESULTS } from './files.ts'
import { s3Uri, urlOf } from './hosts.ts'
import { fromNative, toNative } from './hyperparameters.ts'
import { jobNameOf, modelNameOf, tagsOf, tokenOf } from './names.ts'
import { toOptions } from './options.ts'
import { resultFiles } from './results.ts'
import { roleOf } from './settings.ts'
import { toStatus } from './status.ts'
import { cornerOf } from './uploads.ts'

const step = z.object({ status: z.string().optional() }).nullish()
const common = {
  jobArn: z.string(),
  jobName: z.string().optional(),
  status: z.string(),
  statusDetails: z
    .object({ validationDetails: step, dataProcessingDetails: step, trainingDetails: step })
    .nullish(),
  baseModelArn: z.string().optional(),
  creationTime: z.string().nullish(),
  endTime: z.string().nullish(),
}
const numbers = z.record(z.string(), z.number().nullish())
const jobObject = z.object({
  ...common,
  outputModelArn: z.string().nullish(),
  failureMessage: z.string().nullish(),
  hyperParameters: z.record(z.string(), z.string()).nullish(),
  outputDataConfig: z.object({ s3Uri: z.string() }).nullish(),
  trainingDataConfig: z.object({ s3Uri: z.string().nullish() }).nullish().catch(null),
  validationDataConfig: z
    .object({ validators: z.array(z.object({ s3Uri: z.string() })) })
    .nullish()
    .catch(null),
  trainingMetrics: numbers.nullish(),
  validationMetrics: z.array(numbers).nullish(),
})
export type JobObject = z.infer<typeof jobObject>

/** A line of the list knows less than the job, and calls the model otherwise. */
const summary = z.object({ ...common, customModelArn: z.string().nullish() })
const jobList = z.object({
  modelCustomizationJobSummaries: z.array(summary).default([]),
  nextToken: z.string().nullish(),
})
const created = z.object({ jobArn: z.string() })

/** Unix seconds of an ISO date, or null when there is none. */
const seconds = (date: string | null | undefined): number | null => {
  const milliseconds = Date.parse(date ?? '')
  return Number.isNaN(milliseconds) ? null : Math.floor(milliseconds / 1000)
}

type Checked = Parameters<Provider['jobs']['check']>[0]

const METHODS_ELSEWHERE = {
  dpo: "Bedrock does not tune on preferences: use 'supervised', or another provider",
  reinforcement:
    "Bedrock takes reinforcement jobs through its OpenAI-compatible API only: give it a connection of its own ('openai_compatible' with the base URL of bedrock-mantle)",
} as const

/** What a submission is, checked; hyperparameters are those of the one method there is. */
const hyperparametersOf = ({ method }: Pick<JobSubmission, 'method'>) => {
  if (method.type === 'supervised') return method.supervised?.hyperparameters ?? {}
  throw badRequest('method.type', `${METHODS_ELSEWHERE[method.type]}.`, 'feature_unsupported')
}

const check = (submission: Checked): Dropped[] => {
  const { model, seed, integrations, hasValidation } = submission
  const hyperparameters = hyperparametersOf(submission)
  const { dropped } = toNative(model, familyOf(model), hyperparameters, toOptions(submission.options))
  if (hasValidation && baseOf(model)?.validation === false) {
    throw badRequest(
      'validation_file',
      `'${model}' is tuned without a validation dataset.`,
      'feature_unsupported',
    )
  }
  return [
    ...dropped,
    ...(seed === null ? [] : [{ param: 'seed', message: 'Bedrock has no seed to set' }]),
    ...(integrations === null || integrations.length === 0
      ? []
      : [{ param: 'integrations', message: 'Bedrock reports to no other service' }]),
  ]
}

/** The body of `POST /model-customization-jobs`. The same job always gives the same body: its token asks for that. */
export const toBody = (settings: Settings, job: JobSubmission) => {
  const options = toOptions(job.options)
  const { bucket, folder } = cornerOf(settings)
  const { native } = toNative(job.model, familyOf(job.model), hyperparametersOf(job), options)
  const { custom_model_kms_key_id: key, vpc_config: vpc, custom_model_tags: modelTags } = options
  return {
    jobName: jobNameOf(job.label),
    customModelName: modelNameOf(job.suffix, job.label),
    roleArn: roleOf(settings),
    baseModelIdentifier: trainableId(job.model),
    trainingDataConfig: { s3Uri: job.trainingFile },
    outputDataConfig: { s3Uri: s3Uri({ bucket, key: `${folder}${RESULTS}` }) },
    clientRequestToken: tokenOf(job.label),
    customizationType: 'FINE_TUNING',
    jobTags: tagsOf({ ...job.metadata, [JOB_LABEL]: job.label }),
    ...(job.validationFile !== null && {
      validationDataConfig: { validators: [{ s3Uri: job.validationFile }] },
    }),
    ...(Object.keys(native).length > 0 && { hyperParameters: native }),
    ...(key !== undefined && { customModelKmsKeyId: key }),
    ...(vpc && { vpcConfig: { subnetIds: vpc.subnet_ids, securityGroupIds: vpc.security_group_ids } }),
    ...(modelTags && { customModelTags: tagsOf(modelTags) }),
  }
}

const JOBS = 'model-customization-jobs'

const toGet = (settings: Settings, segments: string[], query: Query = {}): ProviderRequest => ({
  method: 'GET',
  url: urlOf(settings, 'bedrock', [JOBS, ...segments], query),
  repeat: 'always',
})

export const toCreate = (settings: Settings, job: JobSubmission): ProviderRequest => ({
  method: 'POST',
  url: urlOf(settings, 'bedrock', [JOBS]),
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(toBody(settings, job)),
  // The token makes of many one.
  repeat: 'always',
})

export const toStop = (settings: Settings, id: string): ProviderRequest => ({
  method: 'POST',
  url: urlOf(settings, 'bedrock', [JOBS, id, 'stop']),
  repeat: 'if-refused',
})

type Summary = Pick<JobObject, keyof typeof common> & Partial<Omit<JobObject, keyof typeof common>>

/** Tags, which hold the metadata, are another call's to tell. */
const originOf = ({
  jobName,
  creationTime,
  trainingDataConfig: training,
  validationDataConfig,
}: Summary): JobOrigin => ({
  // The gateway's label is the job's name.
  label: jobName,
  createdAt: seconds(creationTime),
  trainingFile: training?.s3Uri ?? null,
  validationFile: validationDataConfig?.validators[0]?.s3Uri ?? null,
  suffix: null,
  metadata: {},
})

export const fromJob = (job: Summary): NativeJob => {
  const model = foundationIdOf(job.baseModelArn ?? job.jobArn)
  const { trainingMetrics, validationMetrics, statusDetails } = job
  const status = toStatus(job.status, statusDetails)
  return {
    id: job.jobArn,
    nativeStatus: job.status,
    status,
    model,
    fineTunedModel: status === 'succeeded' ? (job.outputModelArn ?? null) : null,
    finishedAt: seconds(job.endTime),
    estimatedFinish: null,
    error: job.failureMessage ? { code: 'failed', message: job.failureMessage, param: null } : null,
    hyperparameters: fromNative(familyOf(model), job.hyperParameters),
    method: null,
    resultFiles: [],
    trainedTokens: null,
    seed: null,
    ...((trainingMetrics || validationMetrics?.length) && {
      facts: { training_metrics: trainingMetrics ?? null, validation_metrics: validationMetrics ?? [] },
    }),
    origin: originOf(job),
  }
}

/** A job as it stands; of one that is complete, with what it left in its output location. */
const get = async (channel: Channel, id: string): Promise<NativeJob> => {
  const job = await channel.read(jobObject, toGet(channel.settings, [id]))
  const native = fromJob(job)
  if (native.status !== 'succeeded' || !job.outputDataConfig) return native
  return {
    ...native,
    resultFiles: await resultFiles(channel, job.outputDataConfig.s3Uri, resourceId(job.jobArn)),
  }
}

export const jobs: Provider['jobs'] = {
  check,
  async create({ settings, read }, job) {
    const { jobArn } = await read(created, toCreate(settings, job))
    // Told from what is known: a failure to read the job back would leave it open whether there is one.
    return {
      ...fromJob({
        jobArn,
        status: 'InProgress',
        statusDetails: { trainingDetails: { status: 'NotStarted' } },
      }),
      hyperparameters: hyperparametersOf(job),
    }
  },
  async find(channel, label) {
    try {
      return await get(channel, jobNameOf(label))
    } catch (error) {
      if (error instanceof ProviderFault && error.status === 404) return undefined
      throw error
    }
  },
  get,
  paging: 'token',
  async list({ settings, read }, { after, limit }) {
    const query = { maxResults: limit, nextToken: after, sortBy: 'CreationTime', sortOrder: 'Descending' }
    const page = await read(jobList, toGet(settings, [], query))
    return {
      items: page.modelCustomizationJobSummaries.map(({ customModelArn, ...job }) =>
        fromJob({ ...job, outputModelArn: customModelArn }),
      ),
      hasMore: Boolean(page.nextToken),
      ...(page.nextToken && { next: page.nextToken }),
    }
  },
  async cancel(channel, id) {
    await channel.call(toStop(channel.settings, id))
    return get(channel, id)
  },
}
