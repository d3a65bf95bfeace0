/** `/v1/costs`: what has been spent, by day. */
import { Hono } from 'hono'
import { costsQuery } from '../shared/openai/index.ts'
import { costsPage } from '../shared/spending/index.ts'
import { type AppEnv, managerOf, query } from './http.ts'

export const costs = new Hono<AppEnv>().get('/', query(costsQuery), async c =>
  c.json(await costsPage(c.var.context, managerOf(c.var.owner), c.req.valid('query'))),
)
