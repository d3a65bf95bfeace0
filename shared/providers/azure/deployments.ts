/**
 * Azure's deployments, made by the resource manager: a tune answers under its deployment's name, and under no other.
 * @see https://learn.microsoft.com/rest/api/aiservices/accountmanagement/deployments
 * @module
 */
import * as z from 'zod'
import { ApiError, badRequest } from '../../openai/index.ts'
import { urlOf } from '../openai/url.ts'
import type {
  Channel,
  Deployments,
  NativeDeployment,
  NativeJob,
  ProviderRequest,
  Settings,
} from '../provider.ts'
import { requireSetting } from './auth.ts'
import { armUrl } from './url.ts'

const ARM_VERSION = '2024-10-01'
const NAME = /^[A-Za-z0-9._-]{2,64}$/
/** A tune has one version. */
const TUNE_VERSION = '1'

/** Native `provisioningState` → canonical. An unknown word means that it is not decided yet. */
const STATUS: ReadonlyMap<string, NativeDeployment['status']> = new Map([
  ['Accepted', 'deploying'],
  ['Creating', 'deploying'],
  ['Updating', 'deploying'],
  ['Moving', 'deploying'],
  ['Succeeded', 'ready'],
  ['Failed', 'failed'],
  ['Canceled', 'failed'],
  ['Disabled', 'failed'],
  ['Deleting', 'deleted'],
])
export const toStatus = (native: string): NativeDeployment['status'] => STATUS.get(native) ?? 'deploying'

const deployment = z.object({
  name: z.string(),
  properties: z.object({ provisioningState: z.string() }),
})

export const fromDeployment = ({ name, properties }: z.infer<typeof deployment>): NativeDeployment => ({
  id: name,
  nativeStatus: properties.provisioningState,
  status: toStatus(properties.provisioningState),
  model: name,
  // The resource manager keeps why in its activity log, not in the object.
  error: null,
})

/** @throws {ApiError} 400 naming the setting that is missing, or the name that is none */
export const deploymentUrl = (settings: Settings, name: string): URL => {
  if (!NAME.test(name)) {
    throw badRequest(
      null,
      `'${name}' is no name for a deployment: Azure takes 2 to 64 letters, digits, dots, dashes and underscores.`,
    )
  }
  const setting = (field: 'subscriptionId' | 'resourceGroup' | 'account') =>
    requireSetting(settings, field, 'Managing deployments')
  return urlOf(
    { baseUrl: armUrl(settings).href },
    [
      ...['subscriptions', setting('subscriptionId')],
      ...['resourceGroups', setting('resourceGroup')],
      ...['providers', 'Microsoft.CognitiveServices'],
      ...['accounts', setting('account')],
      ...['deployments', name],
    ],
    { 'api-version': ARM_VERSION },
  )
}

/** @throws {ApiError} 400 */
export const toBody = (
  { deploymentSku = 'Standard', deploymentCapacity = '10' }: Settings,
  { fineTunedModel, status }: Pick<NativeJob, 'fineTunedModel' | 'status'>,
) => {
  if (fineTunedModel === null) {
    throw new ApiError({
      status: 400,
      code: 'invalid_state',
      param: 'fine_tuning_job_id',
      message: `The job is ${status} and has no model to deploy.`,
    })
  }
  // Thousands of tokens a minute.
  if (!/^[1-9]\d{0,8}$/.test(deploymentCapacity)) {
    throw badRequest(
      'deploymentCapacity',
      `deploymentCapacity is '${deploymentCapacity}'; it must be a number from 1.`,
    )
  }
  return {
    sku: { name: deploymentSku, capacity: Number(deploymentCapacity) },
    properties: { model: { format: 'OpenAI', name: fineTunedModel, version: TUNE_VERSION } },
  }
}

/** All of the three change nothing more when repeated. */
const toOne = ({ settings }: Channel, method: 'GET' | 'DELETE' | 'PUT', name: string): ProviderRequest => ({
  method,
  url: deploymentUrl(settings, name),
  repeat: 'always',
})

export const deployments: Deployments = {
  async create(channel, job, name) {
    const created = await channel.read(deployment, {
      ...toOne(channel, 'PUT', name),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(toBody(channel.settings, job)),
    })
    return fromDeployment(created)
  },
  async get(channel, name) {
    return fromDeployment(await channel.read(deployment, toOne(channel, 'GET', name)))
  },
  async delete(channel, name) {
    await channel.call(toOne(channel, 'DELETE', name))
  },
}
