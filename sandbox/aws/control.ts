/** `/_sandbox/aws`: what a test in another process needs to know, and can change. */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import * as z from 'zod'
import { accessAt } from './account.ts'
import type { Aws } from './app.ts'

const lifecycleChange = z.strictObject({ modelId: z.string(), status: z.enum(['ACTIVE', 'LEGACY']) })

export function awsControl({ bedrock, store }: Aws): Hono {
  return new Hono()
    .get('/', context => context.json(accessAt(new URL(context.req.url).origin)))
    .get('/state', context =>
      context.json({
        objects: store.buckets.flatMap(bucket =>
          Array.from(store.bucket(bucket)?.values() ?? [], ({ key, bytes }) => ({
            id: `s3://${bucket}/${key}`,
            bytes: bytes.byteLength,
            sha256: createHash('sha256').update(bytes).digest('hex'),
          })),
        ),
        openUploads: store.uploads.size,
      }),
    )
    .post('/lifecycle', async context => {
      const change = lifecycleChange.safeParse(await context.req.json().catch(() => undefined))
      if (!change.success) return context.json({ error: change.error.message }, 400)
      const { modelId, status } = change.data
      if (!bedrock.lifecycles.change(modelId, status)) return context.json({ error: 'unknown model' }, 404)
      return context.body(null, 204)
    })
}
