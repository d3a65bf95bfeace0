/** `/chat/completions` */
import { type Context, type Handler, Hono } from 'hono'
import type { Streams } from '../streams.ts'
import { readJson } from './body.ts'
import { type ChatRequest, chatRequest } from './chat-schema.ts'
import { complete, type Extras, wireCompletion } from './completion.ts'
import { ApiError, check } from './errors.ts'
import type { Callable, Models } from './models.ts'
import { eventsOf } from './stream.ts'

export interface ChatService {
  streams: Streams
  /** The request's body, before it is checked. */
  body?: (context: Context) => Promise<unknown>
  /**
   * Who answers.
   *
   * @throws {ApiError} 404
   */
  find: (request: ChatRequest, context: Context) => Callable
  extras?: Extras
}

export function chatHandler({ streams, body = readJson, find, extras = {} }: ChatService): Handler {
  return async context => {
    const request = check(chatRequest, await body(context))
    const completion = complete(request, find(request, context))
    if (!request.stream) return context.json(wireCompletion(completion, extras))
    const events = eventsOf(completion, request.stream_options?.include_usage ?? false, extras)
    return context.body(streams.open(completion.id, completion.model, events), 200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // Keeps the server from collecting the first events into one write.
      'transfer-encoding': 'chunked',
    })
  }
}

export function chatRoutes(models: Models, streams: Streams): Hono {
  const find = ({ model: name }: ChatRequest): Callable => {
    const found = models.find(name)
    if (found) return found
    throw new ApiError(404, `The model \`${name}\` does not exist or you do not have access to it.`, {
      param: 'model',
      code: 'model_not_found',
    })
  }
  return new Hono().post('/', chatHandler({ streams, find }))
}
