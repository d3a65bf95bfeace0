/** Chat messages as OpenAI takes them, in requests and in training data. */
import * as z from 'zod'
import type { Turn } from '../trainer/features.ts'

const textPart = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  prompt_cache_breakpoint: z.unknown().optional(),
})

const userPart = z.discriminatedUnion('type', [
  textPart,
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({ url: z.string(), detail: z.enum(['auto', 'low', 'high']).optional() }),
    prompt_cache_breakpoint: z.unknown().optional(),
  }),
  z.strictObject({
    type: z.literal('input_audio'),
    input_audio: z.strictObject({ data: z.string(), format: z.enum(['wav', 'mp3']) }),
    prompt_cache_breakpoint: z.unknown().optional(),
  }),
  z.strictObject({
    type: z.literal('file'),
    file: z.strictObject({
      filename: z.string().optional(),
      file_data: z.string().optional(),
      file_id: z.string().optional(),
    }),
    prompt_cache_breakpoint: z.unknown().optional(),
  }),
])

const refusalPart = z.strictObject({ type: z.literal('refusal'), refusal: z.string() })

const text = z.union([z.string(), z.array(textPart).min(1)])

export const toolCall = z.discriminatedUnion('type', [
  z.strictObject({
    id: z.string(),
    type: z.literal('function'),
    function: z.strictObject({ name: z.string(), arguments: z.string() }),
  }),
  z.strictObject({
    id: z.string(),
    type: z.literal('custom'),
    custom: z.strictObject({ name: z.string(), input: z.string() }),
  }),
])

const assistantFields = {
  role: z.literal('assistant'),
  content: z
    .union([z.string(), z.array(z.discriminatedUnion('type', [textPart, refusalPart])).min(1)])
    .nullish(),
  refusal: z.string().nullish(),
  name: z.string().optional(),
  audio: z.strictObject({ id: z.string() }).nullish(),
  tool_calls: z.array(toolCall).min(1).optional(),
  function_call: z.strictObject({ name: z.string(), arguments: z.string() }).nullish(),
}

const otherMessages = [
  z.strictObject({ role: z.literal('system'), content: text, name: z.string().optional() }),
  z.strictObject({ role: z.literal('developer'), content: text, name: z.string().optional() }),
  z.strictObject({
    role: z.literal('user'),
    content: z.union([z.string(), z.array(userPart).min(1)]),
    name: z.string().optional(),
  }),
  z.strictObject({ role: z.literal('tool'), content: text, tool_call_id: z.string() }),
  z.strictObject({ role: z.literal('function'), content: z.string().nullable(), name: z.string() }),
] as const

/** A message in a request. */
export const message = z.discriminatedUnion('role', [
  // Answers carry `annotations`, and callers send an answer back as it came.
  z.strictObject({ ...assistantFields, annotations: z.array(z.unknown()).optional() }),
  ...otherMessages,
])

/** A message in training data: an assistant's may carry `weight: 0`, "do not learn this one". */
export const trainingAssistant = z.strictObject({
  ...assistantFields,
  weight: z.union([z.literal(0), z.literal(1)]).optional(),
})

export const trainingMessage = z.discriminatedUnion('role', [trainingAssistant, ...otherMessages])

export type Message = z.infer<typeof trainingMessage>
export type AssistantMessage = z.infer<typeof trainingAssistant>
export type ToolCall = z.infer<typeof toolCall>

export const functionTool = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({
    name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
    strict: z.boolean().nullish(),
  }),
})

export const customTool = z.strictObject({
  type: z.literal('custom'),
  custom: z.strictObject({
    name: z.string(),
    description: z.string().optional(),
    format: z.record(z.string(), z.unknown()).optional(),
  }),
})

export const tool = z.discriminatedUnion('type', [functionTool, customTool])
export type Tool = z.infer<typeof tool>

export const deprecatedFunction = functionTool.shape.function.omit({ strict: true })

/** Where a list of messages breaks the rules that go over several of them, if it does. */
export function conversationFault(
  messages: readonly Message[],
): { index: number; message: string } | undefined {
  let open = new Set<string>()
  let caller = 0
  for (const [index, each] of messages.entries()) {
    if (each.role === 'tool') {
      if (!open.delete(each.tool_call_id)) {
        return {
          index,
          message: "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
        }
      }
      continue
    }
    if (open.size > 0) break
    if (each.role !== 'assistant') continue
    if (each.content == null && !each.tool_calls && !each.function_call && !each.refusal && !each.audio) {
      return { index, message: 'an assistant message needs content, tool calls or a refusal.' }
    }
    open = new Set(each.tool_calls?.map(call => call.id))
    caller = index
  }
  if (open.size === 0) return undefined
  return {
    index: caller,
    message: `an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'; missing: ${[...open].join(', ')}.`,
  }
}

/** All text in a message, piece by piece. */
export function textsOf(each: Message): string[] {
  const texts: string[] = []
  if (typeof each.content === 'string') texts.push(each.content)
  else {
    for (const part of each.content ?? []) {
      if (part.type === 'text') texts.push(part.text)
      if (part.type === 'refusal') texts.push(part.refusal)
    }
  }
  if (each.role !== 'assistant') return texts
  if (each.refusal) texts.push(each.refusal)
  for (const call of each.tool_calls ?? []) {
    texts.push(
      ...(call.type === 'function'
        ? [call.function.name, call.function.arguments]
        : [call.custom.name, call.custom.input]),
    )
  }
  if (each.function_call) texts.push(each.function_call.name, each.function_call.arguments)
  return texts
}

const TRAINER_ROLES: Record<Message['role'], Turn['role']> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
}

/** The conversation as the trainer sees it. */
export function turnsOf(messages: readonly Message[]): Turn[] {
  return messages.map(each => ({ role: TRAINER_ROLES[each.role], text: textsOf(each).join('\n') }))
}
