/** Bedrock's runtime: everything below `/aws/bedrock-runtime`. */
import type { Context, Hono } from 'hono'
import { newId } from '../../ids.ts'
import type { Streams } from '../../streams.ts'
import type { Bedrock } from '../bedrock/app.ts'
import { check } from '../errors.ts'
import { jsonService, readJson, unknownOperation } from '../json-service.ts'
import type { Env } from '../raw-request.ts'
import { type Completion, complete } from './completion.ts'
import { checkConversation } from './conversation.ts'
import { converseRequest } from './converse-schema.ts'
import { EVENT_STREAM } from './event-stream.ts'
import { framesOf } from './stream.ts'
import { targetOf } from './targets.ts'

export function runtimeRoutes(bedrock: Bedrock, streams: Streams): Hono<Env> {
  const answer = async (context: Context<Env>, id: string, streamed: boolean): Promise<Completion> => {
    const target = targetOf(id, bedrock)
    const request = check(converseRequest, await readJson(context))
    checkConversation(request, target.base, streamed)
    return complete(request, target)
  }
  const clock = () => {
    const start = performance.now()
    return () => Math.max(1, Math.round(performance.now() - start))
  }

  const app = jsonService()
  app.post('/model/:id/converse', async context => {
    const latencyMs = clock()
    const { content, stopReason, usage } = await answer(context, context.req.param('id'), false)
    const output = { message: { role: 'assistant', content } }
    return context.json({ output, stopReason, usage, metrics: { latencyMs: latencyMs() } })
  })
  app.post('/model/:id/converse-stream', async context => {
    const latencyMs = clock()
    const id = context.req.param('id')
    const completion = await answer(context, id, true)
    return context.body(streams.open(newId('stream-'), id, framesOf(completion, latencyMs)), 200, {
      'content-type': EVENT_STREAM,
      // Keeps the server from collecting the first frames into one write.
      'transfer-encoding': 'chunked',
    })
  })
  app.all('*', unknownOperation)
  return app
}
