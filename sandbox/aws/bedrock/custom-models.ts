/** `/custom-models`: what jobs have made. */
import { Hono } from 'hono'
import * as z from 'zod'
import type { TunedModel } from '../../trainer/tuned-model.ts'
import { ACCOUNT } from '../account.ts'
import { conflict } from '../errors.ts'
import { queryOf } from '../json-service.ts'
import type { Env } from '../raw-request.ts'
import { type Answer, answerOfKey } from './answers.ts'
import { arnOf, foundationArn, newResourceId } from './arns.ts'
import type { BaseModel } from './base-models.ts'
import { type Job, wireMetrics } from './job.ts'
import { Registry, type Resource } from './registry.ts'

export interface CustomModel extends Resource {
  job: Job
  base: BaseModel
  tuned: TunedModel
  /** `tuned.answers`, parsed. */
  answers: readonly Answer[]
}

export class CustomModels extends Registry<CustomModel> {
  constructor() {
    super('custom model')
  }

  add(job: Job, tuned: TunedModel): CustomModel {
    const id = newResourceId()
    return this.ledger.add({
      id,
      arn: arnOf('custom-model', job.base.customizableId, id),
      name: job.request.customModelName,
      createdAt: new Date(),
      job,
      base: job.base,
      tuned,
      answers: tuned.answers.map(answerOfKey),
    })
  }
}

const common = (model: CustomModel) => ({
  modelArn: model.arn,
  modelName: model.name,
  creationTime: model.createdAt,
  baseModelArn: foundationArn(model.base.customizableId),
  customizationType: model.job.request.customizationType,
  modelStatus: 'Active',
})

/** @param isInUse whether anything serves the model */
export function customModelRoutes(models: CustomModels, isInUse: (model: CustomModel) => boolean): Hono<Env> {
  return new Hono<Env>()
    .get('/', context => {
      const { items, nextToken } = models.list(queryOf(context), {
        period: 'creationTime',
        filters: {
          baseModelArnEquals: z.string().optional(),
          foundationModelArnEquals: z.string().optional(),
          isOwned: z.enum(['true', 'false']).optional(),
          modelStatus: z.enum(['Active', 'Creating', 'Failed']).optional(),
        },
        where: ({ base }, { baseModelArnEquals, foundationModelArnEquals, isOwned, modelStatus }) =>
          [baseModelArnEquals, foundationModelArnEquals].every(
            arn => arn === undefined || arn === foundationArn(base.customizableId),
          ) &&
          isOwned !== 'false' &&
          (modelStatus ?? 'Active') === 'Active',
      })
      return context.json({
        modelSummaries: items.map(model => ({
          ...common(model),
          baseModelName: model.base.name,
          ownerAccountId: ACCOUNT,
        })),
        nextToken,
      })
    })
    .get('/:id', context => {
      const model = models.get(context.req.param('id'))
      const { job } = model
      return context.json({
        ...common(model),
        jobName: job.name,
        jobArn: job.arn,
        modelKmsKeyArn: job.request.customModelKmsKeyId,
        hyperParameters: job.hyperparameters,
        trainingDataConfig: job.request.trainingDataConfig,
        validationDataConfig: job.request.validationDataConfig ?? { validators: [] },
        outputDataConfig: job.request.outputDataConfig,
        ...wireMetrics(job),
      })
    })
    .delete('/:id', context => {
      const model = models.get(context.req.param('id'))
      if (isInUse(model)) {
        throw conflict(`The model ${model.arn} is deployed. Delete its deployments and throughput first.`)
      }
      models.ledger.delete(model.id)
      return context.json({})
    })
}
