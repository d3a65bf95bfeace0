/** What a model can say: the part of a model's turn that is learned and given back. */
import { isRecord } from '../../openai/jsonl.ts'
import type { Content } from './content.ts'

export interface Call {
  name: string
  args: Record<string, unknown>
}

export interface Answer {
  text: string
  calls: Call[]
}

export const saying = (text: string): Answer => ({ text, calls: [] })

/** The canonical JSON of a turn's answer: two turns are the same answer if these are equal. */
export function answerKey({ parts }: Pick<Content, 'parts'>): string {
  const spoken = parts.filter(({ thought }) => !thought)
  const answer: Answer = {
    text: spoken.map(({ text }) => text ?? '').join(''),
    calls: spoken.flatMap(({ functionCall: call }) =>
      call ? [{ name: call.name, args: call.args ?? {} }] : [],
    ),
  }
  return JSON.stringify(answer, sortedKeys)
}

/** The reverse of {@link answerKey}. */
export function answerOfKey(key: string): Answer {
  return JSON.parse(key)
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
