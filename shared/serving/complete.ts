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
  endsDone,
  errorEvent,
  guardEventStream,
  ROUTING_FIELDS,
  type Routing,
  routingFields,
} from '../openai/index.ts'
import { type ChatBody, type ChatRequest, ProviderFault, toAnswerError } from '../providers/index.ts'
import { callableName } from './deployments.ts'
import { DROPPED_HEADER, droppedList } from './dropped.ts'
import { resolveModel } from './names.ts'
import { noSuchModel } from './registry.ts'
import { knownWay, rememberWay, type Way } from './ways.ts'

const isMessages = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every(message => typeof message?.role === 'string')

/** Characters. */
const LONGEST_MODEL = 256

const roles = z.array(z.looseObject({ role: z.string() })).min(1)

/** Looked at, not copied: conversations are long. Only what is wrong is looked at closely, to name its place. */
const messages = z.custom<Record<string, unknown>[]>().superRefine((value, context) => {
  if (isMessages(value)) return
  for (const { path, message } of roles.safeParse(value).error?.issues ?? [])
    context.addIssue({ code: 'custom', path, message })
})

const OWN_FIELDS: ReadonlySet<string> = new Set(ROUTING_FIELDS)

/** The gateway's own fields, and the few of OpenAI's it needs to know. The rest is the provider's to judge. */
const known = z.looseObject({
  model: z.string().min(1).max(LONGEST_MODEL),
  messages,
  stream: z.boolean().nullish(),
  ...routingFields,
})

/** Headers of a provider that mean something to the caller. Asked for by name: matching all of them costs more. */
export const PASSED_HEADERS: readonly string[] = [
  'content-type',
  'openai-processing-ms',
  'openai-version',
  'retry-after',
  ...['limit', 'remaining', 'reset'].flatMap(what => [
    `x-ratelimit-${what}-requests`,
    `x-ratelimit-${what}-tokens`,
  ]),
]

const passedHeaders = (headers: Headers, own: Readonly<Record<string, string>>): Record<string, string> => {
  const passed = { ...own }
  for (const name of PASSED_HEADERS) {
    const value = headers.get(name)
    if (value !== null) passed[name] = value
  }
  return passed
}

/** What a body says of where it wants to go: nothing, mostly. */
const NOWHERE: Routing = {}

interface Parsed {
  text: string
  body: ChatBody
  /** Fields of the gateway's own. */
  routing: Routing
}

const parseBody = (text: string): Parsed => {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw badRequest(null, 'The body is not valid JSON.', 'invalid_json')
  }
  if (isPlain(body)) return { text, body, routing: NOWHERE }
  const checked = check(known, body)
  return { text, body: checked, routing: checked }
}

/**
 * Whether a body passes {@link known} and holds none of the gateway's own fields. Most do, and the schema itself costs as much
 * as all the rest of a completion's way.
 */
const isPlain = (body: unknown): body is ChatBody => {
  if (typeof body !== 'object' || body === null) return false
  const { model, messages, stream } = body as Record<string, unknown>
  for (const field in body) if (OWN_FIELDS.has(field)) return false
  return (
    typeof model === 'string' &&
    model.length > 0 &&
    model.length <= LONGEST_MODEL &&
    (stream === undefined || stream === null || typeof stream === 'boolean') &&
    isMessages(messages)
  )
}

/** The request as the provider is to get it: the same text unless a field of ours is in it or the name differs. */
const toChatRequest = ({ text, body, routing }: Parsed, model: string, isTune: boolean): ChatRequest => {
  const dropParams = routing.drop_params === true
  if (body.model === model && routing === NOWHERE) return { text, body, dropParams, isTune }
  const sent: ChatBody = { ...body, model }
  for (const field of ROUTING_FIELDS) delete sent[field]
  return { text: JSON.stringify(sent), body: sent, dropParams, isTune }
}

const OPEN = 0x7b
const CLOSE = 0x7d
const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Whether an answer that came whole looks like the object it is to be. Parsing it would cost as much as passing it on. */
const isObject = (bytes: Uint8Array): boolean => {
  let [start, end] = [0, bytes.length - 1]
  while (isSpace(bytes[start])) start++
  while (isSpace(bytes[end])) end--
  return bytes[start] === OPEN && bytes[end] === CLOSE
}

/** Where a request wants to go; its body goes before its headers. */
const wishOf = ({ credentials }: Context, routing: Routing): Routing =>
  credentials ? { ...credentials, ...routing } : routing

/** Finds where a request goes. An ordinary one may have shown the next one the way. */
const findWay = async (
  context: Context,
  owner: string,
  parsed: Parsed,
  wish: Routing,
  isOrdinary: boolean,
): Promise<Omit<Way, 'admitted'>> => {
  const { connection, model: native, tuned } = await resolveModel(context, owner, parsed.body.model, wish)
  const model = tuned ? await callableName(context, tuned, connection) : native
  const { provider, channel } = connection
  if (isOrdinary && model === parsed.body.model) rememberWay(context, model, connection)
  const request = toChatRequest(parsed, model, tuned !== undefined)
  return { provider, model, send: () => provider.chat.complete(channel, request) }
}

/**
 * Answers a chat completion (`POST /v1/chat/completions`), plain or streamed, byte for byte as the provider gives it.
 * @param text the request's JSON body
 * @param ownHeaders of the answer, beside those of the provider that are passed on
 */
export const complete = async (
  context: Context,
  owner: string,
  text: string,
  ownHeaders: Readonly<Record<string, string>> = {},
): Promise<Response> => {
  const parsed = parseBody(text)
  const wish = wishOf(context, parsed.routing)
  const isOrdinary = wish === NOWHERE && context.provider === undefined
  const known = isOrdinary ? knownWay(context, owner, parsed.body.model) : undefined
  const { provider, model, send } = known ?? (await findWay(context, owner, parsed, wish, isOrdinary))
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
  const answer = await send(context, parsed).catch(rethrow)
  const headers = passedHeaders(answer.headers, ownHeaders)
  if (answer.dropped?.length) headers[DROPPED_HEADER] = droppedList(answer.dropped)
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
    const stream = answer.isRaw
      ? context.platform.relay(answer.body, (tail, fault) =>
          endsDone(tail) ? undefined : errorEvent(broken(fault?.cause)),
        )
      : guardEventStream(answer.body, broken)
    return new Response(stream, { headers })
  }
  if (!isObject(answer.bytes)) throw invalid('JSON')
  return new Response(answer.bytes, { headers })
}
