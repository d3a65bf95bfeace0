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
import { ProviderFault } from '../providers/index.ts'
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

const parseBody = (text: string): Record<string, unknown> => {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw badRequest(null, 'The body is not valid JSON.', 'invalid_json')
  }
  return check(known, body)
}

/** The body as the provider is to get it: the same bytes unless a field of ours is in it or the name differs. */
const forward = (text: string, body: Record<string, unknown>, model: string): string => {
  if (body.model === model && !ROUTING_FIELDS.some(field => field in body)) return text
  const sent: Record<string, unknown> = { ...body, model }
  for (const field of ROUTING_FIELDS) delete sent[field]
  return JSON.stringify(sent)
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
  const { connection, model } = await resolveModel(context, owner, String(body.model), wish)
  const { provider, channel } = connection
  const request = provider.chat.request(channel.settings, forward(text, body, model))
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
  if (body.stream === true) {
    const { status, headers, body: stream } = await channel.open(request).catch(rethrow)
    if (!/^text\/event-stream\b/i.test(headers.get('content-type') ?? '')) {
      await stream.cancel()
      throw invalid('with an event stream')
    }
    const broken = (cause?: unknown) =>
      new ApiError({
        status: 502,
        code: 'provider_stream_broken',
        message: `The answer of '${provider.id}' broke off before it was complete.`,
        cause,
      })
    return new Response(guardEventStream(stream, broken), { status, headers: passedHeaders(headers) })
  }
  const { status, headers, bytes } = await channel.call(request).catch(rethrow)
  if (!isJson(bytes)) throw invalid('JSON')
  return new Response(bytes, { status, headers: passedHeaders(headers) })
}
