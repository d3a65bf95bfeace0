/** `/v1/chat/completions` */
import { Hono } from 'hono'
import { complete } from '../shared/serving/index.ts'
import { type AppEnv, jsonOnly } from './http.ts'

export const completions = new Hono<AppEnv>().post('/', jsonOnly, async c => {
  const answer = await complete(c.var.context, c.var.owner, await c.req.text())
  answer.headers.set('x-request-id', c.var.requestId)
  return answer
})
