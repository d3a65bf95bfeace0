/** `/model-customization-jobs` */
import { Hono } from 'hono'
import * as z from 'zod'
import type { Tempo } from '../../tempo.ts'
import { ACCOUNT } from '../account.ts'
import { AwsError, check, conflict, invalid } from '../errors.ts'
import { queryOf, readJson } from '../json-service.ts'
import type { Env } from '../raw-request.ts'
import type { Store } from '../s3/store.ts'
import { type BaseModel, callableBase, customizableBase, type Lifecycles } from './base-models.ts'
import type { CustomModels } from './custom-models.ts'
import { resolveHyperparameters } from './hyperparameters.ts'
import { Tokens } from './idempotency.ts'
import { JOB_STATUSES, type Job, newJob, wireJob, wireJobSummary } from './job.ts'
import { JobLife } from './job-life.ts'
import { type JobRequest, jobRequest } from './job-schema.ts'
import { Registry } from './registry.ts'

/** All jobs, and who drives them. */
export class Jobs extends Registry<Job> {
  readonly tokens = new Tokens<Job>()
  readonly #lives = new Map<string, JobLife>()

  constructor() {
    super('model customization job')
  }

  start(job: Job, life: JobLife): void {
    this.ledger.add(job)
    this.#lives.set(job.id, life)
    void life.run()
  }

  stop(job: Job): void {
    this.#lives.get(job.id)?.stop()
  }

  clear(): void {
    for (const life of this.#lives.values()) life.abandon()
    this.#lives.clear()
    this.ledger.clear()
    this.tokens.clear()
  }
}

export interface JobSurroundings {
  store: Store
  models: CustomModels
  lifecycles: Lifecycles
  tempo: Tempo
}

export function jobRoutes(jobs: Jobs, surroundings: JobSurroundings): Hono<Env> {
  const { store, models, tempo } = surroundings
  return new Hono<Env>()
    .post('/', async context => {
      const request = check(jobRequest, await readJson(context))
      const job = jobs.tokens.once(request.clientRequestToken, request, () => {
        const made = accept(request, jobs, surroundings)
        jobs.start(made, new JobLife(made, store, models, tempo))
        return made
      })
      return context.json({ jobArn: job.arn }, 201)
    })
    .get('/', context => {
      const { items, nextToken } = jobs.list(queryOf(context), {
        period: 'creationTime',
        filters: { statusEquals: z.enum(JOB_STATUSES).optional() },
        where: ({ status }, { statusEquals }) => statusEquals === undefined || statusEquals === status,
      })
      return context.json({ modelCustomizationJobSummaries: items.map(wireJobSummary), nextToken })
    })
    .get('/:id', context => context.json(wireJob(jobs.get(context.req.param('id')))))
    .post('/:id/stop', context => {
      const job = jobs.get(context.req.param('id'))
      if (job.status === 'InProgress') jobs.stop(job)
      else if (job.status !== 'Stopping') {
        throw conflict(`The job ${job.arn} cannot be stopped: it is ${job.status}.`)
      }
      return context.json({})
    })
}

/**
 * All that Bedrock checks before there is a job.
 *
 * @throws {AwsError}
 */
function accept(request: JobRequest, jobs: Jobs, { models, lifecycles }: JobSurroundings): Job {
  const { customizationType, baseModelIdentifier, roleArn, validationDataConfig } = request
  const base = tunable(baseModelIdentifier, lifecycles)
  if (customizationType !== 'FINE_TUNING') {
    throw invalid(
      `Customization type ${customizationType} is not supported for model ${baseModelIdentifier}. Supported: FINE_TUNING.`,
    )
  }
  if (request.customizationConfig) {
    throw invalid('customizationConfig is not supported for customization type FINE_TUNING.')
  }
  if (roleArn.split(':')[4] !== ACCOUNT) {
    throw new AwsError('AccessDeniedException', 'Cross-account pass role is not allowed.')
  }
  if ((validationDataConfig?.validators.length ?? 0) > 0 && !base.dataset.validation) {
    throw invalid(`A validation dataset is not supported for model ${baseModelIdentifier}.`)
  }
  const hyperparameters = resolveHyperparameters(base, request.hyperParameters ?? {})
  if (jobs.find(request.jobName)) throw conflict(`The job name ${request.jobName} is already in use.`)
  const pending = [...jobs.ledger].some(
    ({ status, request: other }) =>
      ['InProgress', 'Stopping'].includes(status) && other.customModelName === request.customModelName,
  )
  if (pending || models.find(request.customModelName)) {
    throw conflict(`The custom model name ${request.customModelName} is already in use.`)
  }
  return newJob(request, base, hyperparameters)
}

function tunable(identifier: string, lifecycles: Lifecycles): BaseModel {
  const base = customizableBase(identifier)
  if (!base) {
    const near = callableBase(identifier)
    throw invalid(
      near
        ? `The model ${identifier} cannot be customized. Did you mean ${near.customizableId}?`
        : 'The provided model identifier is invalid.',
    )
  }
  if (lifecycles.of(base) === 'ACTIVE') return base
  throw invalid(`The model ${identifier} is in legacy state and cannot be customized any more.`)
}
