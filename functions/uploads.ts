/** `/v1/uploads` */
import { type Context, Hono } from 'hono'
import { addPart, cancelUpload, completeUpload, createUpload, getUpload } from '../shared/datasets/index.ts'
import { completeUploadRequest, uploadRequest } from '../shared/openai/index.ts'
import { type AppEnv, json, jsonOnly } from './http.ts'
import { once } from './idempotency.ts'

/** A client that leaves must not leave something half done: the work goes on without it, or clears up. */
const toItsEnd = <T>(c: Context<AppEnv>, work: Promise<T>): Promise<T> => {
  c.var.context.platform.defer(work.catch(() => undefined))
  return work
}

/** URLs to the bucket come to an end, and open it to whoever has them: they are told anew. */
const isLasting = ({ body }: { body: string }): boolean => !('tunegate' in JSON.parse(body))

export const uploads = new Hono<AppEnv>()
  .post('/', jsonOnly, json(uploadRequest), once({ mayKeep: isLasting }), async c =>
    c.json(await createUpload(c.var.context, c.var.owner, c.req.valid('json'))),
  )
  .get('/:id', async c => c.json(await getUpload(c.var.context, c.var.owner, c.req.param('id'))))
  .post('/:id/parts', once({ isForm: true }), async c => {
    const { context, owner, form } = c.var
    const work = addPart(context.detached(), owner, c.req.param('id'), c.req.raw, form)
    return c.json(await toItsEnd(c, work))
  })
  .post('/:id/complete', jsonOnly, json(completeUploadRequest), once(), async c => {
    const { context, owner } = c.var
    const work = completeUpload(context.detached(), owner, c.req.param('id'), c.req.valid('json'))
    return c.json(await toItsEnd(c, work))
  })
  .post('/:id/cancel', async c => {
    const { context, owner } = c.var
    return c.json(await toItsEnd(c, cancelUpload(context.detached(), owner, c.req.param('id'))))
  })
