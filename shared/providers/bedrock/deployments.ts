/**
 * What makes a tuned model callable: a deployment on demand, or provisioned throughput, which is paid by the hour whether
 * it is called or not.
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateCustomModelDeployment.html
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateProvisionedModelThroughput.html
 * @module
 */
import * as z from 'zod'
import { ApiError } from '../../openai/index.ts'
import {
  type Channel,
  type Deployments,
  type NativeDeployment,
  ProviderFault,
  type ProviderRequest,
  type Settings,
} from '../provider.ts'
import { resourceType } from './arns.ts'
import { baseOf } from './bases.ts'
import { urlOf } from './hosts.ts'
import { deploymentNameOf, tokenOf } from './names.ts'
import { fields, wrongSetting } from './settings.ts'

const STATUS: Record<string, NativeDeployment['status']> = {
  Creating: 'deploying',
  Active: 'ready',
  InService: 'ready',
  // It goes on answering as before until the change is through.
  Updating: 'ready',
  Failed: 'failed',
}
/** A word we do not know means that it is not there yet. */
export const toStatus = (native: string): NativeDeployment['status'] => STATUS[native] ?? 'deploying'

const state = z.object({
  status: z.string(),
  modelArn: z.string().optional(),
  failureMessage: z.string().nullish(),
})

/** One of the two ways. */
interface Way {
  path: readonly string[]
  /** The field of answers that holds the ARN. */
  arn: 'customModelDeploymentArn' | 'provisionedModelArn'
  toBody(settings: Settings, model: string, name: string): Record<string, unknown>
}

const ON_DEMAND: Way = {
  path: ['model-customization', 'custom-model-deployments'],
  arn: 'customModelDeploymentArn',
  toBody: (_, modelArn, name) => ({
    modelDeploymentName: name,
    modelArn,
    clientRequestToken: tokenOf(name),
  }),
}

/** Without a commitment, so that it can be given back at any time. */
const PROVISIONED: Way = {
  path: ['provisioned-model-throughput'],
  arn: 'provisionedModelArn',
  toBody: (settings, modelId, name) => ({
    modelUnits: unitsOf(settings),
    provisionedModelName: name,
    modelId,
    clientRequestToken: tokenOf(name),
  }),
}

const unitsOf = ({ provisionedUnits }: Settings): number => {
  if (!/^[1-9]\d{0,3}$/.test(provisionedUnits ?? ''))
    throw wrongSetting('provisionedUnits', 'is not a whole number of model units from 1')
  return Number(provisionedUnits)
}

/** How a tune of this base is served. Of a base nobody has told us about, Bedrock is the judge. */
export const wayFor = ({ provisionedUnits }: Settings, model: string): Way => {
  const base = baseOf(model)
  if (base?.onDemand) return ON_DEMAND
  if (provisionedUnits) return PROVISIONED
  if (!base) return ON_DEMAND
  throw new ApiError({
    status: 400,
    code: 'connection_unconfigured',
    param: 'provisionedUnits',
    message:
      `A tune of '${base.id}' is served by provisioned throughput only, which AWS bills by the hour for each model unit ` +
      `until it is deleted. To allow it, set provisionedUnits (${fields.provisionedUnits.name}) to the number of units, such as 1.`,
  })
}

const wayOf = (id: string): Way => (resourceType(id) === 'provisioned-model' ? PROVISIONED : ON_DEMAND)

const toOne = (settings: Settings, method: 'GET' | 'DELETE', way: Way, id: string): ProviderRequest => ({
  method,
  url: urlOf(settings, 'bedrock', [...way.path, id]),
  repeat: 'always',
})

export const toCreate = (settings: Settings, way: Way, model: string, name: string): ProviderRequest => ({
  method: 'POST',
  url: urlOf(settings, 'bedrock', way.path),
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(way.toBody(settings, model, name)),
  repeat: 'always',
})

const toDeployment = (id: string, { status, failureMessage }: z.infer<typeof state>): NativeDeployment => ({
  id,
  nativeStatus: status,
  status: toStatus(status),
  model: id,
  error: failureMessage ?? null,
})

const isMissing = (error: unknown) => error instanceof ProviderFault && error.status === 404

/** What has this name already: ours, if it serves the same model. */
const named = async ({ settings, read }: Channel, way: Way, name: string, model: string) => {
  const found = await read(
    state.extend({
      customModelDeploymentArn: z.string().optional(),
      provisionedModelArn: z.string().optional(),
    }),
    toOne(settings, 'GET', way, name),
  )
  const arn = found[way.arn]
  return arn !== undefined && found.modelArn === model ? toDeployment(arn, found) : undefined
}

export const deployments: Deployments = {
  async create(channel, job, name) {
    const model = job.fineTunedModel
    if (model === null)
      throw new ApiError({ status: 409, code: 'invalid_state', message: 'The job has made no model yet.' })
    const way = wayFor(channel.settings, model)
    const tamed = deploymentNameOf(name)
    try {
      const answer = await channel.read(
        z.object({ [way.arn]: z.string() }),
        toCreate(channel.settings, way, model, tamed),
      )
      return toDeployment(String(answer[way.arn]), { status: 'Creating' })
    } catch (error) {
      // The token is forgotten one day; the name is not.
      if (!(error instanceof ProviderFault) || error.nativeCode !== 'ConflictException') throw error
      const found = await named(channel, way, tamed, model)
      if (!found) throw error
      return found
    }
  },
  async get({ settings, read }, id) {
    try {
      return toDeployment(id, await read(state, toOne(settings, 'GET', wayOf(id), id)))
    } catch (error) {
      if (!isMissing(error)) throw error
      return { id, nativeStatus: 'ResourceNotFoundException', status: 'deleted', model: id, error: null }
    }
  },
  async delete({ settings, call }, id) {
    try {
      await call(toOne(settings, 'DELETE', wayOf(id), id))
    } catch (error) {
      // Deleted is what it was to be.
      if (!isMissing(error)) throw error
    }
  },
}
