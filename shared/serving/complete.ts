/**
 * Chat completions: the way through to the provider, with honest ends.
 * @module
 */

import * as z from 'zod'
import type { Context } from '../context.ts'
import {
  ApiError,
  badRequest,
  check,
  guardEventStream,
  ROUTING_FIELDS,
  type Routing,
  routingFields,
} from '../openai/index.ts'
import { type ChatBody, type ChatRequest, ProviderFault, toAnswerError } from '../providers/index.ts'
import { resolveModel } from './names.ts'
import { noSuchModel } from './registry.ts'

/** The gateway's own fields, and the few of OpenAI's it needs to know. The rest is the provider's to judge. */
const known = z.looseObject({
  model: z.string().min(1).max(256),
  messages: z.array(z.looseObject({ role: z.string() })).min(1),
  stream: z.boolean().nullish(),
  ...routingFields,
})

/** Headers of a provider that mean something to the caller. */
const PASSED_HEADERS = /^(content-type|openai-(model|processing-ms|version)|retry-after|x-ratelimit-.+)$/

const passedHeaders = (headers: Headers): Headers => {
  const passed = new Headers()
  for (const [name, value] of headers) if (PASSED_HEADERS.test(name)) passed.set(name, value)
  return passed
}

const parseBody = (text: string): ChatBody & Routing => {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw badRequest(null, 'The body is not valid JSON.', 'invalid_json')
  }
  return check(known, body)
}

/** The request as the provider is to get it: the same text unless a field of ours is in it or the name differs. */
const toChatRequest = (text: string, body: ChatBody, model: string): ChatRequest => {
  const dropParams = body.drop_params === true
  if (body.model === model && !ROUTING_FIELDS.some(field => field in body)) return { text, body, dropParams }
  const sent: ChatBody = { ...body, model }
  for (const field of ROUTING_FIELDS) delete sent[field]
  return { text: JSON.stringify(sent), body: sent, dropParams }
}

const isJson = (bytes: Uint8Array): boolean => {
  try {
    JSON.parse(new TextDecoder().decode(bytes))
    return true
  } catch {
    return false
  }
}

/**
 * Answers a chat completion (`POST /v1/chat/completions`), plain or streamed, byte for byte as the provider gives it.
 * @param text the request's JSON body
 */
export const complete = async (context: Context, owner: string, text: string): Promise<Response> => {
  const body = parseBody(text)
  const wish: Routing = { ...context.credentials, ...body }
  const { connection, model } = await resolveModel(context, owner, body.model, wish)
  const { provider, channel } = connection
  const request = toChatRequest(text, body, model)
  // A tune that never was is answered like someone else's.
  const rethrow = (error: unknown): never => {
    const isUnknown = error instanceof ProviderFault && error.code === 'model_not_found'
    throw isUnknown && provider.models.isTuned(model) ? noSuchModel(model) : error
  }
  const invalid = (what: string) =>
    new ApiError({
      status: 502,
      code: 'provider_invalid_answer',
      message: `'${provider.id}' did not answer ${what}.`,
    })
  const answer = await provider.chat.complete(channel, request).catch(rethrow)
  const headers = passedHeaders(answer.headers)
  if (answer.kind === 'stream') {
    if (!/^text\/event-stream\b/i.test(answer.headers.get('content-type') ?? '')) {
      await answer.body.cancel()
      throw invalid('with an event stream')
    }
    const broken = (cause?: unknown) =>
      cause instanceof ProviderFault
        ? toAnswerError(cause)
        : new ApiError({
            status: 502,
            code: 'provider_stream_broken',
            message: `The answer of '${provider.id}' broke off before it was complete.`,
            cause,
          })
    return new Response(guardEventStream(answer.body, broken), { headers })
  }
  if (!isJson(answer.bytes)) throw invalid('JSON')
  return new Response(answer.bytes, { headers })
}
