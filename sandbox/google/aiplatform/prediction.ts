/** A custom model behind an endpoint: online prediction, raw calls of its container, and OpenAI's chat. */
import * as z from 'zod'
import { chatRequest } from '../../openai/chat-schema.ts'
import { complete, wireCompletion } from '../../openai/completion.ts'
import { ApiError, check as checkOpenAI } from '../../openai/errors.ts'
import { isRecord } from '../../openai/jsonl.ts'
import { eventsOf } from '../../openai/stream.ts'
import { tokenize } from '../../openai/tokens.ts'
import { check } from '../check.ts'
import { GoogleError } from '../errors.ts'
import { placeName } from './models.ts'

/** The endpoint that is there from the start. */
export const CUSTOM_ENDPOINT = { id: '9001', region: 'us-central1', displayName: 'sandbox-echo' } as const

const MODEL_ID = '8001'
const DEPLOYED_MODEL_ID = '7001'

const parameters = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  max_tokens: z.int().min(1).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().optional(),
  stop_sequences: z.array(z.string()).optional(),
  candidate_count: z.int().min(1).max(8).optional(),
})

type Parameters = z.infer<typeof parameters>

const predictRequest = z.strictObject({
  instances: z.array(z.unknown()).min(1),
  parameters: parameters.optional(),
})

/** What the container says; it has read nothing but the request. */
const say = (prompt: string): string => `You said: ${prompt}`

/**
 * `:predict`. An instance is a string, or holds `prompt`, `inputs`, `content` or chat `messages`; its prediction is text,
 * or `{candidates: [{content}]}` if more than one was asked for.
 *
 * @throws {GoogleError} INVALID_ARGUMENT
 */
export function predict(body: unknown) {
  const { instances, parameters: given = {} } = check(predictRequest, body)
  return {
    predictions: instances.map((instance, index) => prediction(promptIn(instance, index), given)),
    deployedModelId: DEPLOYED_MODEL_ID,
    model: `${placeName(CUSTOM_ENDPOINT.region)}/models/${MODEL_ID}`,
    modelDisplayName: CUSTOM_ENDPOINT.displayName,
    modelVersionId: '1',
  }
}

function prediction(prompt: string, { max_tokens, stop_sequences = [], candidate_count = 1 }: Parameters) {
  const text = say(prompt)
  const ends = stop_sequences.map(stop => text.indexOf(stop)).filter(at => at >= 0)
  const stopped = text.slice(0, Math.min(text.length, ...ends))
  const content = tokenize(stopped).slice(0, max_tokens).join('')
  return candidate_count === 1
    ? content
    : { candidates: Array.from({ length: candidate_count }, () => ({ content })) }
}

function promptIn(instance: unknown, index: number): string {
  if (typeof instance === 'string') return instance
  if (isRecord(instance)) {
    for (const key of ['prompt', 'inputs', 'content']) {
      const value = instance[key]
      if (typeof value === 'string') return value
    }
    const { messages } = instance
    const last = Array.isArray(messages)
      ? messages.findLast(each => isRecord(each) && each.role === 'user')
      : 0
    if (isRecord(last) && typeof last.content === 'string') return last.content
  }
  throw new GoogleError(
    'INVALID_ARGUMENT',
    `instances[${index}] has no text: expected a string, or one of prompt, inputs, content, messages.`,
  )
}

/** Where a raw answer comes from. */
export const RAW_HEADERS = {
  'x-vertex-ai-endpoint-id': CUSTOM_ENDPOINT.id,
  'x-vertex-ai-deployed-model-id': DEPLOYED_MODEL_ID,
}

export type RawAnswer = { json: object } | { id: string; model: string; events: Generator<string> }

/**
 * What the container answers to any JSON: a chat completion to OpenAI's `messages`, else an echo.
 *
 * @throws {GoogleError} INVALID_ARGUMENT
 */
export function raw(body: unknown): RawAnswer {
  if (isRecord(body) && 'messages' in body) return chat(body)
  return { json: { echo: body } }
}

/** The model behind the chat; it knows the form and nothing else. */
const CONTAINER = { id: CUSTOM_ENDPOINT.displayName, alias: '', methods: [], created: 0, shutdownDate: null }

/**
 * `chat/completions`: OpenAI's request and answer, refusals in Google's shape.
 *
 * @throws {GoogleError} INVALID_ARGUMENT
 */
export function chat(body: unknown): RawAnswer {
  try {
    // The model is named by the endpoint; callers may leave it out or empty.
    const request = checkOpenAI(chatRequest, isRecord(body) ? { model: '', ...body } : body)
    const completion = complete(request, { base: CONTAINER })
    if (!request.stream) return { json: wireCompletion(completion) }
    const events = eventsOf(completion, request.stream_options?.include_usage ?? false)
    return { id: completion.id, model: completion.model, events }
  } catch (error) {
    throw error instanceof ApiError ? new GoogleError('INVALID_ARGUMENT', error.message) : error
  }
}
