/** `/model-customization/custom-model-deployments`: custom models on demand. */
import { Hono } from 'hono'
import * as z from 'zod'
import { check, conflict, invalid } from '../errors.ts'
import { queryOf, readJson } from '../json-service.ts'
import type { Env } from '../raw-request.ts'
import { arnOf, newResourceId } from './arns.ts'
import type { CustomModel, CustomModels } from './custom-models.ts'
import { clientRequestToken, modelName, tags } from './job-schema.ts'
import type { Serving, Servings } from './servings.ts'

export interface Deployment extends Serving {
  model: CustomModel
  description: string | undefined
}

const STATUSES = ['Creating', 'Active', 'Failed'] as const

const statusOf = ({ ready }: Deployment): (typeof STATUSES)[number] => (ready ? 'Active' : 'Creating')

const deploymentRequest = z.strictObject({
  modelDeploymentName: modelName,
  modelArn: z.string().min(1).max(1011),
  description: z.string().min(1).max(750).optional(),
  tags: tags.optional(),
  clientRequestToken: clientRequestToken.optional(),
})

const common = (deployment: Deployment) => ({
  customModelDeploymentArn: deployment.arn,
  modelArn: deployment.model.arn,
  createdAt: deployment.createdAt,
  lastUpdatedAt: deployment.modifiedAt,
  status: statusOf(deployment),
})

export function deploymentRoutes(deployments: Servings<Deployment>, models: CustomModels): Hono<Env> {
  const create = (request: z.infer<typeof deploymentRequest>): Deployment => {
    const model = models.get(request.modelArn)
    if (!model.base.deployable) {
      throw invalid(
        `On-demand deployment is not supported for custom models of ${model.base.id}. Use Provisioned Throughput.`,
      )
    }
    if (deployments.find(request.modelDeploymentName)) {
      throw conflict(`The deployment name ${request.modelDeploymentName} is already in use.`)
    }
    const id = newResourceId()
    const now = new Date()
    return deployments.start({
      id,
      arn: arnOf('custom-model-deployment', id),
      name: request.modelDeploymentName,
      createdAt: now,
      modifiedAt: now,
      base: model.base,
      model,
      description: request.description,
      ready: false,
    })
  }

  return new Hono<Env>()
    .post('/', async context => {
      const request = check(deploymentRequest, await readJson(context))
      const { arn } = deployments.tokens.once(request.clientRequestToken, request, () => create(request))
      return context.json({ customModelDeploymentArn: arn }, 202)
    })
    .get('/', context => {
      const { items, nextToken } = deployments.list(queryOf(context), {
        period: 'created',
        filters: { statusEquals: z.enum(STATUSES).optional(), modelArnEquals: z.string().optional() },
        where: (deployment, { statusEquals, modelArnEquals }) =>
          [undefined, statusOf(deployment)].includes(statusEquals) &&
          [undefined, deployment.model.arn].includes(modelArnEquals),
      })
      return context.json({
        modelDeploymentSummaries: items.map(deployment => ({
          ...common(deployment),
          customModelDeploymentName: deployment.name,
        })),
        nextToken,
      })
    })
    .get('/:id', context => {
      const deployment = deployments.get(context.req.param('id'))
      const { name: modelDeploymentName, description } = deployment
      return context.json({ ...common(deployment), modelDeploymentName, description })
    })
    .delete('/:id', context => {
      deployments.end(deployments.get(context.req.param('id')))
      return context.json({})
    })
}
