/** `…/models`, `…/endpoints`, `…/operations`: what is needed to look at a tuned model and to get rid of it. */
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import { check, readBody } from '../check.ts'
import { GoogleError } from '../errors.ts'
import { numericId, timestamp } from '../wire.ts'
import {
  type Endpoint,
  endpointName,
  modelName,
  placeName,
  type Registry,
  type TunedGemini,
} from './models.ts'
import { CUSTOM_ENDPOINT } from './prediction.ts'

const undeployRequest = z.strictObject({
  deployedModelId: z.string(),
  trafficSplit: z.record(z.string(), z.number()).optional(),
})

const notFound = (what: string): GoogleError => new GoogleError('NOT_FOUND', `${what} was not found.`)

export const regionOf = (context: Context): string => context.req.param('location') ?? ''

export function findEndpoint(registry: Registry, id: string): Endpoint | undefined {
  const { region, displayName } = CUSTOM_ENDPOINT
  if (id !== CUSTOM_ENDPOINT.id) return registry.endpoints.get(id)
  return { id, region, displayName, createdAt: new Date(0), deployed: undefined }
}

/** Mounted below `/{version}/projects/{project}/locations/{location}`. */
export function resourceRoutes(registry: Registry): Hono {
  const modelAt = (context: Context): TunedGemini => {
    const id = (context.req.param('id') ?? '').replace(/@1$/, '')
    const model = registry.models.get(id)
    if (model?.region !== regionOf(context)) throw notFound(`Model ${id}`)
    return model
  }
  const endpointAt = (context: Context, id = context.req.param('id') ?? ''): Endpoint => {
    const endpoint = findEndpoint(registry, id)
    if (endpoint?.region !== regionOf(context)) throw notFound(`Endpoint ${id}`)
    return endpoint
  }
  const deploymentsOf = (model: TunedGemini): Endpoint[] =>
    [...registry.endpoints].filter(({ deployed }) => deployed?.model.id === model.id)

  /** The effect is there at once; the operation says so when it is asked for. */
  const operation = (context: Context, type: string): Response => {
    const id = numericId()
    const name = `${placeName(regionOf(context))}/operations/${id}`
    registry.operations.add({ id, name, type })
    return context.json({ name })
  }

  return new Hono()
    .get('/models/:id', context => {
      const model = modelAt(context)
      return context.json({
        name: modelName(model),
        versionId: '1',
        versionAliases: ['default'],
        displayName: model.displayName,
        createTime: timestamp(model.createdAt),
        updateTime: timestamp(model.createdAt),
        deployedModels: deploymentsOf(model).map(({ region, id, deployed }) => ({
          endpoint: endpointName(region, id),
          deployedModelId: deployed?.id,
        })),
        labels: {
          ...model.labels,
          'google-vertex-llm-tuning-base-model-id': model.base.id.replaceAll('.', '_'),
        },
        checkpoints: model.checkpoints.map(({ checkpointId, epoch, step }) => ({
          checkpointId,
          epoch: String(epoch),
          step: String(step),
        })),
      })
    })
    .delete('/models/:id', context => {
      const model = modelAt(context)
      const deployed = deploymentsOf(model)
      if (deployed.length > 0) {
        throw new GoogleError(
          'FAILED_PRECONDITION',
          `The model is deployed to ${deployed.map(({ id }) => id).join(', ')}; undeploy it first.`,
        )
      }
      registry.models.delete(model.id)
      return operation(context, 'DeleteOperationMetadata')
    })
    .get('/endpoints/:id', context => {
      const { id, region, displayName, createdAt, deployed } = endpointAt(context)
      return context.json({
        name: endpointName(region, id),
        displayName,
        createTime: timestamp(createdAt),
        updateTime: timestamp(createdAt),
        ...(deployed && {
          deployedModels: [
            { id: deployed.id, model: modelName(deployed.model), modelVersionId: '1', displayName },
          ],
          trafficSplit: { [deployed.id]: 100 },
        }),
      })
    })
    .delete('/endpoints/:id', context => {
      const endpoint = endpointAt(context)
      if (endpoint.id === CUSTOM_ENDPOINT.id || endpoint.deployed) {
        throw new GoogleError('FAILED_PRECONDITION', 'The endpoint has deployed models; undeploy them first.')
      }
      registry.endpoints.delete(endpoint.id)
      return operation(context, 'DeleteOperationMetadata')
    })
    .post('/endpoints/:call{[^:/]+:undeployModel}', async context => {
      const [id = ''] = context.req.param('call').split(':')
      const endpoint = endpointAt(context, id)
      const { deployedModelId } = check(undeployRequest, await readBody(context))
      if (endpoint.deployed?.id !== deployedModelId) throw notFound(`DeployedModel ${deployedModelId}`)
      endpoint.deployed = undefined
      return operation(context, 'UndeployModelOperationMetadata')
    })
    .get('/operations/:id', context => {
      const found = registry.operations.get(context.req.param('id'))
      if (!found) throw notFound('Operation')
      const now = timestamp(new Date())
      return context.json({
        name: found.name,
        metadata: {
          '@type': `type.googleapis.com/google.cloud.aiplatform.v1.${found.type}`,
          genericMetadata: { createTime: now, updateTime: now },
        },
        done: true,
        response: { '@type': 'type.googleapis.com/google.protobuf.Empty' },
      })
    })
}
