/** `/v1/models`. A model's name may hold slashes and colons. */
import { Hono } from 'hono'
import { deleteModel, getModel, listModels } from '../shared/serving/index.ts'
import type { AppEnv } from './http.ts'

export const models = new Hono<AppEnv>()
  .get('/', async c =>
    c.json({ object: 'list' as const, data: await listModels(c.var.context, c.var.owner) }),
  )
  .get('/:model{.+}', async c => c.json(await getModel(c.var.context, c.var.owner, c.req.param('model'))))
  .delete('/:model{.+}', async c => {
    const id = c.req.param('model')
    await deleteModel(c.var.context, c.var.owner, id)
    return c.json({ id, object: 'model' as const, deleted: true })
  })
