/** `/v1/vertex_ai/endpoints/{id}:predict`, `:rawPredict`, `:streamRawPredict` */
import { Hono } from 'hono'
import type { PredictionVerb } from '../shared/providers/index.ts'
import { predict } from '../shared/serving/index.ts'
import { type AppEnv, jsonOnly } from './http.ts'

const VERBS: readonly PredictionVerb[] = ['predict', 'rawPredict', 'streamRawPredict']

export const predictions = new Hono<AppEnv>()

for (const verb of VERBS) {
  predictions.post(`/:target{[^/]+:${verb}}`, jsonOnly, async c => {
    const endpoint = c.req.param('target')?.slice(0, -verb.length - 1) ?? ''
    return predict(c.get('context'), 'vertex_ai', endpoint, verb, await c.req.raw.text())
  })
}
