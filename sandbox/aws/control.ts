/** `/_sandbox/aws`: what a test in another process needs to know, and can change. */
import { Hono } from 'hono'
import * as z from 'zod'
import { accessAt } from './account.ts'
import type { Aws } from './app.ts'

const lifecycleChange = z.strictObject({ modelId: z.string(), status: z.enum(['ACTIVE', 'LEGACY']) })

export function awsControl({ bedrock }: Aws): Hono {
  return new Hono()
    .get('/', context => context.json(accessAt(new URL(context.req.url).origin)))
    .post('/lifecycle', async context => {
      const change = lifecycleChange.safeParse(await context.req.json().catch(() => undefined))
      if (!change.success) return context.json({ error: change.error.message }, 400)
      const { modelId, status } = change.data
      if (!bedrock.lifecycles.change(modelId, status)) return context.json({ error: 'unknown model' }, 404)
      return context.body(null, 204)
    })
}
