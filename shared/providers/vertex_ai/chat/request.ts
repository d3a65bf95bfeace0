/**
 * OpenAI's chat request → `generateContent`'s. What Gemini has no place for is refused, or dropped where the caller said so; a field
 * that nobody knows is always refused.
 * Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
 * @module
 */
import * as z from 'zod'
import { badRequest, check } from '../../../openai/index.ts'
import type { ChatRequest } from '../../provider.ts'
import { toContents, type Unsupported } from './messages.ts'

const fn = z.strictObject({
  name: z.string().min(1),
  description: z.string().optional(),
  parameters: z.record(z.string(), z.unknown()).optional(),
  strict: z.boolean().nullish(),
})
const tool = z.strictObject({ type: z.literal('function'), function: fn })
const named = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({ name: z.string() }),
})
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  named,
  z.strictObject({
    type: z.literal('allowed_tools'),
    allowed_tools: z.strictObject({ mode: z.enum(['auto', 'required']), tools: z.array(named).min(1) }),
  }),
])
const responseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string(),
      description: z.string().optional(),
      schema: z.record(z.string(), z.unknown()).optional(),
      strict: z.boolean().nullish(),
    }),
  }),
])

/** OpenAI's levels → Gemini 3's. Its least is MINIMAL: no level turns thinking off. */
const LEVELS = { none: 'MINIMAL', minimal: 'MINIMAL', low: 'LOW', medium: 'MEDIUM', high: 'HIGH' } as const
const levels = Object.keys(LEVELS) as (keyof typeof LEVELS)[]

/** Fields with a place at Gemini. Values are checked as far as they are taken apart here; their ranges are Google's to judge. */
const supported = z.object({
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.boolean().optional() })
    .nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  response_format: responseFormat.nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(5)]).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  /** Not OpenAI's, but asked for by many clients. */
  top_k: z.int().min(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.int().nullish(),
  n: z.int().min(1).max(8).nullish(),
  reasoning_effort: z.enum(levels).nullish(),
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
})
type Supported = z.infer<typeof supported>

/** Values that say no more than leaving the field out does. */
const NEUTRAL: Readonly<Record<string, (value: unknown) => boolean>> = {
  logprobs: value => value === false,
  parallel_tool_calls: value => value === true,
  store: value => value === false,
  service_tier: value => value === 'auto' || value === 'default',
  modalities: value => Array.isArray(value) && value.every(each => each === 'text'),
  logit_bias: value => typeof value === 'object' && value !== null && Object.keys(value).length === 0,
}

