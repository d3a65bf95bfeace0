/** Azure's fine-tuning jobs: OpenAI's, with a training type, a weight for the prompt's loss, and shorter suffixes. */
import * as z from 'zod'
import { ApiError, badRequest, JOB_LABEL, type Method, check as validated } from '../../openai/index.ts'
import {
  createJob,
  fromJob,
  jobList,
  toBody as openaiBody,
  jobs as openaiJobs,
  toGet,
} from '../openai/jobs.ts'
import type { JobSubmission, Provider, Settings } from '../provider.ts'
import { azurely, isDated, onSurface } from './url.ts'

/** `provider_options.azure` */
const options = z.strictObject({
  training_type: z.enum(['standard', 'globalstandard', 'developerTier']).optional(),
  prompt_loss_weight: z.number().min(0).optional(),
})
const optionsOf = (given: Record<string, unknown>): z.infer<typeof options> =>
  validated(z.object({ provider_options: z.object({ azure: options }) }), {
    provider_options: { azure: given },
  }).provider_options.azure

/** Microsoft's specification of 2024-10-21; OpenAI takes up to 64 characters of any kind. */
const SUFFIX = /^[A-Za-z0-9_-]{1,40}$/
/** The last version whose jobs have neither a method nor metadata. */
const LAST_WITHOUT_METADATA = '2024-10-21'

/** Jobs looked through for a label. Microsoft's specifications know no filter by metadata: it may not be there. */
const FOUND_PAGE = 100
const MOST_PAGES = 10

const withPromptLossWeight = (method: Method, weight: number | undefined): object =>
  weight === undefined || method.type !== 'supervised'
    ? method
    : {
        ...method,
        supervised: {
          hyperparameters: { ...method.supervised?.hyperparameters, prompt_loss_weight: weight },
        },
      }

/** The body of `POST /fine_tuning/jobs`. The method passes as it is: DPO stays DPO. */
export const toBody = (job: JobSubmission) => {
  const { training_type, prompt_loss_weight } = optionsOf(job.options)
  return {
    ...openaiBody({ ...job, integrations: null }),
    method: withPromptLossWeight(job.method, prompt_loss_weight),
    ...(training_type !== undefined && { trainingType: training_type }),
  }
}

/**
 * Without metadata a job whose creation was not confirmed could not be found again, and might be made twice.
 * @throws {ApiError} 400
 */
const mustKeepLabels = (settings: Settings): void => {
  const { apiVersion = '' } = settings
  if (!isDated(settings) || apiVersion.slice(0, 10) > LAST_WITHOUT_METADATA) return
  throw new ApiError({
    status: 400,
    code: 'feature_unsupported',
    param: 'apiVersion',
    message: `Azure's API version ${apiVersion} has neither methods nor metadata for jobs: set apiVersion to a later one, such as 2025-04-01-preview, or leave it out for the v1 API.`,
  })
}

export const jobs: Provider['jobs'] = {
  check({ suffix, method, integrations, options: given }) {
    if (suffix !== null && !SUFFIX.test(suffix)) {
      throw badRequest(
        'suffix',
        'Azure takes a suffix of 1 to 40 characters: letters, digits, dashes and underscores.',
      )
    }
    const { prompt_loss_weight } = optionsOf(given)
    if (prompt_loss_weight !== undefined && method.type !== 'supervised') {
      throw badRequest(
        'provider_options.azure.prompt_loss_weight',
        `Only supervised training weighs the loss of prompts, not '${method.type}'.`,
      )
    }
    return integrations === null || integrations.length === 0
      ? []
      : [{ param: 'integrations', message: 'Azure reports to no other service' }]
  },
  async create(channel, job) {
    mustKeepLabels(channel.settings)
    return createJob(onSurface(channel), toBody(job))
  },
  async find(channel, label) {
    const azure = onSurface(channel)
    let after: string | undefined
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const query = { limit: FOUND_PAGE, after, [`metadata[${JOB_LABEL}]`]: label }
      const { data, has_more } = await azure.read(jobList, toGet(azure, [], query))
      const found = data.find(({ metadata }) => metadata?.[JOB_LABEL] === label)
      if (found) return fromJob(found)
      after = data.at(-1)?.id
      if (!has_more || after === undefined) return undefined
    }
    return undefined
  },
  paging: 'id',
  list: azurely(openaiJobs.list),
  get: azurely(openaiJobs.get),
  cancel: azurely(openaiJobs.cancel),
  pause: azurely(openaiJobs.pause),
  resume: azurely(openaiJobs.resume),
  events: azurely(openaiJobs.events),
  checkpoints: azurely(openaiJobs.checkpoints),
}
