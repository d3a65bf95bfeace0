/** `/models`: base models and succeeded tunes, whether deployed or not. */
import { Hono } from 'hono'
import { notFound } from '../openai/errors.ts'
import type { Job } from '../openai/job.ts'
import { BASE_MODELS, type BaseModel } from '../openai/models.ts'
import type { Account } from './account.ts'

/** Azure's dates, seconds since 1970: later than OpenAI's for the same models. */
const TRAINING_ENDS = Date.UTC(2027, 3, 1) / 1000
const INFERENCE_ENDS = Date.UTC(2027, 9, 1) / 1000

const wireModel = (id: string, created: number, canTune: boolean) => ({
  object: 'model',
  id,
  created,
  created_at: created,
  owned_by: 'system',
  status: 'succeeded',
  capabilities: {
    fine_tune: canTune,
    inference: true,
    completion: false,
    chat_completion: true,
    embeddings: false,
  },
  lifecycle_status: 'generally-available',
})

const wireBase = ({ id, created }: BaseModel) => ({
  ...wireModel(id, created, true),
  deprecation: { fine_tune: TRAINING_ENDS, inference: INFERENCE_ENDS },
})

const wireFineTune = (id: string, { id: jobId, base, finishedAt }: Job) => ({
  ...wireModel(id, finishedAt ?? 0, true),
  model: base.id,
  fine_tune: jobId,
  deprecation: { inference: INFERENCE_ENDS },
})

export function azureModelRoutes({ jobs }: Account): Hono {
  const all = () => [
    ...BASE_MODELS.map(wireBase),
    ...Array.from(jobs.ledger).flatMap(({ job }) =>
      job.fineTunedModel === null ? [] : [wireFineTune(job.fineTunedModel, job)],
    ),
  ]
  return new Hono()
    .get('/', context => context.json({ object: 'list', data: all() }))
    .get('/:model', context => {
      const model = all().find(({ id }) => id === context.req.param('model'))
      if (!model) throw notFound(`There is no model '${context.req.param('model')}'.`, 'model')
      return context.json(model)
    })
}
