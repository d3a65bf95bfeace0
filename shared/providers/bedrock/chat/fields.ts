/**
 * OpenAI's request body, as much of it as Converse has a place for. The rest is refused by name, or dropped where the caller
 * said so; values that ask for what happens anyway pass.
 * @module
 */
import * as z from 'zod'
import { badRequest, check } from '../../../openai/index.ts'

const text = z.strictObject({ type: z.literal('text'), text: z.string() })
const refusal = z.strictObject({ type: z.literal('refusal'), refusal: z.string() })
const image = z.strictObject({
  type: z.literal('image_url'),
  // How closely to look is the model's own affair.
  image_url: z.strictObject({ url: z.string(), detail: z.enum(['auto', 'low', 'high']).optional() }),
})
const parts = <T extends z.ZodType>(part: T) => z.union([z.string(), z.array(part)])
const oneOf = (types: string) => `must have one of the types ${types}`
const textContent = parts(text)

const system = { content: textContent, name: z.string().nullish() }
const toolCall = z.strictObject({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string().min(1), arguments: z.string() }),
})

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), ...system }),
  z.strictObject({ role: z.literal('developer'), ...system }),
  z.strictObject({
    role: z.literal('user'),
    content: parts(z.discriminatedUnion('type', [text, image], oneOf("'text', 'image_url'"))),
    name: z.string().nullish(),
  }),
  z.strictObject({
    role: z.literal('assistant'),
    content: parts(z.discriminatedUnion('type', [text, refusal], oneOf("'text', 'refusal'"))).nullish(),
    refusal: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
    name: z.string().nullish(),
    // What clients send back of answers: none of it was part of the conversation.
    reasoning_content: z.string().nullish(),
    annotations: z.array(z.unknown()).nullish(),
    audio: z.null().optional(),
    function_call: z.null().optional(),
  }),
  z.strictObject({ role: z.literal('tool'), content: textContent, tool_call_id: z.string().min(1) }),
])
export type Message = z.infer<typeof message>

const tool = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
})
export type Tool = z.infer<typeof tool>

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: z.string().min(1) }) }),
])
export type ToolChoice = z.infer<typeof toolChoice>

const responseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string().min(1),
      description: z.string().nullish(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  }),
])

/** From 0 to 1 where OpenAI has 0 to 2: a temperature halved in silence would not be the one asked for. */
const fraction = (name: string) =>
  z.number().min(0).max(1, `must be from 0 to 1: Bedrock's ${name} ends there`)

const supported = z.strictObject({
  model: z.string(),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
    .nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
  temperature: fraction('temperature').nullish(),
  top_p: fraction('top_p').nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  response_format: responseFormat.nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
})
export type Supported = z.infer<typeof supported>

const equal = (standard: unknown) => (value: unknown) => value === standard
const never = () => false

/** Fields that Converse has no place for, and the values that change nothing. */
const UNSUPPORTED: Record<string, (value: unknown) => boolean> = {
  frequency_penalty: equal(0),
  presence_penalty: equal(0),
  n: equal(1),
  logprobs: equal(false),
  top_logprobs: never,
  logit_bias: value => typeof value === 'object' && value !== null && Object.keys(value).length === 0,
  seed: never,
  parallel_tool_calls: equal(true),
  store: equal(false),
  service_tier: value => value === 'auto' || value === 'default',
  modalities: value => Array.isArray(value) && value.length === 1 && value[0] === 'text',
  verbosity: equal('medium'),
  audio: never,
  prediction: never,
  web_search_options: never,
  functions: never,
  function_call: never,
  moderation: never,
  safety_identifier: never,
  prompt_cache_key: never,
  prompt_cache_options: never,
  prompt_cache_retention: never,
}

const noPlace = (param: string, what = `'${param}'`) =>
  badRequest(
    param,
    `Bedrock has no place for ${what}: leave it out, or set drop_params.`,
    'unsupported_parameter',
  )

/** Efforts that Converse's `outputConfig.effort` knows. */
const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max']

/** What of the messages has no place. */
const unsupportedParts = (messages: readonly Message[]) =>
  messages.flatMap((message, index) => {
    const path = `messages[${index}]`
    const parts = message.role === 'user' && Array.isArray(message.content) ? message.content : []
    return [
      ...('name' in message && message.name != null
        ? [{ param: `${path}.name`, what: 'names of speakers' }]
        : []),
      ...parts.flatMap((part, at) =>
        part.type === 'image_url' && (part.image_url.detail ?? 'auto') !== 'auto'
          ? [{ param: `${path}.content[${at}].image_url.detail`, what: 'the detail of an image' }]
          : [],
      ),
    ]
  })

/** Once a conversation holds calls, Converse wants their tools, and cannot be told not to use them. */
const holdsCalls = (messages: readonly Message[]): boolean =>
  messages.some(message => message.role === 'tool' || ('tool_calls' in message && message.tool_calls?.length))

/** What is supported as such, but not with this value. */
const unsupportedValues = ({
  response_format,
  reasoning_effort,
  messages,
  tool_choice,
  tools,
}: Supported) => [
  ...(response_format?.type === 'json_object'
    ? [{ param: 'response_format', what: "the response format 'json_object'" }]
    : []),
  ...(reasoning_effort != null && !EFFORTS.includes(reasoning_effort)
    ? [{ param: 'reasoning_effort', what: `the effort '${reasoning_effort}'` }]
    : []),
  ...(tool_choice === 'none' && tools?.length && holdsCalls(messages)
    ? [{ param: 'tool_choice', what: "the choice 'none' where the messages hold tool calls" }]
    : []),
  ...unsupportedParts(messages),
]

/**
 * The fields Converse has a place for, checked, and the names of those left out.
 * @throws {ApiError} 400 for what is wrong, not known, or, without `dropParams`, not supported
 */
export const toSupported = (
  body: Record<string, unknown>,
  dropParams: boolean,
): { fields: Supported; dropped: string[] } => {
  const kept: Record<string, unknown> = {}
  const dropped: string[] = []
  const leaveOut = (param: string, what?: string) => {
    if (!dropParams) throw noPlace(param, what)
    dropped.push(param)
  }
  for (const [field, value] of Object.entries(body)) {
    const isHarmless = UNSUPPORTED[field]
    if (isHarmless === undefined) kept[field] = value
    else if (value !== null && !isHarmless(value)) leaveOut(field)
  }
  const fields = check(supported, kept)
  for (const { param, what } of unsupportedValues(fields)) {
    leaveOut(param, what)
    if (param === 'response_format' || param === 'reasoning_effort') delete fields[param]
  }
  return { fields, dropped }
}
