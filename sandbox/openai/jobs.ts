/** `/fine_tuning/jobs` */
import { type Context, Hono } from 'hono'
import { Ledger } from '../ledger.ts'
import type { Tempo } from '../tempo.ts'
import { readJson } from './body.ts'
import { type JobDialect, OPENAI_JOBS } from './dialect.ts'
import { ApiError, notFound } from './errors.ts'
import type { Files, StoredFile } from './files.ts'
import { type Action, addEvent, type Job, type JobStatus, newJob, TERMINAL, wireCheckpoint } from './job.ts'
import { JobLife } from './job-life.ts'
import { methodOf } from './job-schema.ts'
import type { BaseModel, FineTune, Models } from './models.ts'
import { listPage } from './paging.ts'

interface Entry {
  id: string
  job: Job
  life: JobLife
}

/** All jobs, by id. */
export class Jobs {
  readonly ledger = new Ledger<Entry>()
  /** Told of every job's end. */
  onEnd: (job: Job) => void = () => undefined

  /** Whether a job is still checking the file. */
  isValidating(fileId: string): boolean {
    for (const { job } of this.ledger) {
      const { training_file, validation_file } = job.request
      if (job.status === 'validating_files' && [training_file, validation_file].includes(fileId)) return true
    }
    return false
  }

  clear(): void {
    for (const { life } of this.ledger) life.abandon()
    this.ledger.clear()
  }
}

/** In which states a job can be told what. */
const ALLOWED: Record<Action, (status: JobStatus) => boolean> = {
  cancel: status => !TERMINAL.has(status),
  pause: status => status === 'running',
  resume: status => status === 'paused',
}

const DEFAULT_PAGE = { jobs: 20, events: 20, checkpoints: 10 }
const MAX_PAGE = 1000

export interface Workshop {
  jobs: Jobs
  files: Files
  models: Models
  tempo: Tempo
}

export function jobRoutes({ jobs, files, models, tempo }: Workshop, dialect: JobDialect = OPENAI_JOBS): Hono {
  const find = (id: string): Entry => {
    const entry = jobs.ledger.get(id)
    if (!entry) throw notFound(`Could not find fine tune: ${id}`, 'fine_tuning_job_id')
    return entry
  }

  const act = (action: Action) => (context: Context) => {
    const { job, life } = find(context.req.param('id') ?? '')
    if (!ALLOWED[action](job.status)) {
      throw new ApiError(400, `Cannot ${action} job ${job.id}: it is ${job.status}.`, {
        code: `invalid_${action}_request`,
      })
    }
    life[action]()
    return context.json(dialect.wireJob(job, action))
  }

  return new Hono()
    .post('/', async context => {
      const request = dialect.readRequest(await readJson(context))
      const { base, fineTune } = tunable(models, request.model, methodOf(request).type)
      const sources = {
        training: usableFile(files, 'training_file', request.training_file),
        validation: request.validation_file
          ? usableFile(files, 'validation_file', request.validation_file)
          : undefined,
      }
      const job = newJob(request, base, fineTune)
      const life = new JobLife(job, files, models, tempo, dialect, () => jobs.onEnd(job))
      jobs.ledger.add({ id: job.id, job, life })
      void life.run(sources)
      for (const message of dialect.warnings(request)) addEvent(job, message, { level: 'warn' })
      return context.json(dialect.wireJob(job), dialect.created)
    })
    .get('/', context => {
      const query = context.req.query()
      const wanted = metadataFilter(query)
      const { data, ...envelope } = listPage(jobs.ledger, query, {
        defaultLimit: DEFAULT_PAGE.jobs,
        maxLimit: MAX_PAGE,
        where: ({ job }) => wanted(job.request.metadata ?? {}),
      })
      return context.json({ ...envelope, data: data.map(({ job }) => dialect.wireJob(job)) })
    })
    .get('/:id', context => context.json(dialect.wireJob(find(context.req.param('id')).job)))
    .post('/:id/cancel', act('cancel'))
    .post('/:id/pause', act('pause'))
    .post('/:id/resume', act('resume'))
    .get('/:id/events', context => {
      const { job } = find(context.req.param('id'))
      const { data, ...envelope } = listPage(job.events, context.req.query(), {
        defaultLimit: DEFAULT_PAGE.events,
        maxLimit: MAX_PAGE,
      })
      return context.json({ ...envelope, data: data.map(dialect.wireEvent) })
    })
    .get('/:id/checkpoints', context => {
      const { job } = find(context.req.param('id'))
      const { data, ...envelope } = listPage(job.checkpoints, context.req.query(), {
        defaultLimit: DEFAULT_PAGE.checkpoints,
        maxLimit: MAX_PAGE,
      })
      return context.json({
        ...envelope,
        data: data.map(checkpoint => wireCheckpoint(job, checkpoint)),
        first_id: data.at(0)?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
      })
    })
}

function tunable(models: Models, name: string, method: string): { base: BaseModel; fineTune?: FineTune } {
  const found = models.find(name)
  if (found?.base.methods.some(each => each === method)) return found
  throw new ApiError(
    400,
    found
      ? `Model ${name} is not available for fine-tuning with method '${method}'.`
      : `Model ${name} is not available for fine-tuning or does not exist.`,
    { param: 'model', code: 'model_not_available' },
  )
}

function usableFile(files: Files, param: string, id: string): StoredFile {
  const file = files.ledger.get(id)
  if (!file) throw new ApiError(400, `invalid ${param}: ${id}`, { param, code: 'file_not_found' })
  if (file.purpose !== 'fine-tune') {
    throw new ApiError(400, `File '${id}' has purpose '${file.purpose}', expected 'fine-tune'.`, {
      param,
      code: 'invalid_file_purpose',
    })
  }
  if (!file.readiness.attempt()) {
    throw new ApiError(400, `File '${id}' is not processed yet.`, { param, code: 'file_not_processed' })
  }
  return file
}

/** `metadata[key]=value` for pairs that a job must have, `metadata=null` for jobs without any. */
function metadataFilter(query: Record<string, string>): (metadata: Record<string, string>) => boolean {
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    const key = /^metadata\[(.*)\]$/.exec(name)?.[1]
    return key === undefined ? [] : [{ key, value }]
  })
  return metadata =>
    pairs.every(({ key, value }) => metadata[key] === value) &&
    (query.metadata !== 'null' || Object.keys(metadata).length === 0)
}
