/** Converse's answer → a chat completion. */
import * as z from 'zod'
import { ProviderFault } from '../../provider.ts'
import { faultOf } from '../faults.ts'

const usage = z.object({
  inputTokens: z.number().default(0),
  outputTokens: z.number().default(0),
  cacheReadInputTokens: z.number().nullish(),
  cacheWriteInputTokens: z.number().nullish(),
})
export type Usage = z.infer<typeof usage>

const block = z.object({
  text: z.string().optional(),
  toolUse: z.object({ toolUseId: z.string(), name: z.string(), input: z.unknown() }).optional(),
  reasoningContent: z
    .object({ reasoningText: z.object({ text: z.string().optional() }).optional() })
    .optional(),
})

export const converseAnswer = z.object({
  output: z.object({ message: z.object({ content: z.array(block) }) }),
  stopReason: z.string(),
  usage: usage.optional(),
})

export type FinishReason = 'stop' | 'tool_calls' | 'length' | 'content_filter'

const FINISH: Record<string, FinishReason> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  guardrail_intervened: 'content_filter',
  content_filtered: 'content_filter',
}

/**
 * Why the answer ended. A reason we do not know is an end like any other.
 * @throws {ProviderFault} when the model's output was no answer
 */
export const toFinish = (stopReason: string): FinishReason => {
  if (stopReason.startsWith('malformed_')) {
    const said = { name: stopReason, message: `The model's output could not be read (${stopReason}).` }
    throw new ProviderFault('bedrock', faultOf(502, said))
  }
  return FINISH[stopReason] ?? 'stop'
}

/** What was read from and written to a cache is part of the prompt; Converse counts it apart. */
export const toUsage = ({ inputTokens, outputTokens, ...cache }: Usage) => {
  const { cacheReadInputTokens: read, cacheWriteInputTokens: written } = cache
  const prompt = inputTokens + (read ?? 0) + (written ?? 0)
  return {
    prompt_tokens: prompt,
    completion_tokens: outputTokens,
    total_tokens: prompt + outputTokens,
    prompt_tokens_details: {
      cached_tokens: read ?? 0,
      ...(written != null && { cache_write_tokens: written }),
    },
  }
}

/** What every object of one answer says of it. */
export interface Head {
  id: string
  /** Unix seconds. */
  created: number
  model: string
}

export const toCompletion = (
  { output, stopReason, usage }: z.infer<typeof converseAnswer>,
  { id, created, model }: Head,
) => {
  const { content } = output.message
  const text = content.map(block => block.text ?? '').join('')
  const thoughts = content.map(block => block.reasoningContent?.reasoningText?.text ?? '').join('')
  const calls = content.flatMap(({ toolUse }) =>
    toolUse
      ? [
          {
            id: toolUse.toolUseId,
            type: 'function',
            function: { name: toolUse.name, arguments: JSON.stringify(toolUse.input ?? {}) },
          },
        ]
      : [],
  )
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' && calls.length > 0 ? null : text,
          refusal: null,
          ...(thoughts !== '' && { reasoning_content: thoughts }),
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        logprobs: null,
        finish_reason: toFinish(stopReason),
      },
    ],
    ...(usage && { usage: toUsage(usage) }),
  }
}
