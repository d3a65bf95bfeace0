/** From a model's answer to a finished message: cut off where the request says so, and counted. */
import { newId } from '../../ids.ts'
import { countMessageTokens, countTokens, tokenize } from '../../openai/tokens.ts'
import { answerFor, turnsOf } from './answering.ts'
import type { ConverseRequest } from './converse-schema.ts'
import type { Target } from './targets.ts'

export type Block = { text: string } | { toolUse: { toolUseId: string; name: string; input: unknown } }

export interface Completion {
  content: Block[]
  stopReason: 'end_turn' | 'tool_use' | 'max_tokens' | 'stop_sequence'
  usage: { inputTokens: number; outputTokens: number; totalTokens: number }
}

export function complete(request: ConverseRequest, target: Target): Completion {
  const { text, toolCalls } = answerFor(request, target)
  const said = text === null ? undefined : cut(text, request.inferenceConfig ?? {})
  const calls = toolCalls.map(call => ({ toolUse: { toolUseId: newId('tooluse_', 22), ...call } }))
  const inputTokens = countMessageTokens(turnsOf(request).map(turn => [turn.text]))
  const outputTokens =
    countTokens(said?.text ?? '') +
    toolCalls.reduce(
      (sum, { name, input }) => sum + countTokens(name) + countTokens(JSON.stringify(input)),
      0,
    )
  return {
    content: [...(said ? [{ text: said.text }] : []), ...calls],
    stopReason: calls.length > 0 ? 'tool_use' : (said?.stopReason ?? 'end_turn'),
    usage: { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens },
  }
}

/** What is left of a text after stop sequences and the limit, and why it ends. */
function cut(
  text: string,
  {
    maxTokens = Number.POSITIVE_INFINITY,
    stopSequences = [],
  }: NonNullable<ConverseRequest['inferenceConfig']>,
): { text: string; stopReason: Completion['stopReason'] } {
  const ends = stopSequences.map(stop => text.indexOf(stop)).filter(at => at >= 0)
  const tokens = tokenize(text.slice(0, Math.min(text.length, ...ends)))
  if (tokens.length > maxTokens)
    return { text: tokens.slice(0, maxTokens).join(''), stopReason: 'max_tokens' }
  return { text: tokens.join(''), stopReason: ends.length > 0 ? 'stop_sequence' : 'end_turn' }
}
