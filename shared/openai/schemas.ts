/**
 * What the gateway accepts: OpenAI's request bodies, strict, with its ranges, plus the gateway's own fields.
 * Ranges are those of OpenAI's published specification.
 * @module
 */
import * as z from 'zod'
import { usdLimit } from './budgets.ts'
import { declarationFields } from './datasets.ts'
import { UPLOAD_PURPOSES } from './objects.ts'
import { pageQuery } from './paging.ts'
import { SCOPES } from './scopes.ts'
import { webhookUrl } from './webhooks.ts'

const auto = <T extends z.ZodType>(schema: T, range: string) =>
  z.union([z.literal('auto'), schema], { error: `must be 'auto' or ${range}` }).optional()

const common = {
  n_epochs: auto(z.int().min(1).max(50), 'an integer from 1 to 50'),
  batch_size: auto(z.int().min(1).max(256), 'an integer from 1 to 256'),
  learning_rate_multiplier: auto(z.number().positive(), 'a number above 0'),
}
const atLeastOne = () => auto(z.int().min(1), 'an integer from 1')

const supervised = z.strictObject({ hyperparameters: z.strictObject(common).optional() })
const dpo = z.strictObject({
  hyperparameters: z
    .strictObject({ ...common, beta: auto(z.number().positive().max(2), 'a number above 0, at most 2') })
    .optional(),
})
const reinforcement = z.strictObject({
  // A grader is a program in the provider's own language: it is the provider's to check.
  grader: z.looseObject({ type: z.string() }),
  hyperparameters: z
    .strictObject({
      ...common,
      reasoning_effort: z.enum(['default', 'low', 'medium', 'high']).optional(),
      compute_multiplier: auto(z.number().gt(0.00001).max(10), 'a number above 0.00001, at most 10'),
      eval_interval: atLeastOne(),
      eval_samples: atLeastOne(),
    })
    .optional(),
})

const method = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('supervised'), supervised: supervised.optional() }),
  z.strictObject({ type: z.literal('dpo'), dpo: dpo.optional() }),
  z.strictObject({ type: z.literal('reinforcement'), reinforcement }),
])
export type Method = z.infer<typeof method>

const integration = z.strictObject({
  type: z.literal('wandb'),
  wandb: z.strictObject({
    project: z.string().min(1),
    name: z.string().nullish(),
    entity: z.string().nullish(),
    tags: z.array(z.string()).optional(),
  }),
})

/** Room for the gateway's own label: a provider finds a job of unknown outcome by it. */
export const JOB_LABEL = 'tunegate_job'

const metadata = z
  .record(z.string().min(1).max(64), z.string().max(512))
  .refine(pairs => Object.keys(pairs).length <= 16, 'must have at most 16 pairs')
  .refine(pairs => !(JOB_LABEL in pairs), `must not use the key "${JOB_LABEL}", which is the gateway's own`)

const credentialFields = {
  api_key: z.string().min(1).max(4096).optional(),
  api_base: z.url({ protocol: /^https?$/ }).optional(),
  api_version: z.string().min(1).max(64).optional(),
  vertex_project: z.string().min(1).max(128).optional(),
  vertex_location: z.string().min(1).max(64).optional(),
  /** A service account's JSON, as an object or a string. */
  vertex_credentials: z.union([z.string().min(1).max(16_384), z.record(z.string(), z.unknown())]).optional(),
  aws_access_key_id: z.string().min(1).max(256).optional(),
  aws_secret_access_key: z.string().min(1).max(256).optional(),
  aws_session_token: z.string().min(1).max(4096).optional(),
  aws_region_name: z.string().min(1).max(64).optional(),
}
/** A field of a request that brings a credential, or says where it is good. */
export type RequestCredential = keyof typeof credentialFields

/** Fields that choose the provider and its credentials; never sent upstream. */
export const routingFields = {
  provider: z.string().min(1).max(64).optional(),
  custom_llm_provider: z.string().min(1).max(64).optional(),
  /** Seconds to wait for the provider. */
  timeout: z.number().positive().max(3600).optional(),
  /** Drops what the provider has no place for, and says so, instead of refusing it. */
  drop_params: z.boolean().optional(),
  ...credentialFields,
}
const routing = z.object(routingFields)
export type Routing = z.infer<typeof routing>
export type RequestCredentials = Pick<Routing, RequestCredential>
export const ROUTING_FIELDS = Object.keys(routingFields) as readonly (keyof Routing)[]
export const CREDENTIAL_FIELDS = Object.keys(credentialFields) as readonly RequestCredential[]

