/** The body of `POST /chat/completions`: every field that OpenAI's specification lists, and no other. */
import * as z from 'zod'
import { metadata } from './job-schema.ts'
import {
  conversationFault,
  type customTool,
  deprecatedFunction,
  type functionTool,
  message,
  tool,
} from './messages.ts'

const named = z.strictObject({ name: z.string() })

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.strictObject({ type: z.literal('function'), function: named }),
  z.strictObject({ type: z.literal('custom'), custom: named }),
  z.strictObject({
    type: z.literal('allowed_tools'),
    allowed_tools: z.strictObject({
      mode: z.enum(['auto', 'required']),
      tools: z.array(z.record(z.string(), z.unknown())),
    }),
  }),
])

const responseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
      description: z.string().optional(),
      schema: z.record(z.string(), z.unknown()).optional(),
      strict: z.boolean().nullish(),
    }),
  }),
])

const messages = z
  .array(message)
  .min(1)
  .superRefine((list, context) => {
    const fault = conversationFault(list)
    if (fault) context.addIssue({ code: 'custom', path: [fault.index, 'role'], message: fault.message })
  })

const object = z.record(z.string(), z.unknown())

const fields = {
  model: z.string(),
  messages,
  audio: z.strictObject({ voice: z.unknown(), format: z.string() }).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  function_call: z.union([z.enum(['none', 'auto']), named]).optional(),
  functions: z.array(deprecatedFunction).min(1).max(128).optional(),
  logit_bias: z.record(z.string(), z.int().min(-100).max(100)).nullish(),
  logprobs: z.boolean().nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  max_tokens: z.int().min(1).nullish(),
  metadata: metadata.nullish(),
  modalities: z.array(z.enum(['text', 'audio'])).nullish(),
  moderation: object.nullish(),
  n: z.int().min(1).max(128).nullish(),
  parallel_tool_calls: z.boolean().optional(),
  prediction: object.nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_options: object.nullish(),
  prompt_cache_retention: z.enum(['in_memory', '24h']).nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  response_format: responseFormat.optional(),
  safety_identifier: z.string().max(64).nullish(),
  seed: z.int().nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'scale', 'priority', 'fast']).nullish(),
  stop: z.union([z.string(), z.array(z.string()).min(1).max(4)]).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.boolean().optional() })
    .nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  tool_choice: toolChoice.optional(),
  tools: z.array(tool).min(1).max(128).optional(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  user: z.string().optional(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  web_search_options: object.optional(),
}

type Draft = z.infer<z.ZodObject<typeof fields>>

/** Rules between fields: what is only allowed beside something else. */
const COMPANIONS: readonly { param: keyof Draft; allowed: (body: Draft) => boolean; message: string }[] = [
  {
    param: 'stream_options',
    allowed: body => body.stream === true,
    message: "only allowed when 'stream' is enabled.",
  },
  {
    param: 'tool_choice',
    allowed: body => !!body.tools,
    message: "only allowed when 'tools' are specified.",
  },
  {
    param: 'parallel_tool_calls',
    allowed: body => !!body.tools,
    message: "only allowed when 'tools' are specified.",
  },
  {
    param: 'max_tokens',
    allowed: body => body.max_completion_tokens == null,
    message: "not allowed together with 'max_completion_tokens'.",
  },
  {
    param: 'top_logprobs',
    allowed: body => body.logprobs === true,
    message: "only allowed when 'logprobs' is enabled.",
  },
]

export const chatRequest = z.strictObject(fields).superRefine((body, context) => {
  for (const { param, allowed, message: why } of COMPANIONS) {
    if (body[param] != null && !allowed(body)) {
      context.addIssue({ code: 'custom', path: [param], message: why })
    }
  }
  const choice = body.tool_choice
  if (typeof choice !== 'object' || choice.type === 'allowed_tools') return
  const name = choice.type === 'function' ? choice.function.name : choice.custom.name
  if (!body.tools?.some(each => toolName(each) === name)) {
    context.addIssue({ code: 'custom', path: ['tool_choice'], message: `tool '${name}' is not in 'tools'.` })
  }
})

export type ChatRequest = z.infer<typeof chatRequest>
export type FunctionTool = z.infer<typeof functionTool>
export type CustomTool = z.infer<typeof customTool>

export const toolName = (each: FunctionTool | CustomTool): string =>
  each.type === 'function' ? each.function.name : each.custom.name
