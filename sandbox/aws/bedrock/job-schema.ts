/** The body of `POST /model-customization-jobs`. */
import * as z from 'zod'

export const tags = z
  .array(z.strictObject({ key: z.string().min(1).max(128), value: z.string().max(256) }))
  .max(200)
export const clientRequestToken = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,256}$/)
/** Names of models, deployments and provisioned models. */
export const modelName = z.string().regex(/^([0-9a-zA-Z][_-]?){1,63}$/)

const s3Uri = z
  .string()
  .max(1024)
  .regex(/^s3:\/\/[a-z0-9][-.a-z0-9]{1,61}(?:\/.*)?$/)
const id = z.string().regex(/^[-0-9a-zA-Z]+$/)

export const jobRequest = z.strictObject({
  jobName: z
    .string()
    .max(63)
    .regex(/^[a-zA-Z0-9](-*[a-zA-Z0-9+\-.])*$/),
  customModelName: modelName,
  roleArn: z
    .string()
    .max(2048)
    .regex(/^arn:aws(-[^:]+)?:iam::([0-9]{12})?:role\/.+$/),
  clientRequestToken: clientRequestToken.optional(),
  baseModelIdentifier: z.string().min(1).max(2048),
  customizationType: z
    .enum(['FINE_TUNING', 'CONTINUED_PRE_TRAINING', 'DISTILLATION', 'REINFORCEMENT_FINE_TUNING', 'IMPORTED'])
    .default('FINE_TUNING'),
  customModelKmsKeyId: z.string().min(1).max(2048).optional(),
  jobTags: tags.optional(),
  customModelTags: tags.optional(),
  trainingDataConfig: z.strictObject({ s3Uri }),
  validationDataConfig: z.strictObject({ validators: z.array(z.strictObject({ s3Uri })).max(10) }).optional(),
  outputDataConfig: z.strictObject({ s3Uri }),
  hyperParameters: z.record(z.string(), z.string()).optional(),
  vpcConfig: z
    .strictObject({ subnetIds: z.array(id).min(1).max(16), securityGroupIds: z.array(id).min(1).max(5) })
    .optional(),
  customizationConfig: z.record(z.string(), z.unknown()).optional(),
})

export type JobRequest = z.infer<typeof jobRequest>
