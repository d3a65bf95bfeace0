/**
 * Whether one line of a dataset is an example OpenAI trains on: a chat, or a preference between two answers.
 * Rules: OpenAI's fine-tuning guide and dataset formats (chat, preference, reinforcement).
 * @module
 */

/** What is wrong, and where: a JSON path such as `messages[2].role`. Never holds the content itself. */
export interface ExampleProblem {
  path: string
  message: string
}

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const
const isRole = (role: unknown): role is (typeof ROLES)[number] => ROLES.some(known => known === role)

const problem = (path: string, message: string): ExampleProblem => ({ path, message })

const toolCallProblem = (call: unknown, path: string): ExampleProblem | undefined => {
  if (!isObject(call)) return problem(path, 'must be an object')
  if (typeof call.id !== 'string') return problem(`${path}.id`, 'must be a string')
  if (call.type !== 'function') return problem(`${path}.type`, "must be 'function'")
  if (!isObject(call.function)) return problem(`${path}.function`, 'must be an object')
  if (typeof call.function.name !== 'string') return problem(`${path}.function.name`, 'must be a string')
  if (typeof call.function.arguments !== 'string')
    return problem(`${path}.function.arguments`, 'must be a string')
  return undefined
}

const isContentPart = (part: unknown) => isObject(part) && typeof part.type === 'string'

const messageProblem = (message: unknown, path: string): ExampleProblem | undefined => {
  if (!isObject(message)) return problem(path, 'must be an object')
  if (!isRole(message.role)) return problem(`${path}.role`, `must be one of ${ROLES.join(', ')}`)
  const { role, content, tool_calls: calls, function_call: call, weight } = message
  if (calls !== undefined) {
    if (role !== 'assistant') return problem(`${path}.tool_calls`, 'belongs to assistant messages only')
    if (!Array.isArray(calls) || calls.length === 0)
      return problem(`${path}.tool_calls`, 'must be a list that is not empty')
    for (const [index, each] of calls.entries()) {
      const found = toolCallProblem(each, `${path}.tool_calls[${index}]`)
      if (found) return found
    }
  }
  const mayBeEmpty =
    role === 'assistant' && (calls !== undefined || call !== undefined || typeof message.refusal === 'string')
  const isParts = Array.isArray(content) && content.length > 0 && content.every(isContentPart)
  if (typeof content !== 'string' && !isParts && !(mayBeEmpty && content == null)) {
    return problem(`${path}.content`, 'must be a string or a list of content parts')
  }
  if (role === 'tool' && typeof message.tool_call_id !== 'string')
    return problem(`${path}.tool_call_id`, 'must be a string')
  if (weight !== undefined && !(role === 'assistant' && (weight === 0 || weight === 1))) {
    return problem(`${path}.weight`, 'must be 0 or 1, on an assistant message')
  }
  return undefined
}

const messagesProblem = (messages: unknown, path: string): ExampleProblem | undefined => {
  if (!Array.isArray(messages) || messages.length === 0)
    return problem(path, 'must be a list that is not empty')
  for (const [index, message] of messages.entries()) {
    const found = messageProblem(message, `${path}[${index}]`)
    if (found) return found
  }
  return undefined
}

const outputProblem = (output: unknown, path: string): ExampleProblem | undefined => {
  const found = messagesProblem(output, path)
  if (found) return found
  const other = (output as Json[]).findIndex(
    message => message.role !== 'assistant' && message.role !== 'tool',
  )
  return other === -1 ? undefined : problem(`${path}[${other}].role`, "must be 'assistant'")
}

const preferenceProblem = (example: Json): ExampleProblem | undefined =>
  (isObject(example.input)
    ? messagesProblem(example.input.messages, 'input.messages')
    : problem('input', 'must be an object')) ??
  outputProblem(example.preferred_output, 'preferred_output') ??
  outputProblem(example.non_preferred_output, 'non_preferred_output')

/** The first thing wrong with an example, or undefined. */
export const exampleProblem = (example: unknown): ExampleProblem | undefined => {
  if (!isObject(example)) return problem('', 'must be a JSON object')
  if ('preferred_output' in example || 'non_preferred_output' in example) return preferenceProblem(example)
  if (!('messages' in example)) return problem('messages', 'is missing')
  return messagesProblem(example.messages, 'messages')
}
