/**
 * What the upstream says on each provider's wire: the same words, plain and streamed, in answers of comparable size, made
 * once when it starts. Shapes are those of the recorded answers.
 *
 * @module
 */
import { EventStreamCodec } from '@smithy/eventstream-codec'

/** One provider's answers. */
export interface Answers {
  /** What a request's `authorization` must begin with: a load that was not authorised measures nothing. */
  authorization: string
  plain: Buffer
  /** The content type of a streamed answer. */
  type: string
  first: Buffer
  /** One event with content. */
  content: Buffer
  last(includeUsage: boolean): Buffer
}

const MODEL = 'gpt-4.1-mini-2025-04-14'
const WORDS = 'The card is on its way and usually arrives within five working days. '.repeat(2).trim()
const PIECE = ' words'
const NOTHING = Buffer.alloc(0)

export const MODELS = JSON.stringify({
  object: 'list',
  data: [{ id: MODEL, object: 'model', created: 1744317547, owned_by: 'system' }],
})

const usage = { prompt_tokens: 31, completion_tokens: 24, total_tokens: 55 }

function openaiEvent(choices: object[], more: object = {}): string {
  const head = { id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1790000000, model: MODEL }
  return `data: ${JSON.stringify({ ...head, choices, ...more })}\n\n`
}

const delta = (words: object, finish: string | null) => [{ index: 0, delta: words, finish_reason: finish }]

const openai: Answers = {
  authorization: 'Bearer ',
  plain: Buffer.from(
    JSON.stringify({
      id: 'chatcmpl-bench',
      object: 'chat.completion',
      created: 1790000000,
      model: MODEL,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: WORDS, refusal: null, annotations: [] },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { ...usage, prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 } },
      service_tier: 'default',
      system_fingerprint: 'fp_bench',
    }),
  ),
  type: 'text/event-stream; charset=utf-8',
  first: NOTHING,
  content: Buffer.from(openaiEvent(delta({ content: PIECE }, null))),
  last: includeUsage =>
    Buffer.from(
      `${openaiEvent(delta({}, 'stop'))}${includeUsage ? openaiEvent([], { usage }) : ''}data: [DONE]\n\n`,
    ),
}

/** Gemini's answer is one such object; its stream is several. */
function generated(text: string, more: { finishReason?: string }, counted: object): string {
  return JSON.stringify({
    candidates: [{ content: { role: 'model', parts: [{ text }] }, ...more }],
    usageMetadata: { ...counted, trafficType: 'ON_DEMAND' },
    modelVersion: 'gemini-3.5-flash',
    createTime: '2026-11-20T15:36:23.459123Z',
    responseId: 'FzYfab2TDe-4gLUPx8uR',
  })
}

const details = (tokenCount: number) => [{ modality: 'TEXT', tokenCount }]
const geminiUsage = {
  promptTokenCount: 31,
  candidatesTokenCount: 24,
  totalTokenCount: 55,
  promptTokensDetails: details(31),
  candidatesTokensDetails: details(24),
}

const gemini: Answers = {
  authorization: 'Bearer bench-',
  plain: Buffer.from(generated(WORDS, { finishReason: 'STOP' }, geminiUsage)),
  type: 'text/event-stream',
  first: NOTHING,
  content: Buffer.from(`data: ${generated(PIECE, {}, {})}\r\n\r\n`),
  last: () => Buffer.from(`data: ${generated('', { finishReason: 'STOP' }, geminiUsage)}\r\n\r\n`),
}

const codec = new EventStreamCodec(
  bytes => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  text => Buffer.from(text),
)

/** One frame, with the padding that Bedrock adds to every payload. */
function frame(type: string, body: object): Uint8Array {
  const text = (value: string) => ({ type: 'string', value }) as const
  return codec.encode({
    headers: {
      ':event-type': text(type),
      ':content-type': text('application/json'),
      ':message-type': text('event'),
    },
    body: Buffer.from(JSON.stringify({ ...body, p: 'abcdefghijklmnopqrstuvwxyzABCDEF' })),
  })
}

const converseUsage = { inputTokens: 31, outputTokens: 24, totalTokens: 55 }

const converse: Answers = {
  authorization: 'AWS4-HMAC-SHA256 ',
  plain: Buffer.from(
    JSON.stringify({
      metrics: { latencyMs: 412 },
      output: { message: { content: [{ text: WORDS }], role: 'assistant' } },
      stopReason: 'end_turn',
      usage: { ...converseUsage, cacheReadInputTokens: 0, cacheWriteInputTokens: 0 },
    }),
  ),
  type: 'application/vnd.amazon.eventstream',
  first: Buffer.from(frame('messageStart', { role: 'assistant' })),
  content: Buffer.from(frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: PIECE } })),
  last: () =>
    Buffer.concat([
      frame('contentBlockStop', { contentBlockIndex: 0 }),
      frame('messageStop', { stopReason: 'end_turn' }),
      frame('metadata', { usage: converseUsage, metrics: { latencyMs: 412 } }),
    ]),
}

/** Whose wire a POST speaks, and whether it asks for a stream; OpenAI says that in the body. */
export function answersAt(path: string): { answers: Answers; streamed?: boolean } | null {
  if (path === '/v1/chat/completions') return { answers: openai }
  if (path.endsWith(':generateContent')) return { answers: gemini, streamed: false }
  if (path.endsWith(':streamGenerateContent?alt=sse')) return { answers: gemini, streamed: true }
  if (path.endsWith('/converse')) return { answers: converse, streamed: false }
  if (path.endsWith('/converse-stream')) return { answers: converse, streamed: true }
  return null
}
