/**
 * Custom and open-weight models behind endpoints: chat through `:predict`, `:rawPredict` or the container's own chat completions,
 * and the pass-through.
 * Source: https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints
 * @module
 */
import * as z from 'zod'
import { badRequest, check } from '../../openai/index.ts'
import { parseJson } from '../json.ts'
import type {
  Channel,
  ChatAnswer,
  ChatRequest,
  PredictionVerb,
  Provider,
  ProviderRequest,
} from '../provider.ts'
import { aiplatformUrl } from './hosts.ts'
import { type Endpoint, parseEndpoint, unknownWay, waysOf } from './targets.ts'

const toVerb = (
  { settings }: Pick<Channel, 'settings'>,
  endpoint: Endpoint,
  verb: PredictionVerb,
  body: string,
): ProviderRequest => ({
  method: 'POST',
  url: aiplatformUrl(settings, endpoint, ['endpoints', endpoint.id], { verb }),
  headers: { 'content-type': 'application/json' },
  body,
  repeat: 'never',
})

const sampling = z.object({
  temperature: z.number().nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  top_p: z.number().nullish(),
  top_k: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  n: z.int().min(1).nullish(),
})
/** What has a place, or is the gateway's own affair. */
const TAKEN = new Set(['model', 'messages', 'stream', 'stream_options', ...Object.keys(sampling.shape)])
/** Bookkeeping that changes no answer: not refused, only told as dropped. */
const BOOKKEEPING = new Set(['user', 'metadata'])

const given = <T extends Record<string, unknown>>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null))

/**
 * `:predict`'s body. The instance is Model Garden's for chat (`@requestFormat: chatCompletions`), whose containers read the sampling
 * beside the messages; others read `parameters`, so they are in both.
 * @throws {ApiError} 400 for a field that has no place, unless such are to be dropped
 */
export const toPredict = ({ body, dropParams }: Pick<ChatRequest, 'body' | 'dropParams'>) => {
  const dropped = Object.keys(body).filter(field => !TAKEN.has(field) && body[field] != null)
  const other = dropped.find(field => !BOOKKEEPING.has(field))
  if (other !== undefined && !dropParams)
    throw badRequest(other, `'${other}' has no place in a prediction.`, 'unsupported_parameter')
  const { temperature, top_p, top_k, n, stop, ...rest } = check(sampling, body)
  const maxTokens = rest.max_completion_tokens ?? rest.max_tokens
  const stops = typeof stop === 'string' ? [stop] : stop
  const common = { temperature, max_tokens: maxTokens, top_p, top_k }
  const parameters = given({ ...common, stop_sequences: stops, candidate_count: n })
  return {
    dropped,
    body: {
      instances: [
        {
          '@requestFormat': 'chatCompletions',
          messages: body.messages,
          ...given({ ...common, stop: stops, n }),
        },
      ],
      ...(Object.keys(parameters).length > 0 && { parameters }),
    },
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Model Garden's text containers repeat the prompt before what they say. */
const withoutEcho = (text: string): string => {
  const at = text.startsWith('Prompt:') ? text.indexOf('\nOutput:\n') : -1
  return at < 0 ? text : text.slice(at + '\nOutput:\n'.length)
}

/** The names under which containers give their text. */
const TEXT_FIELDS = ['content', 'generated_text', 'text', 'output', 'prediction']

/** The texts of a prediction: one, or one for each candidate. */
const textsOf = (prediction: unknown): string[] => {
  if (typeof prediction === 'string') return [withoutEcho(prediction)]
  if (Array.isArray(prediction)) return prediction.flatMap(textsOf)
  if (!isRecord(prediction)) return []
  if (Array.isArray(prediction.candidates)) return prediction.candidates.flatMap(textsOf)
  const text = TEXT_FIELDS.map(field => prediction[field]).find(value => typeof value === 'string')
  return text === undefined ? [] : [withoutEcho(String(text))]
}

/** A container that speaks OpenAI's chat gives a completion in place of a list. */
const completionIn = (predictions: unknown): Record<string, unknown> | undefined => {
  const first = Array.isArray(predictions) ? predictions[0] : predictions
  return isRecord(first) && Array.isArray(first.choices) ? first : undefined
}

const predictResponse = z.object({
  predictions: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]),
})

