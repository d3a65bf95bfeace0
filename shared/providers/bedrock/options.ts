/** `provider_options.bedrock`: what only Bedrock's jobs know. */
import * as z from 'zod'
import { check } from '../../openai/index.ts'

const id = z.string().regex(/^[-0-9a-zA-Z]{1,64}$/, 'must be an id such as subnet-0abc')

const schema = z.strictObject({
  learning_rate_warmup_steps: z.int().min(0).optional(),
  early_stopping_threshold: z.number().min(0).optional(),
  early_stopping_patience: z.int().min(1).optional(),
  /** The key that encrypts the tuned model. */
  custom_model_kms_key_id: z.string().min(1).max(2048).optional(),
  vpc_config: z
    .strictObject({
      subnet_ids: z.array(id).min(1).max(16),
      security_group_ids: z.array(id).min(1).max(5),
    })
    .optional(),
  /** For the tuned model; the job's own are its metadata. */
  custom_model_tags: z.record(z.string().min(1).max(128), z.string().max(256)).optional(),
})
export type Options = z.infer<typeof schema>

const inRequest = z.object({ provider_options: z.object({ bedrock: schema }) })

/** @throws {ApiError} 400 with the path as it stands in the request */
export const toOptions = (options: Record<string, unknown>): Options =>
  check(inRequest, { provider_options: { bedrock: options } }).provider_options.bedrock
