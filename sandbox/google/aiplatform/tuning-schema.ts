/** The body of `POST …/tuningJobs`: every field of the service, and no other. */
import * as z from 'zod'
import { GoogleError } from '../errors.ts'
import { int64 } from '../wire.ts'
import type { Method } from './dataset.ts'

export type ApiVersion = 'v1' | 'v1beta1'

export const ADAPTER_SIZES = ['ONE', 'TWO', 'FOUR', 'EIGHT', 'SIXTEEN'] as const

const adapterSize = z.enum([
  'ADAPTER_SIZE_UNSPECIFIED',
  ...ADAPTER_SIZES.map(size => `ADAPTER_SIZE_${size}` as const),
  'ADAPTER_SIZE_THIRTY_TWO',
])

const gcsUri = z.string().regex(/^gs:\/\/[^/]+\/.+$/, 'must be a Cloud Storage URI: gs://bucket/object')

/** A field of the message that these models do not take. */
const unset = (message: string) =>
  z
    .unknown()
    .refine(value => value === undefined, { message })
    .optional()

const hyperParameters = {
  epochCount: int64(1).optional(),
  learningRateMultiplier: z.number().positive().optional(),
  adapterSize: adapterSize.optional(),
}

const datasets = {
  trainingDatasetUri: gcsUri,
  validationDatasetUri: gcsUri.optional(),
  exportLastCheckpointOnly: z.boolean().optional(),
}

const labels = z
  .record(
    z.string().regex(/^\p{Ll}[\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u),
    z.string().regex(/^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u),
  )
  .refine(value => Object.keys(value).length <= 64, { message: 'At most 64 labels are allowed.' })

const body = z.strictObject({
  baseModel: z.string().optional(),
  preTunedModel: z
    .strictObject({
      tunedModelName: z.string(),
      checkpointId: z.string().optional(),
      /** Output only. */
      baseModel: z.string().optional(),
    })
    .optional(),
  supervisedTuningSpec: z
    .strictObject({
      ...datasets,
      hyperParameters: z
        .strictObject({
          ...hyperParameters,
          batchSize: unset('batch_size cannot be set for Gemini models.'),
          learningRate: unset('learning_rate cannot be set for Gemini models.'),
        })
        .optional(),
      evaluationConfig: z.record(z.string(), z.unknown()).optional(),
      tuningMode: z.enum(['TUNING_MODE_UNSPECIFIED', 'TUNING_MODE_PEFT_ADAPTER']).optional(),
    })
    .optional(),
  preferenceOptimizationSpec: z
    .strictObject({
      ...datasets,
      hyperParameters: z
        .strictObject({ ...hyperParameters, beta: z.number().positive().max(2).optional() })
        .optional(),
    })
    .optional(),
  reinforcementTuningSpec: z.record(z.string(), z.unknown()).optional(),
  tunedModelDisplayName: z.string().max(128).optional(),
  description: z.string().optional(),
  labels: labels.optional(),
  encryptionSpec: z.strictObject({ kmsKeyName: z.string() }).optional(),
  serviceAccount: z.string().optional(),
})

/** What v1 does not know. */
const BETA_ONLY = ['preferenceOptimizationSpec', 'reinforcementTuningSpec'] as const

const SPECS = ['supervisedTuningSpec', ...BETA_ONLY] as const

export const TUNING_BODY: Record<ApiVersion, z.ZodType<z.infer<typeof body>>> = {
  v1: body.superRefine((value, context) => {
    const beta = BETA_ONLY.filter(name => value[name] !== undefined)
    if (beta.length > 0) context.addIssue({ code: 'unrecognized_keys', keys: beta, input: value })
  }),
  v1beta1: body,
}

export interface Hyperparameters {
  epochCount?: number | undefined
  learningRateMultiplier?: number | undefined
  adapterSize?: z.infer<typeof adapterSize> | undefined
  beta?: number | undefined
}

export interface TuningSpec {
  field: 'supervisedTuningSpec' | 'preferenceOptimizationSpec'
  method: Method
  trainingDatasetUri: string
  validationDatasetUri: string | undefined
  exportLastCheckpointOnly: boolean
  hyperParameters: Hyperparameters
}

/** A tuning request that holds together. */
export interface TuningRequest {
  source: { baseModel: string } | { tunedModelName: string; checkpointId: string | undefined }
  spec: TuningSpec
  tunedModelDisplayName: string | undefined
  description: string | undefined
  labels: Record<string, string>
  serviceAccount: string | undefined
}

const refuse = (message: string): GoogleError => new GoogleError('INVALID_ARGUMENT', message)

/**
 * Checks the rules between fields.
 *
 * @throws {GoogleError} INVALID_ARGUMENT
 */
export function tuningRequest(given: z.infer<typeof body>): TuningRequest {
  const { baseModel, preTunedModel } = given
  if ((baseModel === undefined) === (preTunedModel === undefined)) {
    throw refuse('Exactly one of base_model and pre_tuned_model must be set.')
  }
  if (given.encryptionSpec) throw refuse('CMEK (encryption_spec) is not supported for Gemini 3 tuning.')
  return {
    source:
      preTunedModel === undefined
        ? { baseModel: baseModel ?? '' }
        : { tunedModelName: preTunedModel.tunedModelName, checkpointId: preTunedModel.checkpointId },
    spec: specOf(given),
    tunedModelDisplayName: given.tunedModelDisplayName,
    description: given.description,
    labels: given.labels ?? {},
    serviceAccount: given.serviceAccount,
  }
}

function specOf(given: z.infer<typeof body>): TuningSpec {
  const named = SPECS.filter(name => given[name] !== undefined)
  if (named.length !== 1) {
    throw refuse(`Exactly one tuning spec must be set; there are ${named.length}: ${named.join(', ')}`)
  }
  if (given.reinforcementTuningSpec) throw refuse('Reinforcement tuning is not available in the sandbox.')
  const supervised = given.supervisedTuningSpec
  const spec = supervised ?? given.preferenceOptimizationSpec
  if (!spec) throw refuse('A tuning spec must be set.')
  if (spec.hyperParameters?.adapterSize === 'ADAPTER_SIZE_THIRTY_TWO') {
    throw refuse(`adapter_size must be one of ${ADAPTER_SIZES.join(', ')} for this model.`)
  }
  return {
    field: supervised ? 'supervisedTuningSpec' : 'preferenceOptimizationSpec',
    method: supervised ? 'supervised' : 'preference',
    trainingDatasetUri: spec.trainingDatasetUri,
    validationDatasetUri: spec.validationDatasetUri,
    exportLastCheckpointOnly: spec.exportLastCheckpointOnly ?? false,
    hyperParameters: spec.hyperParameters ?? {},
  }
}
