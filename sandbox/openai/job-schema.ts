/** The body of `POST /fine_tuning/jobs`, as strict as the service. */
import * as z from 'zod'
import type { Method } from './models.ts'

const auto = z.literal('auto')
const count = (max = Number.MAX_SAFE_INTEGER) => z.union([auto, z.int().min(1).max(max)])

const common = {
  n_epochs: count(50).optional(),
  batch_size: count(256).optional(),
  learning_rate_multiplier: z.union([auto, z.number().gt(0)]).optional(),
}

export const supervisedHyperparameters = z.strictObject(common)
const dpoHyperparameters = z.strictObject({
  ...common,
  beta: z.union([auto, z.number().gt(0).max(2)]).optional(),
})
const reinforcementHyperparameters = z.strictObject({
  ...common,
  reasoning_effort: z.enum(['default', 'low', 'medium', 'high']).optional(),
  compute_multiplier: z.union([auto, z.number().gt(0.00001).max(10)]).optional(),
  eval_interval: count().optional(),
  eval_samples: count().optional(),
})

const stringCheck = z.strictObject({
  type: z.literal('string_check'),
  name: z.string(),
  input: z.string(),
  reference: z.string(),
  operation: z.enum(['eq', 'ne', 'like', 'ilike']),
})
export type StringCheck = z.infer<typeof stringCheck>

/** Graders that OpenAI has and the sandbox cannot run. */
const OTHER_GRADERS = ['text_similarity', 'python', 'score_model', 'multi'] as const

const otherGrader = z.looseObject({ type: z.enum(OTHER_GRADERS) }).refine(() => false, {
  path: ['type'],
  message: 'the sandbox can only run string_check graders.',
  params: { code: 'grader_not_supported' },
})

const ITEM_TEMPLATE = /^\s*\{\{\s*item\.([A-Za-z_][\w.]*)\s*\}\}\s*$/
const SAMPLE_TEMPLATE = /^\s*\{\{\s*sample\.output_text\s*\}\}\s*$/

const runnableStringCheck = stringCheck
  .refine(({ reference }) => ITEM_TEMPLATE.test(reference), {
    path: ['reference'],
    message: 'the sandbox can only run references of the form {{item.field}}.',
    params: { code: 'grader_not_supported' },
  })
  .refine(({ input }) => SAMPLE_TEMPLATE.test(input), {
    path: ['input'],
    message: 'the sandbox can only grade {{sample.output_text}}.',
    params: { code: 'grader_not_supported' },
  })

/** The path in `{{item.path}}`. */
export function itemPath({ reference }: StringCheck): string[] {
  return ITEM_TEMPLATE.exec(reference)?.[1]?.split('.') ?? []
}

export const method = z
  .strictObject({
    type: z.enum(['supervised', 'dpo', 'reinforcement']),
    supervised: z.strictObject({ hyperparameters: supervisedHyperparameters.optional() }).optional(),
    dpo: z.strictObject({ hyperparameters: dpoHyperparameters.optional() }).optional(),
    reinforcement: z
      .strictObject({
        grader: z.discriminatedUnion('type', [runnableStringCheck, otherGrader]),
        hyperparameters: reinforcementHyperparameters.optional(),
      })
      .optional(),
  })
  .superRefine((value, context) => {
    for (const other of ['supervised', 'dpo', 'reinforcement'] as const) {
      if (other !== value.type && value[other] !== undefined) {
        context.addIssue({
          code: 'custom',
          path: [other],
          message: `only allowed when method.type is '${other}'.`,
        })
      }
    }
    if (value.type === 'reinforcement' && !value.reinforcement) {
      context.addIssue({
        code: 'custom',
        path: ['reinforcement'],
        message: "required when method.type is 'reinforcement'.",
        params: { code: 'missing_required_parameter' },
      })
    }
  })

const MOST_METADATA = 16

export const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine(pairs => Object.keys(pairs).length <= MOST_METADATA, {
    message: `too many pairs: expected at most ${MOST_METADATA}.`,
    params: { code: 'object_above_max_properties' },
  })

const integration = z.strictObject({
  type: z.literal('wandb'),
  wandb: z.strictObject({
    project: z.string(),
    name: z.string().nullish(),
    entity: z.string().nullish(),
    tags: z.array(z.string()).optional(),
  }),
})

export const jobRequest = z
  .strictObject({
    model: z.string(),
    training_file: z.string(),
    validation_file: z.string().nullish(),
    suffix: z.string().min(1).max(64).nullish(),
    seed: z.int().min(0).max(2_147_483_647).nullish(),
    metadata: metadata.nullish(),
    integrations: z.array(integration).max(5).nullish(),
    method: method.optional(),
    hyperparameters: supervisedHyperparameters.optional(),
  })
  .refine(body => !(body.method && body.hyperparameters), {
    path: ['hyperparameters'],
    message: "deprecated, and not allowed together with 'method'.",
  })

export type JobRequest = z.infer<typeof jobRequest>

/** The hyperparameters of all methods in one. */
export type Hyperparameters = z.infer<typeof supervisedHyperparameters> &
  z.infer<typeof dpoHyperparameters> &
  z.infer<typeof reinforcementHyperparameters>

/** A job's method, whichever way the request spelled it. */
export interface JobMethod {
  type: Method
  hyperparameters: Hyperparameters
  grader?: StringCheck
}

export function methodOf({ method: given, hyperparameters }: JobRequest): JobMethod {
  const type = given?.type ?? 'supervised'
  const chosen = given?.[type]
  const grader = given?.reinforcement?.grader
  const asked = chosen?.hyperparameters ?? hyperparameters ?? {}
  return type === 'reinforcement' && grader?.type === 'string_check'
    ? { type, hyperparameters: asked, grader }
    : { type, hyperparameters: asked }
}
