/** Which tools an answer may, must or must not call. */
import type { Call } from './answers.ts'
import { type ChatRequest, type CustomTool, type FunctionTool, toolName } from './chat-schema.ts'
import { isRecord } from './jsonl.ts'
import { exampleOf } from './synthesis.ts'

type AnyTool = FunctionTool | CustomTool

export interface ToolPolicy {
  /** Those that may be called. */
  tools: AnyTool[]
  /** Whether one must be. */
  required: boolean
}

export function toolPolicy({
  tools = [],
  tool_choice: choice = 'auto',
  functions,
  function_call,
}: ChatRequest): ToolPolicy {
  const offered: AnyTool[] = [
    ...tools,
    ...(functions ?? []).map((each): FunctionTool => ({ type: 'function', function: each })),
  ]
  const only = (...names: string[]): AnyTool[] => offered.filter(each => names.includes(toolName(each)))
  if (typeof function_call === 'object') return { tools: only(function_call.name), required: true }
  if (choice === 'none' || function_call === 'none') return { tools: [], required: false }
  if (typeof choice === 'string') return { tools: offered, required: choice === 'required' }
  switch (choice.type) {
    case 'function':
      return { tools: only(choice.function.name), required: true }
    case 'custom':
      return { tools: only(choice.custom.name), required: true }
    case 'allowed_tools': {
      const { mode, tools: allowed } = choice.allowed_tools
      return { tools: only(...allowed.flatMap(namesIn)), required: mode === 'required' }
    }
  }
}

/** The names in `{type: 'function', function: {name}}` or its custom twin. */
function namesIn(reference: Record<string, unknown>): string[] {
  return Object.values(reference).flatMap(value =>
    isRecord(value) && typeof value.name === 'string' ? [value.name] : [],
  )
}

/** A call of the tool with the least arguments that its schema admits. */
export function synthesizedCall(each: AnyTool): Call {
  return each.type === 'custom'
    ? { type: 'custom', name: each.custom.name, input: '' }
    : {
        type: 'function',
        name: each.function.name,
        arguments: JSON.stringify(exampleOf(each.function.parameters ?? { type: 'object' })),
      }
}
