/** `/_sandbox`: the strings that a test in another process can pull. */
import { Hono } from 'hono'
import * as z from 'zod'
import { type Faults, faultSchema } from './faults.ts'
import type { OpenAI } from './openai/app.ts'
import { storedFile } from './openai/files.ts'
import type { Recorder } from './recorder.ts'
import type { Streams } from './streams.ts'
import type { Tempo } from './tempo.ts'

export interface Controlled {
  faults: Faults
  recorder: Recorder
  streams: Streams
  tempo: Tempo
  openai: OpenAI
  reset: () => void
}

const settings = z.strictObject({
  stepMs: z.number().min(0).optional(),
  chunkMs: z.number().min(0).optional(),
})

export function controlRoutes({ faults, recorder, streams, tempo, openai, reset }: Controlled): Hono {
  const app = new Hono()
  app.onError((error, context) =>
    context.json(
      { error: error.message },
      error instanceof z.ZodError || error instanceof SyntaxError ? 400 : 500,
    ),
  )
  return app
    .post('/faults', async context => {
      faults.add(faultSchema.parse(await context.req.json()))
      return context.body(null, 204)
    })
    .delete('/faults', context => {
      faults.clear()
      return context.body(null, 204)
    })
    .get('/requests', context => context.json(recorder.requests))
    .delete('/requests', context => {
      recorder.clear()
      return context.body(null, 204)
    })
    .post('/settings', async context => {
      const { stepMs, chunkMs } = settings.parse(await context.req.json())
      tempo.change({ ...(stepMs !== undefined && { stepMs }), ...(chunkMs !== undefined && { chunkMs }) })
      return context.json(tempo.settings)
    })
    .post('/reset', context => {
      reset()
      return context.body(null, 204)
    })
    .get('/state', context => context.json(stateOf(openai, streams)))
}

function stateOf({ files, uploads, jobs, models }: OpenAI, streams: Streams) {
  return {
    files: {
      count: files.ledger.size,
      items: Array.from(files.ledger, storedFile),
    },
    openUploads: uploads.open,
    jobs: {
      count: jobs.ledger.size,
      items: Array.from(jobs.ledger, ({ job }) => ({
        id: job.id,
        status: job.status,
        model: job.base.id,
        metadata: job.request.metadata ?? {},
        step: job.progress?.step ?? 0,
      })),
    },
    models: { count: models.fineTunes.size, items: Array.from(models.fineTunes, ({ id }) => id) },
    streams: { open: streams.records.filter(({ open }) => open).length, items: streams.records },
  }
}
