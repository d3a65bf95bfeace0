/**
 * From a succeeded job to a model that answers, where the provider wants a deployment in between.
 * @module
 */
import type { Context } from '../context.ts'
import { ApiError } from '../openai/index.ts'
import {
  deployModel,
  findTunedModel,
  type ModelRecord,
  refreshDeployment,
  undeployModel,
} from '../serving/index.ts'
import { tell } from './events.ts'
import { findJob, getJob } from './jobs.ts'
import type { JobRecord } from './records.ts'

export interface DeploymentObject {
  id: string | null
  object: 'fine_tuning.job.deployment'
  fine_tuning_job_id: string
  /** What `/v1/chat/completions` takes as `model` once the status is `ready`. */
  model: string
  status: 'none' | 'deploying' | 'ready' | 'failed'
  /** Unix seconds. */
  created_at: number | null
  error: string | null
  tunegate: { provider: string; connection: string; native_status: string | null }
}

const toObject = (job: JobRecord, { name, deployment }: ModelRecord): DeploymentObject => ({
  id: deployment?.id ?? null,
  object: 'fine_tuning.job.deployment',
  fine_tuning_job_id: job.id,
  model: name,
  status: deployment && deployment.status !== 'deleted' ? deployment.status : 'none',
  created_at: deployment?.created_at ?? null,
  error: deployment?.error ?? null,
  tunegate: {
    provider: job.provider,
    connection: job.connection,
    native_status: deployment?.nativeStatus ?? null,
  },
})

/** The tuned model of a job. @throws {ApiError} 400 while there is none */
const modelOf = async (context: Context, owner: string, job: JobRecord): Promise<ModelRecord> => {
  const model =
    job.fine_tuned_model === null ? undefined : await findTunedModel(context, owner, job.fine_tuned_model)
  if (model) return model
  throw new ApiError({
    status: 400,
    code: 'invalid_state',
    param: 'fine_tuning_job_id',
    message: `The job '${job.id}' is ${job.status}: only a succeeded one has a model to deploy.`,
  })
}

/** Deploys the model of a job (`POST …/deploy`). Asked again, it answers how far it is. */
export const deployJob = async (context: Context, owner: string, id: string): Promise<DeploymentObject> => {
  const job = await getJob(context, owner, id)
  const model = await modelOf(context, owner, job)
  if (!job.native) throw new Error('a succeeded job has been seen at its provider')
  const deployed = await deployModel(context, model, job.native)
  if (!model.deployment)
    await tell(context, job, [{ level: 'info', message: `Deployment of ${model.name} asked for.` }])
  return toObject(job, deployed)
}

/** How the deployment of a job's model stands (`GET …/deployment`). */
export const getDeployment = async (
  context: Context,
  owner: string,
  id: string,
): Promise<DeploymentObject> => {
  const job = await findJob(context, owner, id)
  return toObject(job, await refreshDeployment(context, await modelOf(context, owner, job)))
}

/** Takes the deployment of a job's model down (`DELETE …/deployment`). */
export const deleteDeployment = async (context: Context, owner: string, id: string): Promise<void> => {
  const job = await findJob(context, owner, id)
  if (await undeployModel(context, await modelOf(context, owner, job)))
    await tell(context, job, [{ level: 'info', message: 'The deployment was taken down.' }])
}
