/**
 * How one example looks in a provider's dataset format.
 * @module
 */

import type { ProblemCode } from '../../openai/index.ts'

/** Something of an example that a format has no place for. */
export interface Loss {
  /** JSON path in the line that is read, e.g. `messages[2].weight`. */
  path: string
  message: string
  /** What kind of loss it is, where it is a known one; else `not_carried_over`. */
  code?: ProblemCode
}

export interface Conversion {
  /** The line's JSON value, without what was lost; undefined when nothing trainable is left. */
  line: unknown
  losses: Loss[]
}

/** Canonical example (already found valid) → one line of the format. */
export type Converter = (example: Example) => Conversion

export interface Reading {
  /** Undefined when the line is none of the format. Still to be checked like any other. */
  example: unknown
  losses: Loss[]
}

/** One line of a provider's format → canonical example. */
export type Reader = (line: Record<string, unknown>) => Reading

export type Json = Record<string, unknown>
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Characters of a dataset's own words that are repeated in a message. */
const MOST_QUOTED = 40
export const quoted = (word: unknown): string => `'${String(word).slice(0, MOST_QUOTED).toWellFormed()}'`

export interface ContentPart {
  type: string
  text?: string
  image_url?: { url: string; detail?: string }
}
export interface ToolCall {
  id: string
  type?: 'function'
  function: { name: string; arguments: string }
}
export interface Message {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function'
  content?: string | ContentPart[] | null
  name?: string | null
  weight?: 0 | 1
  tool_calls?: ToolCall[]
  tool_call_id?: string
  refusal?: string | null
  function_call?: unknown
}
export interface Tool {
  type: string
  function?: { name: string; description?: string; parameters?: unknown; strict?: boolean | null }
}

export interface ChatExample {
  messages: Message[]
  tools?: Tool[]
  functions?: unknown
  parallel_tool_calls?: boolean
}
export interface PreferenceExample {
  input: ChatExample
  preferred_output: Message[]
  non_preferred_output: Message[]
}
export type Example = ChatExample | PreferenceExample

export const isPreference = (example: Example): example is PreferenceExample => 'preferred_output' in example

const isSystem = ({ role }: Message) => role === 'system' || role === 'developer'

/** A message with its place in the line. The path is made only for losses: most messages have none. */
export interface Placed {
  message: Message
  list: string
  index: number
}

/** JSON path of a message in the line. */
export const pathOf = ({ list, index }: Placed): string => `${list}[${index}]`

/** Tells of fields that are read nowhere. One that is null says nothing. @param place of what has them */
export const loseOthers = (
  losses: Loss[],
  value: object,
  place: string | Placed,
  known: readonly string[],
): void => {
  for (const key in value)
    if (!known.includes(key) && (value as Json)[key] != null)
      losses.push({
        path: typeof place === 'string' ? place : pathOf(place),
        message: `has ${quoted(key)}, which cannot be carried over`,
      })
}

/** The text of a message; parts that are no text are losses. */
export const textOf = (placed: Placed, losses: Loss[]): string => {
  const { message } = placed
  if (typeof message.content === 'string') return message.content
  return (message.content ?? [])
    .flatMap((part, index) => {
      if (part.type === 'text' && part.text !== undefined) return [part.text]
      losses.push({
        path: `${pathOf(placed)}.content[${index}]`,
        message: `content of the type ${quoted(part.type)} cannot be carried over`,
      })
      return []
    })
    .join('')
}

/** System messages as one text, the others in order. */
export const splitSystem = (
  messages: Message[],
  list: string,
  losses: Loss[],
): { system: string; turns: Placed[] } => {
  let system: string | undefined
  const turns: Placed[] = []
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index]
    if (!message) continue
    const placed = { message, list, index }
    if (!isSystem(message)) {
      turns.push(placed)
      continue
    }
    addCommonLosses(placed, losses)
    const text = textOf(placed, losses)
    system = system === undefined ? text : `${system}\n\n${text}`
  }
  return { system: system ?? '', turns }
}

const MESSAGE_FIELDS = [
  'role',
  'content',
  'name',
  'weight',
  'tool_calls',
  'tool_call_id',
  'refusal',
  'function_call',
]
/** Of a chat, what each format tells of by itself. */
export const CHAT_FIELDS = ['messages', 'tools', 'functions', 'parallel_tool_calls']

/** Tells of fields of a message that only OpenAI's own format has. */
export const addCommonLosses = (placed: Placed, losses: Loss[]): void => {
  const { message } = placed
  loseOthers(losses, message, placed, MESSAGE_FIELDS)
  if (message.weight === 0)
    losses.push({
      path: `${pathOf(placed)}.weight`,
      message: 'weight 0 has no equivalent: the message would be trained on',
    })
  if (message.name != null && message.role !== 'function')
    losses.push({ path: `${pathOf(placed)}.name`, message: 'names cannot be carried over' })
  if (message.function_call != null || message.role === 'function')
    losses.push({
      path: pathOf(placed),
      message: 'deprecated function calls cannot be carried over: use tool calls',
    })
  if (message.refusal != null)
    losses.push({ path: `${pathOf(placed)}.refusal`, message: 'refusals cannot be carried over' })
}

/** Joins neighbours of the same role, where a format wants them to alternate. */
export const joinTurns = <T extends { role: string }>(turns: T[], join: (a: T, b: T) => T): T[] => {
  const joined: T[] = []
  for (const turn of turns) {
    const last = joined.at(-1)
    if (last?.role === turn.role) joined[joined.length - 1] = join(last, turn)
    else joined.push(turn)
  }
  return joined
}
