/** What a model can say: the part of an assistant message that is learned and given back. */
import { newId } from '../ids.ts'
import type { AssistantMessage, ToolCall } from './messages.ts'

export interface Answer {
  content: string | null
  refusal: string | null
  /** Without ids: those are fresh in every answer. */
  calls: Call[]
}

export type Call =
  | { type: 'function'; name: string; arguments: string }
  | { type: 'custom'; name: string; input: string }

export const saying = (content: string): Answer => ({ content, refusal: null, calls: [] })
export const calling = (...calls: Call[]): Answer => ({ content: null, refusal: null, calls })

/** The canonical JSON of a message's answer: two messages are the same answer if these are equal. */
export function answerKey(message: AssistantMessage): string {
  const content =
    typeof message.content === 'string'
      ? message.content
      : (message.content?.map(part => (part.type === 'text' ? part.text : part.refusal)).join('') ?? null)
  const answer: Answer = {
    content,
    refusal: message.refusal ?? null,
    calls: (message.tool_calls ?? []).map(callOf),
  }
  if (message.function_call) answer.calls.push({ type: 'function', ...pickCall(message.function_call) })
  return JSON.stringify(answer)
}

/** The reverse of {@link answerKey}. */
export function answerOfKey(key: string): Answer {
  return JSON.parse(key)
}

export const keyOfText = (content: string): string => JSON.stringify(saying(content))

function callOf(call: ToolCall): Call {
  return call.type === 'function'
    ? { type: 'function', ...pickCall(call.function) }
    : { type: 'custom', name: call.custom.name, input: call.custom.input }
}

const pickCall = (call: { name: string; arguments: string }) => ({
  name: call.name,
  arguments: call.arguments,
})

/** A call as it goes over the wire, with a new id. */
export function wireCall(call: Call): ToolCall {
  const id = newId('call_')
  return call.type === 'function'
    ? { id, type: 'function', function: pickCall(call) }
    : { id, type: 'custom', custom: { name: call.name, input: call.input } }
}
