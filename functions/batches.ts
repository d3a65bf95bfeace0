/** `/v1/fine_tuning/batches` */
import { Hono } from 'hono'
import { batchesQuery, batchRequest, list } from '../shared/openai/index.ts'
import { cancelBatch, createBatch, getBatch, listBatches, summariseBatch } from '../shared/training/index.ts'
import { type AppEnv, json, jsonOnly, query } from './http.ts'
import { once } from './idempotency.ts'

export const batches = new Hono<AppEnv>()
  .post('/', jsonOnly, json(batchRequest), once(), async c =>
    c.json(await createBatch(c.var.context, c.var.owner, c.req.valid('json'))),
  )
  .get('/', query(batchesQuery), async c => {
    const { items, hasMore } = await listBatches(c.var.context, c.var.owner, c.req.valid('query'))
    return c.json(list(items, hasMore))
  })
  .get('/:id', async c => c.json(await getBatch(c.var.context, c.var.owner, c.req.param('id'))))
  .get('/:id/summary', async c => c.json(await summariseBatch(c.var.context, c.var.owner, c.req.param('id'))))
  .post('/:id/cancel', async c => c.json(await cancelBatch(c.var.context, c.var.owner, c.req.param('id'))))
