/**
 * Tuned models that have to be deployed before they answer.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError, badRequest } from '../openai/index.ts'
import {
  type Connection,
  type NativeDeployment,
  type NativeJob,
  ProviderFault,
  reconnect,
} from '../providers/index.ts'
import { hostedBy } from './hosting.ts'
import { MODELS, type ModelDeployment, type ModelRecord } from './records.ts'
import { forgetModel, registerAlias, untilGone } from './registry.ts'

const notReady = (message: string): ApiError =>
  new ApiError({
    status: 409,
    code: 'model_not_deployed',
    param: 'model',
    message,
    headers: { 'x-should-retry': 'false' },
  })

/** Stores a deployment's latest state. */
const record = async (
  context: Context,
  model: ModelRecord,
  native: NativeDeployment | null,
): Promise<ModelRecord> => {
  const deployment: ModelDeployment | null =
    native === null || native.status === 'deleted'
      ? null
      : { ...native, created_at: model.deployment?.created_at ?? nowSeconds(context) }
  const now = nowSeconds(context)
  const updated = await MODELS.update(context.platform.store, model.name, value => {
    const hosting = hostedBy(value, deployment, now)
    const isNews = JSON.stringify(hosting) !== JSON.stringify(value.hosting ?? [])
    return { ...value, deployment, ...(isNews && { hosting, due_at: now }) }
  })
  forgetModel(context, model.name)
  if (deployment) await registerAlias(context, model, deployment.model)
  return updated ?? { ...model, deployment }
}

const deploymentsOf = ({ provider }: Connection) => {
  if (provider.deployments) return provider.deployments
  throw badRequest(
    'fine_tuning_job_id',
    `'${provider.id}' serves its tuned models without a deployment.`,
    'feature_unsupported',
  )
}

const connectionOf = (context: Context, model: ModelRecord) =>
  reconnect(context, model.connection, model.account)

/** A name that no other model of the account has, and that says whose it is: letters, digits and dashes. */
const OWN_PREFIX = 'tunegate-'
const deploymentName = ({ job }: ModelRecord) => OWN_PREFIX + job.replace(/^ftjob-/, '').toLowerCase()

/** Whether a name can only be that of a deployment made here. */
export const isDeploymentName = (name: string): boolean => name.startsWith(OWN_PREFIX)

/** Deploys a model. One that is deployed, or on its way, is answered as it is; one that is gone is deployed anew. */
export const deployModel = async (
  context: Context,
  model: ModelRecord,
  job: NativeJob,
): Promise<ModelRecord> => {
  const connection = await connectionOf(context, model)
  const deployments = deploymentsOf(connection)
  if (model.deployment && model.deployment.status !== 'failed') {
    const known = await refreshDeployment(context, model, connection)
    if (known.deployment) return known
  }
  const created = await deployments.create(connection.channel, job, deploymentName(model))
  return record(context, { ...model, deployment: null }, created)
}

/** A model's deployment as it stands at the provider now. */
export const refreshDeployment = async (
  context: Context,
  model: ModelRecord,
  known?: Connection,
): Promise<ModelRecord> => {
  if (!model.deployment) return model
  const connection = known ?? (await connectionOf(context, model))
  try {
    return await record(
      context,
      model,
      await deploymentsOf(connection).get(connection.channel, model.deployment.id),
    )
  } catch (error) {
    // Gone without our doing: an idle or short-lived deployment that the provider has taken down.
    if (error instanceof ProviderFault && error.status === 404) return record(context, model, null)
    throw error
  }
}

/**
 * Takes a deployment down; the model stays and can be deployed again.
 * @returns whether there was one
 */
export const undeployModel = async (context: Context, model: ModelRecord): Promise<boolean> => {
  if (!model.deployment) return false
  const connection = await connectionOf(context, model)
  await untilGone(deploymentsOf(connection).delete(connection.channel, model.deployment.id))
  await record(context, model, null)
  return true
}

/**
 * What the provider takes as the model's name.
 * @throws {ApiError} 409 saying what is missing, and how long a deployment has been on its way
 */
export const callableName = async (
  context: Context,
  model: ModelRecord,
  connection: Connection,
): Promise<string> => {
  if (model.deployment === undefined) return model.native
  if (model.deployment?.status === 'ready') return model.deployment.model
  const { deployment } = model.deployment ? await refreshDeployment(context, model, connection) : model
  if (!deployment) {
    throw notReady(
      `The model '${model.name}' is not deployed: POST /v1/fine_tuning/jobs/${model.job}/deploy first.`,
    )
  }
  if (deployment.status === 'ready') return deployment.model
  if (deployment.status === 'failed') {
    throw notReady(
      `The deployment of '${model.name}' failed (${deployment.nativeStatus}): ${deployment.error ?? 'the provider gave no reason'}.`,
    )
  }
  const seconds = nowSeconds(context) - deployment.created_at
  throw notReady(
    `The model '${model.name}' is being deployed for ${seconds} s now (${deployment.nativeStatus}).`,
  )
}
