/**
 * `generateContent`'s answer → a chat completion.
 * @module
 */
import { ProviderFault } from '../../provider.ts'
import { LONGEST_SIGNATURE, toCallId } from './call-id.ts'
import type { GenerateResponse, Part } from './wire.ts'

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

/** Source: `Candidate.FinishReason` of the Vertex AI API. */
const REASONS = new Map<string, FinishReason | 'error'>(
  Object.entries({
    STOP: 'stop',
    FINISH_REASON_UNSPECIFIED: 'stop',
    MAX_TOKENS: 'length',
    SAFETY: 'content_filter',
    RECITATION: 'content_filter',
    LANGUAGE: 'content_filter',
    BLOCKLIST: 'content_filter',
    PROHIBITED_CONTENT: 'content_filter',
    SPII: 'content_filter',
    MODEL_ARMOR: 'content_filter',
    MALFORMED_FUNCTION_CALL: 'error',
    UNEXPECTED_TOOL_CALL: 'error',
    TOO_MANY_TOOL_CALLS: 'error',
    MALFORMED_RESPONSE: 'error',
    OTHER: 'error',
  }),
)

/** The model has not managed an answer: not the caller's fault, and no answer. */
const noAnswer = (reason: string): ProviderFault =>
  new ProviderFault('vertex_ai', {
    status: 502,
    code: 'provider_invalid_answer',
    nativeCode: /^\w{1,64}$/.test(reason) ? reason : null,
    message: `The model gave no usable answer (${/^\w{1,64}$/.test(reason) ? reason : 'no reason'}).`,
    param: null,
    retryAfter: null,
    refused: false,
  })

/**
 * @param hasCalls whether the candidate called a tool: its reason is STOP all the same
 * @throws {ProviderFault} 502 for a reason that means failure
 */
export const toFinishReason = (reason: string, hasCalls: boolean): FinishReason => {
  // Images may be kept back for their own reasons: IMAGE_SAFETY, IMAGE_RECITATION…
  const known = reason.startsWith('IMAGE_') ? 'content_filter' : (REASONS.get(reason) ?? 'stop')
  if (known === 'error') throw noAnswer(reason)
  return known === 'stop' && hasCalls ? 'tool_calls' : known
}

export const toUsage = (usage: NonNullable<GenerateResponse['usageMetadata']>) => {
  const thoughts = usage.thoughtsTokenCount ?? 0
  const prompt = (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0)
  const completion = (usage.candidatesTokenCount ?? 0) + thoughts
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: usage.totalTokenCount ?? prompt + completion,
    prompt_tokens_details: { cached_tokens: usage.cachedContentTokenCount ?? 0 },
    completion_tokens_details: { reasoning_tokens: thoughts },
  }
}

/** A call as OpenAI has it. Its id holds what Gemini wants to see again. */
export const toToolCall = ({ functionCall, thoughtSignature }: Part) => ({
  id: toCallId({
    ...(functionCall?.id && { native: functionCall.id }),
    ...(thoughtSignature && { signature: thoughtSignature }),
  }),
  type: 'function' as const,
  function: { name: functionCall?.name ?? '', arguments: JSON.stringify(functionCall?.args ?? {}) },
  ...(thoughtSignature &&
    thoughtSignature.length > LONGEST_SIGNATURE && {
      extra_content: { google: { thought_signature: thoughtSignature } },
    }),
})

/** What is said aloud: thoughts are not. */
export const spokenText = (parts: readonly Part[]): string => {
  let text = ''
  for (const part of parts) if (part.text !== undefined && !part.thought) text += part.text
  return text
}

/** Unix seconds. */
export const createdAt = ({ createTime }: GenerateResponse, now: number): number =>
  Math.floor((Date.parse(createTime ?? '') || now) / 1000)

export const completionId = ({ responseId }: GenerateResponse): string =>
  `chatcmpl-${responseId || crypto.randomUUID().replaceAll('-', '')}`

/** An answer of one whose question was not let through. */
const blocked = {
  index: 0,
  message: { role: 'assistant', content: null, refusal: null },
  logprobs: null,
  finish_reason: 'content_filter',
}

const toChoice = (candidate: NonNullable<GenerateResponse['candidates']>[number], position: number) => {
  const parts = candidate.content?.parts ?? []
  const calls = parts.filter(({ functionCall }) => functionCall).map(toToolCall)
  const text = spokenText(parts)
  return {
    index: candidate.index ?? position,
    message: {
      role: 'assistant',
      content: text === '' && calls.length > 0 ? null : text,
      refusal: null,
      ...(calls.length > 0 && { tool_calls: calls }),
    },
    logprobs: null,
    finish_reason: toFinishReason(candidate.finishReason ?? 'STOP', calls.length > 0),
  }
}

/**
 * @param model as it was asked for
 * @param now Unix milliseconds
 * @throws {ProviderFault} 502 when the model has given no answer
 */
export const toCompletion = (response: GenerateResponse, model: string, now: number) => {
  const candidates = response.candidates ?? []
  if (candidates.length === 0 && response.promptFeedback?.blockReason === undefined) throw noAnswer('')
  return {
    id: completionId(response),
    object: 'chat.completion',
    created: createdAt(response, now),
    model,
    choices: candidates.length === 0 ? [blocked] : candidates.map(toChoice),
    ...(response.usageMetadata && { usage: toUsage(response.usageMetadata) }),
  }
}
