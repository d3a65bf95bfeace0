/** `/_sandbox/google`: the same strings for Google's side. */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import * as z from 'zod'
import type { Google } from './app.ts'
import { STATUS, type StatusName } from './errors.ts'

const settings = z.strictObject({ tokenLifeSeconds: z.number().min(0).optional() })

const mishap = z.strictObject({
  afterChunks: z.int().min(0).default(1),
  status: z.enum(Object.keys(STATUS) as [StatusName, ...StatusName[]]).default('UNAVAILABLE'),
  message: z.string().default('The service is currently unavailable.'),
})

/** Where things are, what is there, how long tokens live, and a stream that breaks. */
export function googleControl(google: Google): Hono {
  const { access, tokens, bucket, resumables, jobs, registry } = google
  return new Hono()
    .get('/', context => context.json({ ...access, externalAccount: access.externalAccount() }))
    .get('/state', context =>
      context.json({
        objects: bucket.list().map(({ name, bytes, contentType }) => ({
          name,
          contentType,
          bytes: bytes.byteLength,
          sha256: createHash('sha256').update(bytes).digest('hex'),
        })),
        openUploads: resumables.open,
        jobs: Array.from(jobs.ledger, ({ job }) => ({
          id: job.id,
          state: job.state,
          tuningJobState: job.tuningState ?? null,
          labels: job.request.labels,
          steps: job.completed.steps,
        })),
        models: Array.from(registry.models, ({ id }) => id),
        endpoints: Array.from(registry.endpoints, ({ id }) => id),
      }),
    )
    .post('/settings', async context => {
      const { tokenLifeSeconds } = settings.parse(await context.req.json())
      if (tokenLifeSeconds !== undefined) tokens.lifeSeconds = tokenLifeSeconds
      return context.json({ tokenLifeSeconds: tokens.lifeSeconds })
    })
    .delete('/tokens', context => {
      tokens.revokeAll()
      return context.body(null, 204)
    })
    .post('/broken-stream', async context => {
      google.breakNextStream(mishap.parse(await context.req.json()))
      return context.body(null, 204)
    })
}