/** Dollars that all attempts together may cost; `max_cost_usd` is the same by another name. */
const spendingFields = { budget_limit: usdLimit.optional(), max_cost_usd: usdLimit.optional() }
interface Limited {
  budget_limit?: number | undefined
  max_cost_usd?: number | undefined
}
const isOneLimit = ({ budget_limit, max_cost_usd }: Limited) =>
  budget_limit === undefined || max_cost_usd === undefined
const TWO_LIMITS = { path: ['max_cost_usd'], message: 'is another name of budget_limit: give one of them' }
/** In dollars. */
export const budgetLimitOf = ({ budget_limit, max_cost_usd }: Limited): number | null =>
  budget_limit ?? max_cost_usd ?? null

export const jobRequest = z
  .strictObject({
    model: z.string().min(1).max(256),
    /** A file's id, or where the data is: `s3://`, `gs://`, `https://`. */
    training_file: z.string().min(1).max(1024),
    validation_file: z.string().min(1).max(1024).nullish(),
    suffix: z.string().min(1).max(64).nullish(),
    seed: z.int().min(0).max(2147483647).nullish(),
    metadata: metadata.nullish(),
    integrations: z.array(integration).max(5).nullish(),
    method: method.optional(),
    hyperparameters: z.strictObject(common).optional(),
    /** Connections, providers, or `<provider>/<model>`, tried in order where a provider has no room for the job or fails it. */
    fallback_providers: z.array(z.string().min(1).max(256)).min(1).max(8).optional(),
    /** Seconds from its creation after which an unfinished job is flagged. */
    deadline_seconds: z.int().min(60).max(31_536_000).optional(),
    /** What only one provider knows, under its name. */
    provider_options: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
    /** Where the job's end is told. */
    webhook_url: webhookUrl.nullish(),
    ...spendingFields,
    ...routingFields,
  })
  .refine(isOneLimit, TWO_LIMITS)
  .refine(body => !(body.method && body.hyperparameters), {
    path: ['hyperparameters'],
    message:
      'is deprecated and cannot be given together with `method`: put it into `method.<type>.hyperparameters`',
  })
export type JobRequest = z.infer<typeof jobRequest>

/** Values that a sweep tries, one list for each hyperparameter; every combination is a job. */
const grid = z
  .strictObject({
    n_epochs: z.array(common.n_epochs.unwrap()).min(1).max(16).optional(),
    batch_size: z.array(common.batch_size.unwrap()).min(1).max(16).optional(),
    learning_rate_multiplier: z.array(common.learning_rate_multiplier.unwrap()).min(1).max(16).optional(),
    beta: z
      .array(auto(z.number().positive().max(2), 'a number above 0, at most 2').unwrap())
      .min(1)
      .max(16)
      .optional(),
  })
  .refine(lists => Object.keys(lists).length > 0, 'must name at least one hyperparameter')
export type Grid = z.infer<typeof grid>

/** Jobs of one batch. */
export const MOST_IN_BATCH = 100

export const batchRequest = z
  .strictObject({
    name: z.string().min(1).max(128).optional(),
    /** Jobs as they would be created one by one. */
    jobs: z.array(jobRequest).min(1).max(MOST_IN_BATCH).optional(),
    /** One job, with every combination of the grid's values. */
    request: jobRequest.optional(),
    grid: grid.optional(),
    /** Jobs under way at once. */
    max_parallel: z.int().min(1).max(MOST_IN_BATCH).default(4),
    ...spendingFields,
  })
  .refine(isOneLimit, TWO_LIMITS)
  .refine(
    ({ jobs, request, grid }) => (jobs === undefined) === (request !== undefined && grid !== undefined),
    {
      path: ['jobs'],
      message: 'a batch has either `jobs`, or a `request` with a `grid`',
    },
  )
export type BatchRequest = z.infer<typeof batchRequest>
export const batchesQuery = z.strictObject(pageQuery(100, 20))

