/** `…/metadataStores/default/contexts` and `…/tensorboards`: how a tuning job learns, as Vertex keeps it. */
import { type Context, Hono } from 'hono'
import { GoogleError } from '../errors.ts'
import { placeName } from './models.ts'
import { type StepMetrics, TENSORBOARD, type TuningJob } from './tuning-job.ts'
import type { TuningJobs } from './tuning-routes.ts'

type Reading = (metrics: StepMetrics) => number | undefined

/** The names are those of Google's page on supervised tuning. */
const SUPERVISED: Readonly<Record<string, Reading>> = {
  '/train_total_loss': ({ train }) => train.loss,
  '/train_fraction_of_correct_next_step_preds': ({ train }) => train.accuracy,
  '/train_num_predictions': ({ examples }) => examples,
  '/eval_total_loss': ({ valid }) => valid?.loss,
  '/eval_fraction_of_correct_next_step_preds': ({ valid }) => valid?.accuracy,
}
const PREFERENCE: Readonly<Record<string, Reading>> = {
  '/preference_optimization_train_loss': ({ train }) => train.loss,
  '/eval_total_loss': ({ valid }) => valid?.loss,
}

const seriesOf = ({ request: { spec } }: TuningJob) =>
  Object.entries(spec.method === 'preference' ? PREFERENCE : SUPERVISED)

const notFound = (what: string) => new GoogleError('NOT_FOUND', `${what} was not found.`)

const RUN = 'tuning-run'

/** Mounted below `/{version}/projects/{project}/locations/{location}`. */
export function experimentRoutes(jobs: TuningJobs): Hono {
  const jobOf = (context: Context): TuningJob => {
    const experiment = context.req.param('experiment') ?? ''
    const job = jobs.ledger.get(experiment.replace(/^tuning-experiment-/, ''))?.job
    const isOther =
      context.req.param('tensorboard') !== undefined && context.req.param('tensorboard') !== TENSORBOARD
    if (!job?.startedAt || job.region !== context.req.param('location') || isOther)
      throw notFound(`Experiment ${experiment}`)
    return job
  }
  const runName = (job: TuningJob) =>
    `${placeName(job.region)}/tensorboards/${TENSORBOARD}/experiments/tuning-experiment-${job.id}/runs/${RUN}`
  const runs = '/tensorboards/:tensorboard/experiments/:experiment/runs'

  return new Hono()
    .get('/metadataStores/default/contexts/:experiment', context => {
      const job = jobOf(context)
      return context.json({
        name: `${placeName(job.region)}/metadataStores/default/contexts/tuning-experiment-${job.id}`,
        schemaTitle: 'system.Experiment',
        schemaVersion: '0.0.1',
        metadata: {
          experiment_deleted: false,
          backing_tensorboard_resource: `${placeName(job.region)}/tensorboards/${TENSORBOARD}`,
        },
      })
    })
    .get(runs, context =>
      context.json({ tensorboardRuns: [{ name: runName(jobOf(context)), displayName: RUN }] }),
    )
    .get(`${runs}/${RUN}/timeSeries`, context => {
      const job = jobOf(context)
      return context.json({
        tensorboardTimeSeries: seriesOf(job).map(([displayName], index) => ({
          name: `${runName(job)}/timeSeries/${index + 1}`,
          displayName,
          valueType: 'SCALAR',
        })),
      })
    })
    .get(`${runs}/${RUN}/timeSeries/:call`, context => {
      const job = jobOf(context)
      const [, index, verb] = /^(\d+):(\w+)$/.exec(context.req.param('call') ?? '') ?? []
      const [, reading] = seriesOf(job)[Number(index) - 1] ?? []
      if (verb !== 'read' || !reading) throw notFound('The time series')
      return context.json({
        timeSeriesData: {
          tensorboardTimeSeriesId: index,
          valueType: 'SCALAR',
          values: job.metrics.flatMap(metrics => {
            const value = reading(metrics)
            return value === undefined ? [] : [{ step: String(metrics.step), scalar: { value } }]
          }),
        },
      })
    })
}
