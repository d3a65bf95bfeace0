/** `/v1/fine_tuning/suggestions` */
import { Hono } from 'hono'
import { suggestionsQuery } from '../shared/openai/index.ts'
import { suggest } from '../shared/training/index.ts'
import { type AppEnv, query } from './http.ts'

export const suggestions = new Hono<AppEnv>().get('/', query(suggestionsQuery), async c =>
  c.json(await suggest(c.var.context, c.var.owner, c.req.valid('query'))),
)