export const suggestionsQuery = z.strictObject({
  model: z.string().min(1).max(256),
  training_file: z.string().min(1).max(128),
})
/** Chooses the provider where there is no body to say so. */
const providerQuery = {
  provider: z.string().min(1).max(64).optional(),
  custom_llm_provider: z.string().min(1).max(64).optional(),
}

export const filesQuery = z.strictObject({
  ...providerQuery,
  purpose: z.string().max(64).optional(),
  order: z.enum(['asc', 'desc']).default('desc'),
  ...pageQuery(10_000, 10_000),
})

/** `metadata[k]=v` filters are read from the raw query beside this. */
export const jobsQuery = z.looseObject({ ...providerQuery, ...pageQuery(100, 20) })
export const eventsQuery = z.strictObject({
  ...providerQuery,
  ...pageQuery(1000, 20),
  /** Asks for a live feed of server-sent events, as the header `accept: text/event-stream` does. */
  stream: z.enum(['true', 'false']).optional(),
})
/** Ids of jobs, with commas between. */
export const compareQuery = z.strictObject({
  jobs: z
    .string()
    .max(4096)
    .transform(ids => ids.split(',').filter(id => id !== '')),
})
export const checkpointsQuery = z.strictObject({ ...providerQuery, ...pageQuery(100, 10) })

export const uploadFields = z.strictObject({
  purpose: z.enum(UPLOAD_PURPOSES),
  'expires_after[anchor]': z.literal('created_at').optional(),
  'expires_after[seconds]': z.coerce.number().int().min(3600).max(2_592_000).optional(),
  ...declarationFields,
})
export type UploadFields = z.infer<typeof uploadFields>

/** Bytes of a part that comes through the gateway, by OpenAI's rule. */
export const LARGEST_PART = 64 * 1024 * 1024
/** S3 and R2 take no more than 5 GiB in one PUT. */
const LARGEST_DIRECT_PART = 4 * 1024 * 1024 * 1024
/** Parts of one upload; as many as a bucket lists at a time. */
export const MOST_PARTS = 1000

export const uploadRequest = z
  .strictObject({
    filename: z.string().min(1),
    purpose: z.enum(UPLOAD_PURPOSES),
    bytes: z.int().min(1),
    mime_type: z.string().min(1).max(255),
    expires_after: z
      .strictObject({ anchor: z.literal('created_at'), seconds: z.int().min(3600).max(2_592_000) })
      .optional(),
    /** Parts go straight to the bucket, to URLs that the answer holds. */
    direct: z.boolean().optional(),
    /** Bytes of each part but the last. */
    part_size: z.int().min(1).max(LARGEST_DIRECT_PART).optional(),
  })
  .refine(({ direct, part_size }) => direct === true || part_size === undefined, {
    path: ['part_size'],
    message: 'goes with `direct: true` only: parts sent to the gateway may be of any size',
  })
export type UploadRequest = z.infer<typeof uploadRequest>

export const completeUploadRequest = z.strictObject({
  /** In the order in which the parts make the file. May be left out where the parts went straight to the bucket. */
  part_ids: z.array(z.string().min(1).max(128)).min(1).max(MOST_PARTS).optional(),
  md5: z
    .string()
    .regex(/^[0-9a-f]{32}$/i, 'must be 32 hexadecimal digits')
    .optional(),
})
export type CompleteUploadRequest = z.infer<typeof completeUploadRequest>

export const keyRequest = z.strictObject({
  name: z.string().min(1).max(128),
  /** Keys of one owner see the same files, jobs and models; a new owner is made when absent. */
  owner: z
    .string()
    // Part of keys in the bucket, where a name of dots would lead elsewhere.
    .regex(/^(?!\.{1,2}$)[\w.@-]{1,64}$/, 'must be 1 to 64 letters, digits or . _ @ -')
    .optional(),
  /** What it may do at all; everything but `admin` when absent. */
  scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length).optional(),
  /** The only models it may use, by any name with or without its prefix; null: all. */
  models: z.array(z.string().min(1).max(256)).min(1).max(100).nullish(),
  /** The only providers or connections it may use; null: all. */
  providers: z.array(z.string().min(1).max(64)).min(1).max(50).nullish(),
  /** Unix seconds from which on it is no key any more; null: never. */
  expires_at: z.int().min(1).nullish(),
})
export type KeyRequest = z.infer<typeof keyRequest>
export const keysQuery = z.strictObject(pageQuery(100, 20))
