/** OpenAI's fine-tuning jobs: canonical submission ⇄ `/fine_tuning/jobs`. */
import * as z from 'zod'
import { type Hyperparameters, JOB_LABEL, type JobStatus, type Method } from '../../openai/index.ts'
import type {
  Channel,
  JobOrigin,
  JobSubmission,
  NativeCheckpoint,
  NativeEvent,
  NativeJob,
  Provider,
  ProviderRequest,
} from '../provider.ts'
import { urlOf } from './url.ts'

const nullable = <T extends z.ZodType>(schema: T) => schema.nullish().transform(value => value ?? null)

const jobObject = z.object({
  id: z.string(),
  status: z.string(),
  model: z.string(),
  fine_tuned_model: nullable(z.string()),
  finished_at: nullable(z.number()),
  estimated_finish: nullable(z.number()),
  // A job without an error has null, an empty object, or one of nulls here.
  error: nullable(
    z.object({ code: nullable(z.string()), message: nullable(z.string()), param: nullable(z.string()) }),
  ),
  hyperparameters: z.custom<Hyperparameters>(value => typeof value === 'object' && value !== null).nullish(),
  method: z.custom<Method>(value => typeof value === 'object' && value !== null).nullish(),
  result_files: z.array(z.string()).nullish(),
  trained_tokens: nullable(z.number()),
  seed: nullable(z.number()),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  created_at: nullable(z.number()).catch(null),
  training_file: nullable(z.string()).catch(null),
  validation_file: nullable(z.string()).catch(null),
  user_provided_suffix: nullable(z.string()).catch(null),
})
export const jobList = z.object({ data: z.array(jobObject), has_more: z.boolean().default(false) })

const eventList = z.object({
  has_more: z.boolean().default(false),
  data: z.array(
    z.object({
      id: z.string(),
      created_at: z.number(),
      level: z.string(),
      message: z.string(),
      type: z.string().nullish(),
      data: z.record(z.string(), z.unknown()).nullish(),
    }),
  ),
})

const checkpointList = z.object({
  has_more: z.boolean().default(false),
  data: z.array(
    z.object({
      id: z.string(),
      created_at: z.number(),
      fine_tuned_model_checkpoint: z.string(),
      step_number: z.number(),
      metrics: z.record(z.string(), z.number().nullish()),
    }),
  ),
})

/**
 * Native status → canonical. `paused` and its kin are not among the values OpenAI's own clients know.
 * An unknown word means that the job is not over.
 */
const STATUS: ReadonlyMap<string, JobStatus> = new Map([
  ['validating_files', 'validating_files'],
  ['created', 'queued'],
  ['pending', 'queued'],
  ['queued', 'queued'],
  ['paused', 'queued'],
  ['running', 'running'],
  ['pausing', 'running'],
  ['resuming', 'running'],
  ['succeeded', 'succeeded'],
  ['failed', 'failed'],
  ['cancelled', 'cancelled'],
])
export const toStatus = (native: string): JobStatus => STATUS.get(native) ?? 'running'