/** What a `:predict` gave, as a completion. How many tokens it was is not known, and why it ended neither. */
export const fromPredict = ({ predictions }: z.infer<typeof predictResponse>, model: string, now: number) => {
  const common = {
    id: `chatcmpl-${crypto.randomUUID().replaceAll('-', '')}`,
    object: 'chat.completion',
    created: Math.floor(now / 1000),
    model,
  }
  const completion = completionIn(predictions)
  if (completion) return { ...common, ...completion, model }
  return {
    ...common,
    choices: textsOf(predictions).map((content, index) => ({
      index,
      message: { role: 'assistant', content, refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    })),
  }
}

/** A completion that came whole, as a stream: a prediction has no other. */
const asStream = (
  completion: ReturnType<typeof fromPredict>,
  includeUsage: boolean,
): ReadableStream<Uint8Array> => {
  const { choices, usage, ...common } = completion as typeof completion & {
    usage?: unknown
    choices: unknown[]
  }
  const chunk = (list: unknown[], more: object = {}) =>
    `data: ${JSON.stringify({ ...common, object: 'chat.completion.chunk', choices: list, ...(includeUsage && { usage: null }), ...more })}\n\n`
  const text = choices.filter(isRecord).map(({ index, message, finish_reason }) => {
    const delta = isRecord(message) ? message : {}
    const calls = Array.isArray(delta.tool_calls)
      ? { tool_calls: delta.tool_calls.map((call, at) => ({ index: at, ...(isRecord(call) ? call : {}) })) }
      : {}
    return (
      chunk([{ index, delta: { ...delta, ...calls }, logprobs: null, finish_reason: null }]) +
      chunk([{ index, delta: {}, logprobs: null, finish_reason }])
    )
  })
  const last = includeUsage && usage !== undefined ? chunk([], { usage }) : ''
  return new Blob([...text, last, 'data: [DONE]\n\n']).stream()
}

const JSON_TYPE = { 'content-type': 'application/json' }
const EVENT_STREAM = { 'content-type': 'text/event-stream; charset=utf-8' }
const encoder = new TextEncoder()

const predict = async (channel: Channel, endpoint: Endpoint, request: ChatRequest): Promise<ChatAnswer> => {
  const { body, dropped } = toPredict(request)
  const outgoing = toVerb(channel, endpoint, 'predict', JSON.stringify(body))
  const answer = await channel.read(predictResponse, outgoing)
  const completion = fromPredict(answer, request.body.model, channel.now())
  if (request.body.stream !== true)
    return {
      kind: 'whole',
      headers: new Headers(JSON_TYPE),
      bytes: encoder.encode(JSON.stringify(completion)),
      dropped,
    }
  const options = request.body.stream_options
  const includeUsage = isRecord(options) && options.include_usage === true
  const headers = new Headers(EVENT_STREAM)
  return { kind: 'stream', headers, body: asStream(completion, includeUsage), dropped }
}

/** The same body, by whichever way the container has. */
const passOn = async (
  channel: Channel,
  outgoing: ProviderRequest,
  { body }: ChatRequest,
): Promise<ChatAnswer> =>
  body.stream === true
    ? { kind: 'stream', ...(await channel.open(outgoing)) }
    : { kind: 'whole', ...(await channel.call(outgoing)) }

/** The endpoint's own chat completions; the model there is the endpoint's, whatever the gateway calls it. */
export const toChat = (
  { settings }: Pick<Channel, 'settings'>,
  endpoint: Endpoint,
  { body }: ChatRequest,
): ProviderRequest => ({
  method: 'POST',
  url: aiplatformUrl(settings, endpoint, ['endpoints', endpoint.id, 'chat', 'completions']),
  headers: JSON_TYPE,
  body: JSON.stringify({ ...body, model: '' }),
  repeat: 'never',
  endsWithRequest: true,
})

/** Chat with a custom endpoint. */
export const chatThrough = (
  channel: Channel,
  { way, endpoint }: { way: 'predict' | 'raw' | 'chat'; endpoint: Endpoint },
  request: ChatRequest,
): Promise<ChatAnswer> => {
  if (way === 'predict') return predict(channel, endpoint, request)
  if (way === 'chat') return passOn(channel, toChat(channel, endpoint, request), request)
  const verb = request.body.stream === true ? 'streamRawPredict' : 'rawPredict'
  return passOn(channel, toVerb(channel, endpoint, verb, request.text), request)
}

export const predictions: NonNullable<Provider['predictions']> = {
  async send(channel, name, verb, body) {
    const endpoint = parseEndpoint(channel.settings, name, true)
    if (!endpoint) throw badRequest('endpoint', `'${name}' names no endpoint.`)
    // Configured ones only: an endpoint's number alone must not open someone else's tune.
    if (!Object.hasOwn(waysOf(channel.settings), endpoint.id)) throw unknownWay(endpoint.id)
    if (verb === 'predict' && !isRecord(parseJson(encoder.encode(body))))
      throw badRequest(null, 'The body is not a JSON object.', 'invalid_json')
    return channel.open(toVerb(channel, endpoint, verb, body))
  },
}
