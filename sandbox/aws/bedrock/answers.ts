/** What a model can say, and what the trainer takes for one of its classes. */

export interface ToolCall {
  name: string
  input: unknown
}

export interface Answer {
  text: string | null
  /** Without ids: those are fresh in every answer. */
  toolCalls: readonly ToolCall[]
}

export const saying = (text: string): Answer => ({ text, toolCalls: [] })
export const calling = (...toolCalls: ToolCall[]): Answer => ({ text: null, toolCalls })

/** The canonical JSON: two answers are the same if these are equal. */
export const answerKey = ({ text, toolCalls }: Answer): string => JSON.stringify({ text, toolCalls })

/** The reverse of {@link answerKey}. */
export const answerOfKey = (key: string): Answer => JSON.parse(key)
