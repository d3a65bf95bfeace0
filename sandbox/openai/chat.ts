/** `/chat/completions` */
import { Hono } from 'hono'
import type { Streams } from '../streams.ts'
import { readJson } from './body.ts'
import { chatRequest } from './chat-schema.ts'
import { complete, wireCompletion } from './completion.ts'
import { ApiError, check } from './errors.ts'
import type { Models } from './models.ts'
import { eventsOf } from './stream.ts'

export function chatRoutes(models: Models, streams: Streams): Hono {
  return new Hono().post('/', async context => {
    const request = check(chatRequest, await readJson(context))
    const model = models.find(request.model)
    if (!model) {
      throw new ApiError(
        404,
        `The model \`${request.model}\` does not exist or you do not have access to it.`,
        {
          param: 'model',
          code: 'model_not_found',
        },
      )
    }
    const completion = complete(request, model)
    if (!request.stream) return context.json(wireCompletion(completion))
    const events = eventsOf(completion, request.stream_options?.include_usage ?? false)
    return context.body(streams.open(completion.id, completion.model, events), 200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // Keeps the server from collecting the first events into one write.
      'transfer-encoding': 'chunked',
    })
  })
}