const LEVEL: ReadonlyMap<string, NativeEvent['level']> = new Map([
  ['info', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
])

/** The body of `POST /fine_tuning/jobs`. What was not asked for is left out, not sent as null. */
export const toBody = (job: JobSubmission) => ({
  model: job.model,
  training_file: job.trainingFile,
  ...(job.validationFile !== null && { validation_file: job.validationFile }),
  ...(job.suffix !== null && { suffix: job.suffix }),
  ...(job.seed !== null && { seed: job.seed }),
  ...(job.integrations !== null && { integrations: job.integrations }),
  metadata: { ...job.metadata, [JOB_LABEL]: job.label },
  method: job.method,
})

const originOf = ({ metadata, ...job }: z.infer<typeof jobObject>): JobOrigin => {
  const pairs = Object.entries(metadata ?? {}).filter(
    (pair): pair is [string, string] => typeof pair[1] === 'string',
  )
  const { [JOB_LABEL]: label, ...rest } = Object.fromEntries(pairs)
  return {
    label,
    createdAt: job.created_at,
    trainingFile: job.training_file,
    validationFile: job.validation_file,
    suffix: job.user_provided_suffix,
    metadata: rest,
  }
}

export const fromJob = (job: z.infer<typeof jobObject>): NativeJob => ({
  id: job.id,
  nativeStatus: job.status,
  status: toStatus(job.status),
  model: job.model,
  fineTunedModel: job.fine_tuned_model,
  finishedAt: job.finished_at,
  estimatedFinish: job.estimated_finish,
  error: job.error?.message
    ? { code: job.error.code ?? 'provider_error', message: job.error.message, param: job.error.param }
    : null,
  hyperparameters: job.hyperparameters ?? {},
  method: job.method ?? null,
  resultFiles: job.result_files ?? [],
  trainedTokens: job.trained_tokens,
  seed: job.seed,
  origin: originOf(job),
})

export const fromEvents = (page: z.infer<typeof eventList>): NativeEvent[] =>
  page.data.map(({ id, created_at, level, message, type, data }) => ({
    id,
    created_at,
    level: LEVEL.get(level) ?? 'info',
    message,
    type: type === 'metrics' ? 'metrics' : 'message',
    data: data ?? {},
  }))

export const fromCheckpoints = (page: z.infer<typeof checkpointList>): NativeCheckpoint[] =>
  page.data.map(checkpoint => ({
    id: checkpoint.id,
    createdAt: checkpoint.created_at,
    model: checkpoint.fine_tuned_model_checkpoint,
    step: checkpoint.step_number,
    metrics: Object.fromEntries(
      Object.entries(checkpoint.metrics).filter((pair): pair is [string, number] => pair[1] != null),
    ),
  }))

const JOBS = ['fine_tuning', 'jobs'] as const
/** Jobs looked through for a label. */
const FOUND = 20

/** A `GET` below `/fine_tuning/jobs`. */
export const toGet = (
  { settings }: Pick<Channel, 'settings'>,
  segments: string[],
  query: Record<string, string | number | undefined> = {},
): ProviderRequest => ({
  method: 'GET',
  url: urlOf(settings, [...JOBS, ...segments], query),
  repeat: 'always',
})

/** Cancel, pause and resume have no body. */
const command = (verb: 'cancel' | 'pause' | 'resume') => async (channel: Channel, id: string) =>
  fromJob(
    await channel.read(jobObject, {
      method: 'POST',
      url: urlOf(channel.settings, [...JOBS, id, verb]),
      repeat: 'if-refused',
    }),
  )

/** Sends a body to `POST /fine_tuning/jobs`. */
export const createJob = async ({ settings, read }: Channel, body: object): Promise<NativeJob> =>
  fromJob(
    await read(jobObject, {
      method: 'POST',
      url: urlOf(settings, JOBS),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      repeat: 'if-refused',
    }),
  )

export const jobs = {
  // It is OpenAI's own request: all of it has a place here.
  check: ({ options }) =>
    Object.keys(options).map(option => ({
      param: `provider_options.openai.${option}`,
      message: 'OpenAI has no such option',
    })),
  create: (channel, job) => createJob(channel, toBody(job)),
  async find(channel, label) {
    const { data } = await channel.read(
      jobList,
      toGet(channel, [], { limit: FOUND, [`metadata[${JOB_LABEL}]`]: label }),
    )
    // A server that does not know the filter lists whatever it has.
    const found = data.find(({ metadata }) => metadata?.[JOB_LABEL] === label)
    return found && fromJob(found)
  },
  paging: 'id',
  async list(channel, { after, limit }) {
    const { data, has_more } = await channel.read(jobList, toGet(channel, [], { limit, after }))
    return { items: data.map(fromJob), hasMore: has_more }
  },
  async get(channel, id) {
    return fromJob(await channel.read(jobObject, toGet(channel, [id])))
  },
  cancel: command('cancel'),
  pause: command('pause'),
  resume: command('resume'),
  async events(channel, id, { after, limit }) {
    const page = await channel.read(eventList, toGet(channel, [id, 'events'], { limit, after }))
    return { items: fromEvents(page), hasMore: page.has_more }
  },
  async checkpoints(channel, id, { after, limit }) {
    const page = await channel.read(checkpointList, toGet(channel, [id, 'checkpoints'], { limit, after }))
    return { items: fromCheckpoints(page), hasMore: page.has_more }
  },
} satisfies Provider['jobs']
