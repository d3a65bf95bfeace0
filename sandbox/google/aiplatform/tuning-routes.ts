/** `…/tuningJobs` */
import { type Context, Hono } from 'hono'
import { Ledger } from '../../ledger.ts'
import type { Tempo } from '../../tempo.ts'
import { check, readBody } from '../check.ts'
import { GoogleError } from '../errors.ts'
import type { Bucket } from '../storage/bucket.ts'
import { jobFilter } from './filter.ts'
import { BASE_MODELS, baseModel, modelName, type Registry } from './models.ts'
import { newTuningJob, type Start, TERMINAL, type TuningJob, wireJob } from './tuning-job.ts'
import { TuningLife } from './tuning-life.ts'
import { type ApiVersion, TUNING_BODY, type TuningRequest, tuningRequest } from './tuning-schema.ts'

interface Entry {
  id: string
  job: TuningJob
  life: TuningLife
}

/** All tuning jobs, by id. */
export class TuningJobs {
  readonly ledger = new Ledger<Entry>()

  clear(): void {
    for (const { life } of this.ledger) life.abandon()
    this.ledger.clear()
  }
}

export interface TuningParts {
  jobs: TuningJobs
  bucket: Bucket
  registry: Registry
  tempo: Tempo
}

const LARGEST_PAGE = 100

/** Mounted below `/{version}/projects/{project}/locations/{location}/tuningJobs`. */
export function tuningRoutes(version: ApiVersion, { jobs, bucket, registry, tempo }: TuningParts): Hono {
  const find = (context: Context, id: string): Entry => {
    const entry = jobs.ledger.get(id)
    const region = context.req.param('location')
    if (entry && entry.job.region === region) return entry
    throw new GoogleError('NOT_FOUND', `TuningJob ${id} was not found in location ${region}.`)
  }

  return new Hono()
    .post('/', async context => {
      const region = context.req.param('location') ?? ''
      const request = tuningRequest(check(TUNING_BODY[version], await readBody(context)))
      const job = newTuningJob(request, region, startOf(request, region, registry))
      const life = new TuningLife(job, bucket, registry, tempo)
      jobs.ledger.add({ id: job.id, job, life })
      const answer = context.json(wireJob(job))
      void life.run()
      return answer
    })
    .get('/', context => {
      const { pageSize, pageToken, filter = '' } = context.req.query()
      const region = context.req.param('location')
      const holds = jobFilter(filter)
      const after = pageToken ? cursorIn(pageToken) : undefined
      const page = jobs.ledger.page({
        ...(after !== undefined && { after }),
        limit: sizeOf(pageSize),
        order: 'desc',
        where: ({ job }) => job.region === region && holds(job),
      })
      if (!page) throw new GoogleError('INVALID_ARGUMENT', 'The page token is not valid.')
      const last = page.data.at(-1)
      return context.json({
        ...(page.data.length > 0 && { tuningJobs: page.data.map(({ job }) => wireJob(job)) }),
        ...(page.hasMore && last && { nextPageToken: tokenOf(last.id) }),
      })
    })
    .get('/:id', context => context.json(wireJob(find(context, context.req.param('id')).job)))
    .post('/:call', async context => {
      const [, id = '', verb] = /^([^:]*):(\w+)$/.exec(context.req.param('call')) ?? []
      if (verb !== 'cancel') throw noMethod()
      const { job, life } = find(context, id)
      const body = await readBody(context)
      if (typeof body === 'object' && body && Object.keys(body).length > 0) {
        throw new GoogleError('INVALID_ARGUMENT', 'The request body must be empty.')
      }
      if (TERMINAL.has(job.state)) {
        throw new GoogleError('FAILED_PRECONDITION', `The job is ${job.state} and cannot be cancelled.`)
      }
      void life.cancel()
      return context.json({})
    })
}

const noMethod = (): GoogleError => new GoogleError('NOT_FOUND', 'There is no such method.')

/** What the request wants to start from, if it can be had in the region. */
function startOf({ source }: TuningRequest, region: string, registry: Registry): Start {
  if ('baseModel' in source) {
    const base = tunableBase(source.baseModel)
    if (!base.tunesIn.includes(region)) throw wrongRegion(base.id, base.tunesIn, region)
    return { base, from: undefined }
  }
  const wanted = source.tunedModelName.replace(/@\d+$/, '')
  const model = [...registry.models].find(each => sameModel(modelName(each), wanted))
  if (!model) throw new GoogleError('NOT_FOUND', `Model ${source.tunedModelName} was not found.`)
  if (model.region !== region) throw wrongRegion(source.tunedModelName, [model.region], region)
  const checkpoint =
    source.checkpointId === undefined
      ? model.checkpoints.at(-1)
      : model.checkpoints.find(({ checkpointId }) => checkpointId === source.checkpointId)
  if (checkpoint) return { base: model.base, from: { model, checkpoint } }
  throw new GoogleError('INVALID_ARGUMENT', `The model has no checkpoint ${source.checkpointId}.`)
}

function tunableBase(name: string) {
  try {
    return baseModel(name)
  } catch {
    const ids = BASE_MODELS.map(({ id }) => id).join(', ')
    throw new GoogleError('INVALID_ARGUMENT', `Base model ${name} is not supported. Supported: ${ids}.`)
  }
}

function wrongRegion(what: string, allowed: readonly string[], region: string): GoogleError {
  return new GoogleError(
    'FAILED_PRECONDITION',
    `${what} cannot be tuned in ${region}; supported: ${allowed.join(', ')}.`,
  )
}

/** Names may carry the project's id or its number. */
const sameModel = (one: string, other: string): boolean =>
  one.replace(/^projects\/[^/]+/, '') === other.replace(/^projects\/[^/]+/, '')

function sizeOf(text: string | undefined): number {
  if (text === undefined || text === '0') return LARGEST_PAGE
  if (!/^\d+$/.test(text)) throw new GoogleError('INVALID_ARGUMENT', `Invalid value at 'page_size', ${text}`)
  return Math.min(Number(text), LARGEST_PAGE)
}

const tokenOf = (id: string): string => Buffer.from(`after:${id}`).toString('base64url')

function cursorIn(token: string): string {
  const [, id] = /^after:(\d+)$/.exec(Buffer.from(token, 'base64url').toString()) ?? []
  if (id === undefined) throw new GoogleError('INVALID_ARGUMENT', 'The page token is not valid.')
  return id
}
