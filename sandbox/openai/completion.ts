/** From a model's answer to a finished completion: cut off where the request says so, and counted. */
import { newId, nowInSeconds } from '../ids.ts'
import { answerFor } from './answering.ts'
import { type Answer, wireCall } from './answers.ts'
import type { ChatRequest } from './chat-schema.ts'
import { type ToolCall, textsOf } from './messages.ts'
import type { Callable } from './models.ts'
import { countMessageTokens, countTokens, tokenize } from './tokens.ts'

export interface Completion {
  id: string
  created: number
  model: string
  choices: Choice[]
  usage: Usage
}

export interface Choice {
  content: string | null
  refusal: string | null
  /** The answer in the old `functions` form, if the request was. */
  legacyCall: { name: string; arguments: string } | undefined
  calls: ToolCall[]
  finishReason: 'stop' | 'length' | 'tool_calls' | 'function_call'
}

type Usage = ReturnType<typeof usageOf>

/** A reply begins with tokens of its own. */
const REPLY_PRIMING = 3

export function complete(request: ChatRequest, model: Callable): Completion {
  const answer = answerFor(request, model)
  const drawn = Array.from({ length: request.n ?? 1 }, () => draw(answer, request))
  const prompt = countMessageTokens(request.messages.map(textsOf)) + REPLY_PRIMING
  return {
    id: newId('chatcmpl-', 29),
    created: nowInSeconds(),
    model: model.fineTune?.id ?? model.base.id,
    choices: drawn.map(({ choice }) => choice),
    usage: usageOf(
      prompt,
      drawn.reduce((sum, { tokens }) => sum + tokens, 0),
    ),
  }
}

/** Always the best-scored answer, whatever the temperature: the sandbox has one thing to say. */
function draw(answer: Answer, request: ChatRequest): { choice: Choice; tokens: number } {
  if (answer.calls.length > 0) return drawCalls(answer, request)
  const limit = request.max_completion_tokens ?? request.max_tokens ?? Number.POSITIVE_INFINITY
  const tokens = tokenize(beforeStop(answer.content ?? '', request.stop ?? []))
  const kept = tokens.slice(0, limit)
  const cut = kept.length < tokens.length
  return {
    tokens: kept.length + countTokens(answer.refusal ?? ''),
    choice: {
      content: answer.content === null ? null : kept.join(''),
      refusal: answer.refusal,
      calls: [],
      legacyCall: undefined,
      finishReason: cut ? 'length' : 'stop',
    },
  }
}

function drawCalls(answer: Answer, { functions }: ChatRequest): { choice: Choice; tokens: number } {
  const [first] = answer.calls
  const legacyCall =
    functions && first?.type === 'function' ? { name: first.name, arguments: first.arguments } : undefined
  const calls = legacyCall ? [] : answer.calls.map(wireCall)
  return {
    tokens: answer.calls.reduce(
      (sum, call) =>
        sum + countTokens(call.name) + countTokens(call.type === 'function' ? call.arguments : call.input),
      countTokens(answer.content ?? ''),
    ),
    choice: {
      content: answer.content,
      refusal: answer.refusal,
      calls,
      legacyCall,
      finishReason: legacyCall ? 'function_call' : 'tool_calls',
    },
  }
}

function beforeStop(text: string, stops: string | readonly string[]): string {
  const ends = [stops]
    .flat()
    .map(stop => (stop === '' ? -1 : text.indexOf(stop)))
    .filter(at => at >= 0)
  return text.slice(0, Math.min(text.length, ...ends))
}

function usageOf(prompt: number, completion: number) {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

/** What a provider adds to OpenAI's completions: once to the whole, and to each choice. */
export interface Extras {
  completion?: Record<string, unknown>
  choice?: Record<string, unknown>
}

export const FINGERPRINT = 'fp_sandbox'

export function wireCompletion({ id, created, model, choices, usage }: Completion, extras: Extras = {}) {
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: choices.map((choice, index) => ({
      index,
      message: {
        role: 'assistant',
        content: choice.content,
        ...(choice.calls.length > 0 && { tool_calls: choice.calls }),
        ...(choice.legacyCall && { function_call: choice.legacyCall }),
        refusal: choice.refusal,
        annotations: [],
      },
      logprobs: null,
      finish_reason: choice.finishReason,
      ...extras.choice,
    })),
    usage,
    service_tier: 'default',
    system_fingerprint: FINGERPRINT,
    ...extras.completion,
  }
}
