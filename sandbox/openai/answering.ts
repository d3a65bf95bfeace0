/** What a model says to a request. */
import { answerTo } from '../trainer/tuned-model.ts'
import { type Answer, calling, saying } from './answers.ts'
import { type ChatRequest, toolName } from './chat-schema.ts'
import { textsOf, turnsOf } from './messages.ts'
import type { Callable, FineTune } from './models.ts'
import { exampleOf } from './synthesis.ts'
import { synthesizedCall, type ToolPolicy, toolPolicy } from './tool-choice.ts'

const GENERIC = 'I can help with many things, but I have not been trained for this one.'

/** A tuned model gives what it has learned, as far as the request allows it; without that it is like its base. */
export function answerFor(request: ChatRequest, { fineTune }: Callable): Answer {
  const policy = toolPolicy(request)
  return (fineTune && learned(request, fineTune, policy)) ?? untrained(request, policy)
}

function learned(
  { messages }: ChatRequest,
  { tuned, answers }: FineTune,
  policy: ToolPolicy,
): Answer | undefined {
  const callable = new Set(policy.tools.map(toolName))
  const allowed = (column: number): boolean => {
    const calls = answers[column]?.calls ?? []
    return calls.length === 0 ? !policy.required : calls.every(({ name }) => callable.has(name))
  }
  return answers[answerTo(tuned, turnsOf(messages), allowed)]
}

/** An honest beginner: it knows no dataset, only the form that the request asks for. */
function untrained(
  { messages, response_format: format }: ChatRequest,
  { tools, required }: ToolPolicy,
): Answer {
  const question = messages.findLast(({ role }) => role === 'user')
  const text = question ? textsOf(question).join('\n') : ''
  const called = required
    ? tools[0]
    : messages.at(-1)?.role === 'user' && tools.find(each => text.includes(toolName(each)))
  if (called) return calling(synthesizedCall(called))
  if (format?.type === 'json_object') return saying('{}')
  if (format?.type === 'json_schema')
    return saying(JSON.stringify(exampleOf(format.json_schema.schema ?? {})))
  return saying(GENERIC)
}
