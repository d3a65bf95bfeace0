/** OpenAI's chat completions over Converse and ConverseStream. */
import type { Channel, Provider } from '../../provider.ts'
import { toRequest } from './request.ts'
import { converseAnswer, type Head, toCompletion } from './response.ts'
import { toEventStream } from './stream.ts'

const headOf = ({ now }: Channel, model: string): Head => ({
  id: `chatcmpl-${crypto.randomUUID().replaceAll('-', '')}`,
  created: Math.floor(now() / 1000),
  model,
})

/** Whether the caller asked for a last chunk with the usage; the options have been checked with the request. */
const includesUsage = (options: unknown): boolean =>
  typeof options === 'object' &&
  options !== null &&
  'include_usage' in options &&
  options.include_usage === true

export const chat: Provider['chat'] = {
  async complete(channel, request) {
    const { body } = request
    const { outgoing, dropped } = toRequest(channel.settings, request)
    if (body.stream === true) {
      const { body: events } = await channel.open(outgoing)
      return {
        kind: 'stream',
        headers: new Headers({
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-cache',
        }),
        body: toEventStream(events, headOf(channel, body.model), includesUsage(body.stream_options)),
        dropped,
      }
    }
    const answer = await channel.read(converseAnswer, outgoing)
    return {
      kind: 'whole',
      headers: new Headers({ 'content-type': 'application/json' }),
      bytes: new TextEncoder().encode(JSON.stringify(toCompletion(answer, headOf(channel, body.model)))),
      dropped,
    }
  },
}
