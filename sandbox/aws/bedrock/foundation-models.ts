/** `/foundation-models`: what there is, what it can, and how long still. */
import { Hono } from 'hono'
import * as z from 'zod'
import { check, missing } from '../errors.ts'
import { queryOf } from '../json-service.ts'
import type { Env } from '../raw-request.ts'
import { foundationArn, foundationIdIn } from './arns.ts'
import { BASE_MODELS, type BaseModel, type Lifecycles } from './base-models.ts'

const CUSTOMIZATIONS = ['FINE_TUNING', 'CONTINUED_PRE_TRAINING', 'DISTILLATION'] as const

const listQuery = z.strictObject({
  byProvider: z.string().optional(),
  byCustomizationType: z.enum(CUSTOMIZATIONS).optional(),
  byOutputModality: z.enum(['TEXT', 'IMAGE', 'EMBEDDING']).optional(),
  byInferenceType: z.enum(['ON_DEMAND', 'PROVISIONED']).optional(),
})

const LEGACY_SINCE = '2025-08-15T00:00:00Z'

/** Every model is there twice: to be called, and, with its context length, to be customized. */
function wire(base: BaseModel, modelId: string, lifecycles: Lifecycles) {
  const customizable = modelId === base.customizableId
  const customizations: (typeof CUSTOMIZATIONS)[number][] = customizable ? ['FINE_TUNING'] : []
  const status = lifecycles.of(base)
  return {
    modelArn: foundationArn(modelId),
    modelId,
    modelName: base.name,
    providerName: base.provider,
    inputModalities: base.inputModalities,
    outputModalities: ['TEXT'],
    responseStreamingSupported: true,
    customizationsSupported: customizations,
    inferenceTypesSupported: [customizable ? ('PROVISIONED' as const) : ('ON_DEMAND' as const)],
    modelLifecycle: { status, ...(status === 'LEGACY' && { legacyTime: LEGACY_SINCE }) },
  }
}

export function foundationModelRoutes(lifecycles: Lifecycles): Hono<Env> {
  const all = () =>
    BASE_MODELS.flatMap(base => [base.id, base.customizableId].map(id => wire(base, id, lifecycles)))

  return new Hono<Env>()
    .get('/', context => {
      const query = check(listQuery, queryOf(context))
      const { byProvider, byCustomizationType, byOutputModality, byInferenceType } = query
      return context.json({
        modelSummaries: all().filter(
          model =>
            (byProvider === undefined || model.providerName.toLowerCase() === byProvider.toLowerCase()) &&
            (byCustomizationType === undefined ||
              model.customizationsSupported.includes(byCustomizationType)) &&
            (byOutputModality === undefined || model.outputModalities.includes(byOutputModality)) &&
            (byInferenceType === undefined || model.inferenceTypesSupported.includes(byInferenceType)),
        ),
      })
    })
    .get('/:id', context => {
      const id = foundationIdIn(context.req.param('id'))
      const modelDetails = all().find(({ modelId }) => modelId === id)
      if (!modelDetails) throw missing('Could not find the model you requested.')
      return context.json({ modelDetails })
    })
}
