/**
 * What a rule is, and what rules have in common.
 * @module
 */
import type { ProblemCode, Severity } from '../openai/index.ts'
import { type ChatExample, type Example, FORMATS, isPreference, type Message } from './formats/index.ts'
import type { Target } from './target.ts'

/** Tells of a problem. @param path in the example */
export type Tell = (path: string, message: string) => void

/** What an example must hold for a rule to have anything to look at: most examples are plain. */
export const FACTS = { tools: 1, parts: 2, weights: 4, preference: 8, any: 16 } as const

export const factsOf = ({ role, content, tool_calls: calls, weight }: Message): number =>
  FACTS.any |
  (calls !== undefined || role === 'tool' ? FACTS.tools : 0) |
  (Array.isArray(content) ? FACTS.parts : 0) |
  (weight !== undefined ? FACTS.weights : 0)

interface Common {
  code: ProblemCode
  /** Undefined: the target has no such rule, or its format's converter has it. */
  severity(target: Target): Severity | undefined
  needs?: keyof typeof FACTS
}
export interface ExampleRule extends Common {
  find(example: Example, tell: Tell, target: Target): void
}
/** Of each message, wherever it stands. */
export interface MessageRule extends Common {
  /** @param tell takes the path within the message, e.g. `.content` */
  findIn(message: Message, tell: Tell): void
}
/** Whether lines stay in OpenAI's format. */
export const isKept = ({ format }: Target): boolean => FORMATS[format].convert === undefined
/** An error for these providers, a warning as long as none is named. */
export const errorFor =
  (...providers: string[]): Common['severity'] =>
  ({ provider }) =>
    provider === null ? 'warning' : providers.includes(provider) ? 'error' : undefined

/** The conversation, which a preference has as its input. */
export const chatOf = (example: Example): ChatExample => (isPreference(example) ? example.input : example)
/** Where its messages are. */
export const chatPath = (example: Example) => (isPreference(example) ? 'input.messages' : 'messages')
