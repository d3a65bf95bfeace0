/** `/provisioned-model-throughput`: capacity bought by the hour or for months. */
import { Hono } from 'hono'
import * as z from 'zod'
import { check, conflict, invalid, missing } from '../errors.ts'
import { queryOf, readJson } from '../json-service.ts'
import type { Env } from '../raw-request.ts'
import { arnOf, foundationArn, newResourceId } from './arns.ts'
import { type BaseModel, customizableBase, type Lifecycles } from './base-models.ts'
import type { CustomModel, CustomModels } from './custom-models.ts'
import { clientRequestToken, modelName, tags } from './job-schema.ts'
import type { Serving, Servings } from './servings.ts'

export interface ProvisionedModel extends Serving {
  units: number
  commitment: 'OneMonth' | 'SixMonths' | undefined
}

const STATUSES = ['Creating', 'InService', 'Updating', 'Failed'] as const
const MONTHS = { OneMonth: 1, SixMonths: 6 }

const statusOf = ({ ready }: ProvisionedModel): (typeof STATUSES)[number] =>
  ready ? 'InService' : 'Creating'

const provisionRequest = z.strictObject({
  modelUnits: z.int().min(1),
  provisionedModelName: modelName,
  modelId: z.string().min(1).max(2048),
  commitmentDuration: z.enum(['OneMonth', 'SixMonths']).optional(),
  tags: tags.optional(),
  clientRequestToken: clientRequestToken.optional(),
})

function wire(provisioned: ProvisionedModel) {
  const { base, model, units, commitment } = provisioned
  const modelArn = model?.arn ?? foundationArn(base.customizableId)
  const expiry = new Date(provisioned.createdAt)
  if (commitment) expiry.setUTCMonth(expiry.getUTCMonth() + MONTHS[commitment])
  return {
    provisionedModelName: provisioned.name,
    provisionedModelArn: provisioned.arn,
    modelArn,
    desiredModelArn: modelArn,
    foundationModelArn: foundationArn(base.customizableId),
    modelUnits: units,
    desiredModelUnits: units,
    status: statusOf(provisioned),
    creationTime: provisioned.createdAt,
    lastModifiedTime: provisioned.modifiedAt,
    commitmentDuration: commitment,
    commitmentExpirationTime: commitment && expiry,
  }
}

export interface ProvisionedSurroundings {
  models: CustomModels
  lifecycles: Lifecycles
}

/** Routes below `/provisioned-model-throughput`; the list has an address of its own. */
export function provisionedRoutes(
  provisioned: Servings<ProvisionedModel>,
  { models, lifecycles }: ProvisionedSurroundings,
): Hono<Env> {
  const find = (identifier: string): { base: BaseModel; model: CustomModel | undefined } => {
    const model = models.find(identifier)
    const base = model?.base ?? customizableBase(identifier)
    if (!base) throw missing(`Could not find model ${identifier}.`)
    return { base, model }
  }
  const create = (request: z.infer<typeof provisionRequest>): ProvisionedModel => {
    const { base, model } = find(request.modelId)
    if (lifecycles.of(base) === 'LEGACY') {
      throw invalid(
        `The model ${base.id} is in legacy state: no new Provisioned Throughput can be created for it.`,
      )
    }
    if (provisioned.find(request.provisionedModelName)) {
      throw conflict(`The provisioned model name ${request.provisionedModelName} is already in use.`)
    }
    const id = newResourceId()
    const now = new Date()
    return provisioned.start({
      id,
      arn: arnOf('provisioned-model', id),
      name: request.provisionedModelName,
      createdAt: now,
      modifiedAt: now,
      base,
      model,
      units: request.modelUnits,
      commitment: request.commitmentDuration,
      ready: false,
    })
  }

  return new Hono<Env>()
    .post('/', async context => {
      const request = check(provisionRequest, await readJson(context))
      const { arn } = provisioned.tokens.once(request.clientRequestToken, request, () => create(request))
      return context.json({ provisionedModelArn: arn }, 201)
    })
    .get('/:id', context => context.json(wire(provisioned.get(context.req.param('id')))))
    .delete('/:id', context => {
      const found = provisioned.get(context.req.param('id'))
      if (found.commitment)
        throw conflict('Provisioned Throughput cannot be deleted before its commitment ends.')
      provisioned.end(found)
      return context.json({})
    })
}

/** `/provisioned-model-throughputs` */
export function provisionedList(provisioned: Servings<ProvisionedModel>): Hono<Env> {
  return new Hono<Env>().get('/', context => {
    const { items, nextToken } = provisioned.list(queryOf(context), {
      period: 'creationTime',
      filters: { statusEquals: z.enum(STATUSES).optional(), modelArnEquals: z.string().optional() },
      where: (each, { statusEquals, modelArnEquals }) =>
        [undefined, statusOf(each)].includes(statusEquals) &&
        [undefined, wire(each).modelArn].includes(modelArnEquals),
    })
    return context.json({ provisionedModelSummaries: items.map(wire), nextToken })
  })
}
