/** `/v1/fine_tuning/estimates`: a job's body, asked for its price. */
import { Hono } from 'hono'
import { jobRequest } from '../shared/openai/index.ts'
import { estimateJob } from '../shared/training/index.ts'
import { type AppEnv, json, jsonOnly } from './http.ts'
import { once } from './idempotency.ts'

export const estimates = new Hono<AppEnv>().post('/', jsonOnly, json(jobRequest), once(), async c =>
  c.json(await estimateJob(c.var.context, c.var.owner, c.req.valid('json'))),
)
