/** A completion as server-sent events. */
import { type Choice, type Completion, type Extras, FINGERPRINT } from './completion.ts'
import { tokenize } from './tokens.ts'

type Delta = Record<string, unknown>

/** The chunks of a completion in order, the last being the `[DONE]` mark. */
export function* eventsOf(
  completion: Completion,
  includeUsage: boolean,
  extras: Extras = {},
): Generator<string> {
  const { id, created, model, choices, usage } = completion
  const event = (chunk: Record<string, unknown>): string =>
    `data: ${JSON.stringify({
      id,
      object: 'chat.completion.chunk',
      created,
      model,
      service_tier: 'default',
      system_fingerprint: FINGERPRINT,
      ...chunk,
      // With usage asked for, every chunk has the field, and only the last one a value.
      ...(includeUsage && { usage: chunk.usage ?? null }),
    })}\n\n`
  // Known before the first token, and sent then: a chunk that belongs to no choice and has no id yet.
  if (extras.completion) {
    yield event({ id: '', object: '', created: 0, model: '', choices: [], ...extras.completion })
  }
  for (const [index, choice] of choices.entries()) {
    for (const delta of deltasOf(choice)) {
      yield event({ choices: [{ index, delta, logprobs: null, finish_reason: null, ...extras.choice }] })
    }
    yield event({
      choices: [{ index, delta: {}, logprobs: null, finish_reason: choice.finishReason, ...extras.choice }],
    })
  }
  if (includeUsage) yield event({ choices: [], usage })
  yield 'data: [DONE]\n\n'
}

function* deltasOf(choice: Choice): Generator<Delta> {
  yield { role: 'assistant', content: choice.content === null ? null : '', refusal: null }
  for (const content of tokenize(choice.content ?? '')) yield { content }
  for (const refusal of tokenize(choice.refusal ?? '')) yield { refusal }
  for (const [index, call] of choice.calls.entries()) {
    // Id and name come once, then the arguments in pieces.
    const { id, type } = call
    if (call.type === 'function') {
      yield { tool_calls: [{ index, id, type, function: { name: call.function.name, arguments: '' } }] }
      for (const piece of tokenize(call.function.arguments)) {
        yield { tool_calls: [{ index, function: { arguments: piece } }] }
      }
    } else {
      yield { tool_calls: [{ index, id, type, custom: { name: call.custom.name, input: '' } }] }
      for (const piece of tokenize(call.custom.input))
        yield { tool_calls: [{ index, custom: { input: piece } }] }
    }
  }
  if (choice.legacyCall) {
    yield { function_call: { name: choice.legacyCall.name, arguments: '' } }
    for (const piece of tokenize(choice.legacyCall.arguments)) yield { function_call: { arguments: piece } }
  }
}
