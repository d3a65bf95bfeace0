/**
 * Vertex AI's tuning jobs: canonical submission → `POST …/tuningJobs`, and all that is done with a job after.
 * Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/tuning
 * @module
 */
import * as z from 'zod'
import { badRequest } from '../../openai/index.ts'
import type { Channel, JobSubmission, NativeJob, Provider, ProviderRequest, Settings } from '../provider.ts'
import { garbled } from './faults.ts'
import { aiplatformUrl, parseResource, placeOf, type Resource } from './hosts.ts'
import { dropped, readOptions, toHyperParameters, type VertexOptions } from './hyperparameters.ts'
import { JOB_LABEL_KEY, toLabel } from './labels.ts'
import { readExperiment } from './metrics.ts'
import { fromJob, type TuningJob, tuningJob, tuningJobList } from './native-job.ts'

const JSON_BODY = { 'content-type': 'application/json' }
/** Jobs of one page that Vertex gives at most. */
const LARGEST_PAGE = 100
/** Pages looked through for a label, should the filter not be obeyed. */
const MOST_PAGES = 200

/** What a job starts from. */
export type Source =
  | { baseModel: string }
  | { preTunedModel: { tunedModelName: string; checkpointId?: string } }

/** The body of `POST …/tuningJobs`. What was not asked for is left out. */
export const toBody = (job: Omit<JobSubmission, 'model'>, source: Source) => {
  const options = readOptions(job.options)
  const parameters = toHyperParameters(job.method, options)
  const spec = {
    trainingDatasetUri: job.trainingFile,
    ...(job.validationFile !== null && { validationDatasetUri: job.validationFile }),
    ...(parameters && { hyperParameters: parameters }),
    ...(options.export_last_checkpoint_only !== undefined && {
      exportLastCheckpointOnly: options.export_last_checkpoint_only,
    }),
  }
  return {
    ...source,
    // A preference is never quietly trained as an example.
    ...(job.method.type === 'dpo' ? { preferenceOptimizationSpec: spec } : { supervisedTuningSpec: spec }),
    ...(job.suffix !== null && { tunedModelDisplayName: job.suffix }),
    ...resourceOptions(options),
    labels: { ...options.labels, [JOB_LABEL_KEY]: toLabel(job.label) },
  }
}

const resourceOptions = ({ description, service_account, kms_key_name }: VertexOptions) => ({
  ...(description !== undefined && { description }),
  ...(service_account !== undefined && { serviceAccount: service_account }),
  ...(kms_key_name !== undefined && { encryptionSpec: { kmsKeyName: kms_key_name } }),
})

const endpoint = z.object({
  deployedModels: z
    .array(
      z.object({
        model: z.string(),
        modelVersionId: z.string().optional(),
        checkpointId: z.string().optional(),
      }),
    )
    .default([]),
})

