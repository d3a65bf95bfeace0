/** `/v1/fine_tuning/compare` */
import { Hono } from 'hono'
import { compareQuery } from '../shared/openai/index.ts'
import { compareJobs } from '../shared/training/index.ts'
import { type AppEnv, query } from './http.ts'

export const compare = new Hono<AppEnv>().get('/', query(compareQuery), async c =>
  c.json(await compareJobs(c.var.context, c.var.owner, c.req.valid('query').jobs)),
)