/** The rest of OpenAI's fields, and why not. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  audio: 'spoken answers are not offered',
  function_call: 'it is deprecated: use tool_choice',
  functions: 'it is deprecated: use tools',
  logit_bias: 'Gemini has no bias by token',
  logprobs: 'tuned models give none',
  top_logprobs: 'tuned models give none',
  modalities: 'answers are text',
  parallel_tool_calls: 'Gemini decides itself how many calls it makes at once',
  prediction: 'Gemini takes no predicted output',
  prompt_cache_key: 'Gemini caches by itself',
  prompt_cache_options: 'Gemini caches by itself',
  prompt_cache_retention: 'Gemini caches by itself',
  safety_identifier: 'Gemini knows no end users',
  service_tier: 'there is one tier',
  store: 'answers are not kept',
  verbosity: 'Gemini has no such setting',
  web_search_options: 'searching is not offered',
}

const TAKEN = new Set(['model', 'messages', ...Object.keys(supported.shape)])

const refuseOthers = (body: Record<string, unknown>, unsupported: Unsupported): void => {
  for (const [field, value] of Object.entries(body)) {
    if (TAKEN.has(field) || value === null || value === undefined) continue
    if (Object.hasOwn(NEUTRAL, field) && NEUTRAL[field]?.(value)) continue
    const why = Object.hasOwn(UNSUPPORTED, field) ? UNSUPPORTED[field] : undefined
    if (why === undefined) throw badRequest(field, `Unknown parameter: '${field}'.`, 'unknown_parameter')
    unsupported(field, why)
  }
}

const allowing = (mode: string, names: string[]) => ({
  functionCallingConfig: { mode, allowedFunctionNames: names },
})

const toToolConfig = ({ tool_choice: choice, tools }: Supported) => {
  // VALIDATED lets the model choose like AUTO and holds it to the schemas, which is what `strict` asks for.
  const isStrict = tools?.some(({ function: { strict } }) => strict) ?? false
  if (choice == null || choice === 'auto') {
    if (isStrict) return { functionCallingConfig: { mode: 'VALIDATED' } }
    return choice === 'auto' ? { functionCallingConfig: { mode: 'AUTO' } } : undefined
  }
  if (choice === 'none') return { functionCallingConfig: { mode: 'NONE' } }
  if (choice === 'required') return { functionCallingConfig: { mode: 'ANY' } }
  if (choice.type === 'function') return allowing('ANY', [choice.function.name])
  const { mode, tools: allowed } = choice.allowed_tools
  return allowing(
    mode === 'required' ? 'ANY' : 'VALIDATED',
    allowed.map(each => each.function.name),
  )
}

const toTools = (tools: Supported['tools']) => {
  if (!tools?.length) return undefined
  const functionDeclarations = tools.map(({ function: { name, description, parameters } }) => ({
    name,
    ...(description !== undefined && { description }),
    // `parameters` would take only a part of JSON Schema.
    ...(parameters !== undefined && { parametersJsonSchema: parameters }),
  }))
  return [{ functionDeclarations }]
}

const toFormat = (format: Supported['response_format']) => {
  if (format == null || format.type === 'text') return {}
  if (format.type === 'json_object') return { responseMimeType: 'application/json' }
  const { schema } = format.json_schema
  return { responseMimeType: 'application/json', ...(schema && { responseJsonSchema: schema }) }
}

const present = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null))

const toGenerationConfig = (body: Supported) =>
  present({
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    candidateCount: body.n,
    maxOutputTokens: body.max_completion_tokens ?? body.max_tokens,
    stopSequences: typeof body.stop === 'string' ? [body.stop] : body.stop,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    seed: body.seed,
    ...toFormat(body.response_format),
    thinkingConfig: body.reasoning_effort ? { thinkingLevel: LEVELS[body.reasoning_effort] } : undefined,
  })

const LABEL_KEY = /^[a-z][a-z0-9_-]{0,62}$/
const LABEL_VALUE = /^[a-z0-9_-]{0,63}$/
const isLabel = ([key, value]: [string, string]) => LABEL_KEY.test(key) && LABEL_VALUE.test(value)
/** Bookkeeping that changes no answer: what is not a label to Google is not refused, only told as dropped. */
const toLabels = ({ user, metadata }: Supported, dropped: string[]): Record<string, string> => {
  const pairs = [
    ...Object.entries(metadata ?? {}).map(pair => ({ param: `metadata.${pair[0]}`, pair })),
    ...(user ? [{ param: 'user', pair: ['user', user] as [string, string] }] : []),
  ]
  dropped.push(...pairs.flatMap(({ param, pair }) => (isLabel(pair) ? [] : [param])))
  return Object.fromEntries(pairs.map(({ pair }) => pair).filter(isLabel))
}

const filled = <T extends object>(value: T): T | undefined =>
  Object.keys(value).length === 0 ? undefined : value

export interface GenerateRequest {
  body: Record<string, unknown>
  includeUsage: boolean
  /** Fields that are not in it. */
  dropped: string[]
}

/** @throws {ApiError} 400 with the field that is wrong, unknown or has no place */
export const toGenerateRequest = ({
  body,
  dropParams,
}: Pick<ChatRequest, 'body' | 'dropParams'>): GenerateRequest => {
  const dropped: string[] = []
  const unsupported: Unsupported = (param, why) => {
    if (!dropParams)
      throw badRequest(
        param,
        `'${param}' has no place at Vertex AI: ${why}. 'drop_params' leaves it out.`,
        'unsupported_parameter',
      )
    dropped.push(param)
  }
  refuseOthers(body, unsupported)
  const fields = check(supported, body)
  const { system, contents } = toContents(body.messages, unsupported)
  return {
    includeUsage: fields.stream_options?.include_usage === true,
    dropped,
    body: present({
      contents,
      systemInstruction: system === undefined ? undefined : { parts: [{ text: system }], role: 'user' },
      tools: toTools(fields.tools),
      toolConfig: toToolConfig(fields),
      labels: filled(toLabels(fields, dropped)),
      generationConfig: filled(toGenerationConfig(fields)),
    }),
  }
}
