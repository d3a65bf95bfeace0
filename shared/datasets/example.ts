/**
 * Whether one line of a dataset is an example OpenAI trains on: a chat, or a preference between two answers.
 * Rules: OpenAI's fine-tuning guide and dataset formats (chat, preference, reinforcement).
 * @module
 */
import type { ProblemCode } from '../openai/index.ts'
import { isObject, type Json } from './formats/format.ts'

/** What is wrong, and where: a JSON path such as `messages[2].role`. Never holds the content itself. */
export interface ExampleProblem {
  path: string
  code: ProblemCode
  message: string
}

export const ROLES = ['system', 'user', 'assistant', 'developer', 'tool', 'function'] as const
const isRole = (role: unknown) => ROLES.some(known => known === role)

const problem = (path: string, code: ProblemCode, message: string): ExampleProblem => ({
  path,
  code,
  message,
})

/** Puts a place before a problem's own. Paths are only built for problems: most examples have none. */
const within = (place: string, found: ExampleProblem): ExampleProblem => ({
  ...found,
  path: `${place}${found.path === '' || found.path.startsWith('[') ? '' : '.'}${found.path}`,
})

const NOT_A_CALL: ProblemCode = 'invalid_tool_call'

const toolCallProblem = (call: unknown): ExampleProblem | undefined => {
  if (!isObject(call)) return problem('', NOT_A_CALL, 'must be an object')
  if (typeof call.id !== 'string') return problem('id', NOT_A_CALL, 'must be a string')
  if (call.type !== 'function') return problem('type', NOT_A_CALL, "must be 'function'")
  if (!isObject(call.function)) return problem('function', NOT_A_CALL, 'must be an object')
  if (typeof call.function.name !== 'string') return problem('function.name', NOT_A_CALL, 'must be a string')
  if (typeof call.function.arguments !== 'string')
    return problem('function.arguments', NOT_A_CALL, 'must be a string')
  return undefined
}

const toolCallsProblem = (calls: unknown, role: unknown): ExampleProblem | undefined => {
  if (role !== 'assistant') return problem('tool_calls', NOT_A_CALL, 'belongs to assistant messages only')
  if (!Array.isArray(calls) || calls.length === 0)
    return problem('tool_calls', NOT_A_CALL, 'must be a list that is not empty')
  for (const [index, call] of calls.entries()) {
    const found = toolCallProblem(call)
    if (found) return within(`tool_calls[${index}]`, found)
  }
  return undefined
}

const isContentPart = (part: unknown) =>
  isObject(part) &&
  typeof part.type === 'string' &&
  (typeof part.text === 'string' || (part.text == null && part.type !== 'text'))
const isContentParts = (content: unknown) =>
  Array.isArray(content) && content.length > 0 && content.every(isContentPart)

const messageProblem = (message: unknown): ExampleProblem | undefined => {
  if (!isObject(message)) return problem('', 'invalid_messages', 'must be an object')
  const { role, content, tool_calls: calls, weight } = message
  if (!isRole(role)) return problem('role', 'invalid_role', `must be one of ${ROLES.join(', ')}`)
  const wrongCalls = calls === undefined ? undefined : toolCallsProblem(calls, role)
  if (wrongCalls) return wrongCalls
  if (typeof content !== 'string' && !isContentParts(content)) {
    const mayBeEmpty =
      role === 'assistant' &&
      (calls !== undefined || message.function_call !== undefined || typeof message.refusal === 'string')
    if (!(mayBeEmpty && content == null))
      return problem('content', 'invalid_content', 'must be a string or a list of content parts')
  }
  for (const field of ['name', 'refusal'] as const)
    if (message[field] != null && typeof message[field] !== 'string')
      return problem(field, 'invalid_messages', 'must be a string')
  if (role === 'tool' && typeof message.tool_call_id !== 'string')
    return problem('tool_call_id', 'invalid_tool_call_id', 'must be a string')
  if (weight !== undefined && !(role === 'assistant' && (weight === 0 || weight === 1))) {
    return problem('weight', 'invalid_weight', 'must be 0 or 1, on an assistant message')
  }
  return undefined
}

const messagesProblem = (messages: unknown, path: string, code: ProblemCode): ExampleProblem | undefined => {
  if (!Array.isArray(messages) || messages.length === 0)
    return problem(path, code, 'must be a list that is not empty')
  for (let index = 0; index < messages.length; index++) {
    const found = messageProblem(messages[index])
    if (found) return within(`${path}[${index}]`, found)
  }
  return undefined
}

const isTool = (tool: unknown) =>
  isObject(tool) &&
  (tool.function === undefined || (isObject(tool.function) && typeof tool.function.name === 'string'))

const toolsProblem = (tools: unknown, path: string): ExampleProblem | undefined =>
  tools === undefined || (Array.isArray(tools) && tools.every(isTool))
    ? undefined
    : problem(path, 'invalid_tools', 'must be a list of tools')

const NOT_A_PREFERENCE: ProblemCode = 'invalid_preference'

const outputProblem = (output: unknown, path: string): ExampleProblem | undefined => {
  const found = messagesProblem(output, path, NOT_A_PREFERENCE)
  if (found) return found
  const other = (output as Json[]).findIndex(({ role }) => role !== 'assistant' && role !== 'tool')
  return other === -1 ? undefined : problem(`${path}[${other}].role`, NOT_A_PREFERENCE, "must be 'assistant'")
}

const preferenceProblem = (example: Json): ExampleProblem | undefined =>
  (isObject(example.input)
    ? (messagesProblem(example.input.messages, 'input.messages', 'invalid_messages') ??
      toolsProblem(example.input.tools, 'input.tools'))
    : problem('input', NOT_A_PREFERENCE, 'must be an object')) ??
  outputProblem(example.preferred_output, 'preferred_output') ??
  outputProblem(example.non_preferred_output, 'non_preferred_output')

/** The first thing wrong with an example, or undefined. */
export const exampleProblem = (example: unknown): ExampleProblem | undefined => {
  if (!isObject(example)) return problem('', 'invalid_example', 'must be a JSON object')
  if ('preferred_output' in example || 'non_preferred_output' in example) return preferenceProblem(example)
  if (!('messages' in example)) return problem('messages', 'invalid_messages', 'is missing')
  return (
    messagesProblem(example.messages, 'messages', 'invalid_messages') ?? toolsProblem(example.tools, 'tools')
  )
}