/** A tuned model that is tuned further may be named by its own resource or by its endpoint. */
const sourceOf = async (channel: Channel, model: string, checkpoint: string | undefined): Promise<Source> => {
  const resource = parseResource(model)
  if (resource === undefined) {
    if (checkpoint !== undefined)
      throw badRequest('provider_options.vertex_ai.checkpoint_id', 'Only a tuned model has checkpoints.')
    return { baseModel: model.replace(/^publishers\/google\/models\//, '') }
  }
  if (resource.collection === 'models') return tuned(model, checkpoint)
  if (resource.collection !== 'endpoints')
    throw badRequest('model', `'${model}' is neither a model nor an endpoint.`)
  const { deployedModels } = await channel.read(endpoint, {
    method: 'GET',
    url: urlOf(channel.settings, resource),
    repeat: 'always',
  })
  const [deployed] = deployedModels
  if (!deployed)
    throw badRequest('model', `The endpoint '${model}' has no model that could be tuned further.`)
  const version = deployed.modelVersionId === undefined ? '' : `@${deployed.modelVersionId}`
  return tuned(`${deployed.model.replace(/@.*$/, '')}${version}`, checkpoint ?? deployed.checkpointId)
}

const tuned = (tunedModelName: string, checkpointId: string | undefined): Source => ({
  preTunedModel: { tunedModelName, ...(checkpointId !== undefined && { checkpointId }) },
})

const urlOf = (settings: Settings, resource: Resource, verb?: string): URL =>
  aiplatformUrl(settings, resource, [resource.collection, resource.id], verb === undefined ? {} : { verb })

/** A job's full name, or its number in the connection's own place. */
const jobAt = (settings: Settings, id: string): Resource => {
  const resource = /^\d+$/.test(id)
    ? { ...placeOf(settings), collection: 'tuningJobs' as const, id }
    : parseResource(id)
  if (resource?.collection === 'tuningJobs') return resource
  throw badRequest('fine_tuning_job_id', `'${id}' names no tuning job.`)
}

/** A page of jobs, newest first. @param token that the page before gave */
export const toList = (
  settings: Settings,
  { limit, token, filter }: { limit: number; token?: string | undefined; filter?: string },
): ProviderRequest => ({
  method: 'GET',
  url: aiplatformUrl(settings, placeOf(settings), ['tuningJobs'], {
    query: { pageSize: Math.min(limit, LARGEST_PAGE), pageToken: token, filter },
  }),
  repeat: 'always',
})

const read = (channel: Channel, id: string): Promise<TuningJob> =>
  channel.read(tuningJob, {
    method: 'GET',
    url: urlOf(channel.settings, jobAt(channel.settings, id)),
    repeat: 'always',
  })

const get = async (channel: Channel, id: string): Promise<NativeJob> => fromJob(await read(channel, id))

export const jobs: Provider['jobs'] = {
  check: dropped,
  async create(channel, { model, ...job }) {
    const source = await sourceOf(channel, model, readOptions(job.options).checkpoint_id)
    const created = await channel.read(tuningJob, {
      method: 'POST',
      url: aiplatformUrl(channel.settings, placeOf(channel.settings), ['tuningJobs']),
      headers: JSON_BODY,
      body: JSON.stringify(toBody(job, source)),
      repeat: 'if-refused',
    })
    return fromJob(created)
  },
  async find(channel, label) {
    const value = toLabel(label)
    const filter = `labels.${JOB_LABEL_KEY}="${value}"`
    let token: string | undefined
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const request = toList(channel.settings, { limit: LARGEST_PAGE, token, filter })
      const { tuningJobs, nextPageToken } = await channel.read(tuningJobList, request)
      // No page of Google's promises that tuning jobs are filtered by label: what comes back is looked at.
      const found = tuningJobs.find(({ labels }) => labels?.[JOB_LABEL_KEY] === value)
      if (found) return fromJob(found)
      if (!nextPageToken) return undefined
      token = nextPageToken
    }
    // Too many jobs to look through: not the same as there being none.
    throw garbled()
  },
  get,
  paging: 'token',
  async list(channel, { after, limit }) {
    const { tuningJobs, nextPageToken } = await channel.read(
      tuningJobList,
      toList(channel.settings, { limit, token: after }),
    )
    return {
      items: tuningJobs.map(fromJob),
      hasMore: Boolean(nextPageToken),
      ...(nextPageToken && { next: nextPageToken }),
    }
  },
  async cancel(channel, id) {
    await channel.call({
      method: 'POST',
      url: urlOf(channel.settings, jobAt(channel.settings, id), 'cancel'),
      headers: JSON_BODY,
      body: '{}',
      repeat: 'always',
    })
    // It is only asked for: what has become of the job, the job itself tells.
    return get(channel, id)
  },
  async metrics(channel, id) {
    const { experiment } = await read(channel, id)
    return experiment === undefined ? [] : readExperiment(channel, experiment)
  },
}
