/**
 * Hyperparameters both ways, and what only Vertex AI takes (`provider_options.vertex_ai`).
 * Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/tuning
 * @module
 */
import * as z from 'zod'
import { badRequest, check, type DpoHyperparameters, type Method } from '../../openai/index.ts'
import type { Dropped, JobSubmission } from '../provider.ts'
import { JOB_LABEL_KEY } from './labels.ts'

/** Adapter sizes by number. Names are the gateway's: as much room as a small, medium or large change of behaviour needs. */
const ADAPTER_SIZES = {
  1: 'ADAPTER_SIZE_ONE',
  2: 'ADAPTER_SIZE_TWO',
  4: 'ADAPTER_SIZE_FOUR',
  8: 'ADAPTER_SIZE_EIGHT',
  16: 'ADAPTER_SIZE_SIXTEEN',
} as const
const NAMED_SIZES = { small: 1, medium: 4, large: 16 } as const

/** A label's key and value: Google Cloud, "Requirements for labels". */
const labelKey = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9, _ and -, a letter first')
const labelValue = z.string().regex(/^[a-z0-9_-]{0,63}$/, 'must be at most 63 of a-z, 0-9, _ and -')

const vertexOptions = z.strictObject({
  adapter_size: z
    .union([z.literal([1, 2, 4, 8, 16]), z.enum(['small', 'medium', 'large'])], {
      error: 'must be 1, 2, 4, 8, 16, small, medium or large',
    })
    .optional(),
  epoch_count: z.int().min(1).optional(),
  learning_rate_multiplier: z.number().positive().optional(),
  labels: z
    .record(labelKey, labelValue)
    .refine(labels => Object.keys(labels).length <= 63, 'must have at most 63 pairs')
    .refine(
      labels => !(JOB_LABEL_KEY in labels),
      `must not use the key "${JOB_LABEL_KEY}", which is the gateway's own`,
    )
    .optional(),
  export_last_checkpoint_only: z.boolean().optional(),
  /** Of the tuned model that is tuned further; without it its last. */
  checkpoint_id: z.string().min(1).optional(),
  service_account: z.string().min(1).optional(),
  kms_key_name: z.string().min(1).optional(),
  description: z.string().optional(),
})
export type VertexOptions = z.infer<typeof vertexOptions>

const request = z.object({ provider_options: z.object({ vertex_ai: vertexOptions }) })

/** @throws {ApiError} 400 with the path of the option that is wrong */
export const readOptions = (options: Record<string, unknown>): VertexOptions =>
  check(request, { provider_options: { vertex_ai: options } }).provider_options.vertex_ai

/** The hyperparameters of a method, as OpenAI names them. */
const givenOf = (method: Method): DpoHyperparameters => {
  if (method.type === 'supervised') return method.supervised?.hyperparameters ?? {}
  if (method.type === 'dpo') return method.dpo?.hyperparameters ?? {}
  throw badRequest(
    'method.type',
    "Reinforcement tuning is not offered on Vertex AI: its graders are another language than OpenAI's. Allowed: supervised, dpo.",
    'feature_unsupported',
  )
}

/** `auto` is Vertex's own choice, which it makes where nothing is said. */
const settled = (value: number | 'auto' | undefined): number | undefined =>
  value === 'auto' ? undefined : value

/** The one of two places that a value was given in. */
const oneOf = (given: number | undefined, option: number | undefined, name: string): number | undefined => {
  if (given !== undefined && option !== undefined && given !== option)
    throw badRequest(
      `provider_options.vertex_ai.${name}`,
      `'${name}' is also given as a hyperparameter, with another value.`,
    )
  return given ?? option
}

/** Google's name of an adapter size. */
export const adapterSize = (size: VertexOptions['adapter_size']): string | undefined =>
  size === undefined ? undefined : ADAPTER_SIZES[typeof size === 'number' ? size : NAMED_SIZES[size]]

/** `hyperParameters` of a tuning spec; int64 is a string in Google's JSON. Undefined when all is left to Vertex. */
export const toHyperParameters = (method: Method, options: VertexOptions) => {
  const given = givenOf(method)
  const epochs = oneOf(settled(given.n_epochs), options.epoch_count, 'epoch_count')
  const rate = oneOf(
    settled(given.learning_rate_multiplier),
    options.learning_rate_multiplier,
    'learning_rate_multiplier',
  )
  const adapter = adapterSize(options.adapter_size)
  const beta = settled(given.beta)
  const parameters = {
    ...(epochs !== undefined && { epochCount: String(epochs) }),
    ...(rate !== undefined && { learningRateMultiplier: rate }),
    ...(adapter !== undefined && { adapterSize: adapter }),
    ...(beta !== undefined && { beta }),
  }
  return Object.keys(parameters).length === 0 ? undefined : parameters
}

/** What of a submission Vertex AI has no place for. @throws {ApiError} for what is wrong in itself */
export const dropped = ({
  method,
  options,
  seed,
  integrations,
}: Pick<JobSubmission, 'method' | 'options' | 'seed' | 'integrations'>): Dropped[] => {
  toHyperParameters(method, readOptions(options))
  const batchSize = settled(givenOf(method).batch_size)
  return [
    ...(batchSize === undefined
      ? []
      : [
          {
            param: `method.${method.type}.hyperparameters.batch_size`,
            message: 'Vertex AI chooses the batch size of Gemini models itself',
          },
        ]),
    ...(seed === null ? [] : [{ param: 'seed', message: 'Vertex AI takes no seed for tuning' }]),
    ...(integrations === null || integrations.length === 0
      ? []
      : [{ param: 'integrations', message: 'Vertex AI has no integration with Weights & Biases' }]),
  ]
}

/** Google's integers, which may be numbers or strings. */
export const int64 = z
  .union([z.number(), z.string().regex(/^-?\d+$/)])
  .transform(Number)
  .optional()
  .catch(undefined)

export const hyperParameters = z.object({
  epochCount: int64,
  learningRateMultiplier: z.number().optional().catch(undefined),
  adapterSize: z.string().optional().catch(undefined),
  beta: z.number().optional().catch(undefined),
})

/** Back again. What Vertex has not told is its own choice. */
export const fromHyperParameters = (
  given: z.infer<typeof hyperParameters> | undefined,
): DpoHyperparameters => ({
  n_epochs: given?.epochCount ?? 'auto',
  batch_size: 'auto',
  learning_rate_multiplier: given?.learningRateMultiplier ?? 'auto',
  ...(given?.beta !== undefined && { beta: given.beta }),
})
