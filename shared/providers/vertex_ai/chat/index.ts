/** Chat with Gemini, base models and tuned ones: `generateContent` and `streamGenerateContent`. */
import * as z from 'zod'
import type { Channel, ChatAnswer, ChatRequest } from '../../provider.ts'
import { aiplatformUrl, type Place } from '../hosts.ts'
import { toGenerateRequest } from './request.ts'
import { toCompletion } from './response.ts'
import { toChunkStream } from './stream.ts'
import type { GenerateResponse } from './wire.ts'

/** Any JSON object: what is missing of an answer is its mapping's affair. */
const generateResponse = z.custom<GenerateResponse>(
  value => typeof value === 'object' && value !== null && !Array.isArray(value),
)

/** What answers `generateContent`: an endpoint or a publisher's model, where it is served. */
export interface Speaker {
  place: Place
  segments: readonly string[]
}

const encoder = new TextEncoder()

/** Asks Gemini. @param request with the model as the caller named it */
export const generate = async (
  channel: Channel,
  speaker: Speaker,
  request: ChatRequest,
): Promise<ChatAnswer> => {
  const { body, includeUsage, dropped } = toGenerateRequest(request)
  const { model, stream } = request.body
  const outgoing = (verb: string, query: Record<string, string> = {}) => ({
    method: 'POST' as const,
    url: aiplatformUrl(channel.settings, speaker.place, speaker.segments, { verb, query }),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    // The official clients repeat a completion themselves; twice repeated is paid twice.
    repeat: 'never' as const,
    endsWithRequest: true,
  })
  if (stream === true) {
    const answer = await channel.open(outgoing('streamGenerateContent', { alt: 'sse' }))
    return {
      kind: 'stream',
      headers: new Headers({ 'content-type': 'text/event-stream; charset=utf-8' }),
      body: toChunkStream(answer.body, { model, includeUsage, now: channel.now() }),
      dropped,
    }
  }
  const response = await channel.read(generateResponse, outgoing('generateContent'))
  return {
    kind: 'whole',
    headers: new Headers({ 'content-type': 'application/json' }),
    bytes: encoder.encode(JSON.stringify(toCompletion(response, model, channel.now()))),
    dropped,
  }
}
