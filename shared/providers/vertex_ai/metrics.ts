/**
 * How a tuning job learns: Vertex writes it to a TensorBoard, which the job's experiment names.
 *
 * Sources: the resources of https://cloud.google.com/vertex-ai/docs/reference/rest (contexts, TensorBoard runs and time series); names of
 * the series: "Model tuning metrics" of Google's page on supervised tuning; that an experiment's context names its TensorBoard under
 * `backing_tensorboard_resource`, and its runs lie in the TensorBoard's experiment of the same id: Google's own Python SDK.
 * @module
 */
import * as z from 'zod'
import type { Channel, NativeMetric } from '../provider.ts'
import { aiplatformUrl, type Place, parsePlace } from './hosts.ts'

/** Vertex's names of what OpenAI measures, too. Others are left out. */
const SERIES: Readonly<Record<string, string>> = {
  '/train_total_loss': 'train_loss',
  '/train_fraction_of_correct_next_step_preds': 'train_mean_token_accuracy',
  '/preference_optimization_train_loss': 'train_loss',
  '/eval_total_loss': 'valid_loss',
  '/eval_fraction_of_correct_next_step_preds': 'valid_mean_token_accuracy',
}

/** A tuning job has one run; should it have more, so many are read. */
const MOST_RUNS = 4
/** Points of one series that are asked for; of longer ones Vertex gives samples. */
const MOST_POINTS = 10_000

const context = z.object({
  metadata: z.object({ backing_tensorboard_resource: z.string().optional() }).default({}),
})
const runs = z.object({ tensorboardRuns: z.array(z.object({ name: z.string() })).default([]) })
const series = z.object({
  tensorboardTimeSeries: z.array(z.object({ name: z.string(), displayName: z.string() })).default([]),
})
const points = z.object({
  timeSeriesData: z
    .object({
      values: z
        .array(
          z.object({
            // 64-bit integers are strings; what is 0 is left out.
            step: z.coerce.number().default(0),
            scalar: z.object({ value: z.number().default(0) }).optional(),
          }),
        )
        .default([]),
    })
    .default({ values: [] }),
})

const read = <T>(
  channel: Channel,
  schema: z.ZodType<T>,
  place: Place,
  segments: readonly string[],
  how: { verb?: string; query?: { maxDataPoints: number } } = {},
): Promise<T> =>
  channel.read(schema, {
    method: 'GET',
    url: aiplatformUrl(channel.settings, place, segments, how),
    repeat: 'always',
  })

/**
 * Every value of the series known to OpenAI, step by step.
 * @param experiment the job's: a metadata context's full name
 * @returns nothing where there is no TensorBoard behind it
 */
export const readExperiment = async (channel: Channel, experiment: string): Promise<NativeMetric[]> => {
  const at = parsePlace(experiment)
  const id = at?.segments.at(-1)
  if (!at || id === undefined) return []
  const { metadata } = await read(channel, context, at, at.segments)
  const board = parsePlace(metadata.backing_tensorboard_resource ?? '')
  if (!board) return []
  const { tensorboardRuns } = await read(channel, runs, board, [...board.segments, 'experiments', id, 'runs'])
  const found: NativeMetric[] = []
  for (const { name } of tensorboardRuns.slice(0, MOST_RUNS)) {
    const run = parsePlace(name)
    if (!run) continue
    const { tensorboardTimeSeries } = await read(channel, series, run, [...run.segments, 'timeSeries'])
    for (const { name: full, displayName } of tensorboardTimeSeries) {
      const metric = Object.hasOwn(SERIES, displayName) ? SERIES[displayName] : undefined
      const place = parsePlace(full)
      if (metric === undefined || !place) continue
      const { timeSeriesData } = await read(channel, points, place, place.segments, {
        verb: 'read',
        query: { maxDataPoints: MOST_POINTS },
      })
      for (const { step, scalar } of timeSeriesData.values)
        if (scalar) found.push({ step, [metric]: scalar.value })
    }
  }
  return found
}
