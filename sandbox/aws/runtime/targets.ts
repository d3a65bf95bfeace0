/** What a model id in the path stands for. */
import type { Bedrock } from '../bedrock/app.ts'
import { arnOf, type ResourceType } from '../bedrock/arns.ts'
import { type BaseModel, callableBase, customizableBase } from '../bedrock/base-models.ts'
import type { CustomModel } from '../bedrock/custom-models.ts'
import type { Serving, Servings } from '../bedrock/servings.ts'
import { AwsError, invalid, missing } from '../errors.ts'

export interface Target {
  base: BaseModel
  /** Undefined for the base model as it is. */
  model: CustomModel | undefined
}

/**
 * @throws {AwsError} ResourceNotFoundException, ModelNotReadyException while it is being set up, ValidationException for
 * what can never be called
 */
export function targetOf(identifier: string, { models, deployments, provisioned }: Bedrock): Target {
  const base = callableBase(identifier)
  if (base) return { base, model: undefined }
  const is = (type: ResourceType): boolean => identifier.startsWith(arnOf(type, ''))
  if (is('custom-model-deployment')) return ready(identifier, deployments)
  if (is('provisioned-model')) return ready(identifier, provisioned)
  if (is('imported-model')) throw missing('The imported model you requested does not exist.')
  if (customizableBase(identifier) || models.find(identifier)) {
    throw invalid(
      `Invocation of model ID ${identifier} with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.`,
    )
  }
  throw invalid('The provided model identifier is invalid.')
}

function ready<T extends Serving>(arn: string, servings: Servings<T>): Target {
  const serving = servings.get(arn)
  if (serving.ready) return { base: serving.base, model: serving.model }
  throw new AwsError(
    'ModelNotReadyException',
    'Model is not ready for inference. Wait and try your request again.',
  )
}
