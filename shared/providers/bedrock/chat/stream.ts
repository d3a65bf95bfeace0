/**
 * ConverseStream's events → OpenAI's chunks, as server-sent events. The stream is whole only if it ends in `[DONE]`; what
 * goes wrong in it, even after a 200, ends it with an error.
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
 * @module
 */
import { ProviderFault } from '../../provider.ts'
import { faultOf } from '../faults.ts'
import { createFrameReader, type Frame } from './frames.ts'
import { type Head, toFinish, toUsage, type Usage } from './response.ts'

/** As much of all events as is read; a payload also has a padding of random length. */
interface Payload {
  contentBlockIndex?: number
  start?: { toolUse?: { toolUseId: string; name: string } }
  delta?: { text?: string; toolUse?: { input?: string }; reasoningContent?: { text?: string } }
  stopReason?: string
  usage?: Partial<Usage>
}

/** The status that each exception would have had before the stream began. */
const STATUS: Record<string, number> = {
  InternalServerException: 500,
  ModelStreamErrorException: 424,
  ModelTimeoutException: 408,
  ServiceUnavailableException: 503,
  ThrottlingException: 429,
  ValidationException: 400,
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** An exception inside a 200. Its name begins with a small letter here. */
const toFault = ({ name, message, payload }: Frame): ProviderFault => {
  const native = name.charAt(0).toUpperCase() + name.slice(1)
  let said = message
  try {
    said ??= (JSON.parse(decoder.decode(payload)) as { message?: string }).message
  } catch {
    // Without words the name has to do.
  }
  const words = typeof said === 'string' ? said : undefined
  return new ProviderFault('bedrock', faultOf(STATUS[native] ?? 500, { name: native, message: words }))
}

const DONE = 'data: [DONE]\n\n'

export interface Translator {
  /** One event as server-sent events; empty for one that says nothing. @throws {ProviderFault} for an exception */
  translate(frame: Frame): string
  /** What comes at the end of the upstream. @throws {Error} when the answer is not whole */
  end(): string
}

/** Turns events into chunks, one after the other. */
export const createTranslator = ({ id, created, model }: Head, includeUsage: boolean): Translator => {
  // Only what stands between these differs from chunk to chunk.
  const head = JSON.stringify({ id, object: 'chat.completion.chunk', created, model }).slice(0, -1)
  const noUsage = includeUsage ? ',"usage":null' : ''
  const chunk = (delta: object, finish: string | null = null) =>
    `data: ${head},"choices":[{"index":0,"delta":${JSON.stringify(delta)},"logprobs":null,"finish_reason":${JSON.stringify(finish)}}]${noUsage}}\n\n`

  /** The place of each tool call among the calls, by its block; whether it has said anything of its arguments. */
  const calls = new Map<number, { index: number; isEmpty: boolean }>()
  let isFinished = false
  let isDone = false

  const argumentsOf = (index: number, text: string) =>
    chunk({ tool_calls: [{ index, function: { arguments: text } }] })

  const events: Record<string, (payload: Payload) => string> = {
    messageStart: () => chunk({ role: 'assistant', content: '', refusal: null }),
    contentBlockStart: ({ contentBlockIndex = 0, start }) => {
      if (!start?.toolUse) return ''
      const index = calls.size
      calls.set(contentBlockIndex, { index, isEmpty: true })
      const { toolUseId, name } = start.toolUse
      return chunk({
        tool_calls: [{ index, id: toolUseId, type: 'function', function: { name, arguments: '' } }],
      })
    },
    contentBlockDelta: ({ contentBlockIndex = 0, delta }) => {
      if (delta?.text !== undefined) return delta.text === '' ? '' : chunk({ content: delta.text })
      if (delta?.reasoningContent?.text) return chunk({ reasoning_content: delta.reasoningContent.text })
      const call = calls.get(contentBlockIndex)
      if (!delta?.toolUse?.input || !call) return ''
      call.isEmpty = false
      return argumentsOf(call.index, delta.toolUse.input)
    },
    contentBlockStop: ({ contentBlockIndex = 0 }) => {
      // A call without arguments is one with an empty object: clients parse what they get.
      const call = calls.get(contentBlockIndex)
      return call?.isEmpty ? argumentsOf(call.index, '{}') : ''
    },
    messageStop: ({ stopReason = '' }) => {
      const finish = toFinish(stopReason)
      isFinished = true
      return chunk({}, finish)
    },
    metadata: ({ usage }) => {
      if (!isFinished || isDone) return ''
      isDone = true
      const { inputTokens = 0, outputTokens = 0, ...cache } = usage ?? {}
      const tokens = usage && toUsage({ inputTokens, outputTokens, ...cache })
      return (
        (includeUsage && tokens ? `data: ${head},"choices":[],"usage":${JSON.stringify(tokens)}}\n\n` : '') +
        DONE
      )
    },
  }

  return {
    translate(frame) {
      if (frame.messageType === 'exception' || frame.messageType === 'error') throw toFault(frame)
      const event = Object.hasOwn(events, frame.name) ? events[frame.name] : undefined
      return event?.(JSON.parse(decoder.decode(frame.payload)) as Payload) ?? ''
    },
    end() {
      if (isDone) return ''
      if (!isFinished) throw new Error('The stream ended before the answer did.')
      isDone = true
      return DONE
    },
  }
}

/**
 * The whole way from bytes to bytes. Chunks that come together go together. Cancelling the result cancels the upstream;
 * an error comes after all that was read before it.
 */
export const toEventStream = (
  upstream: ReadableStream<Uint8Array>,
  head: Head,
  includeUsage: boolean,
): ReadableStream<Uint8Array> => {
  const reader = upstream.getReader()
  const frames = createFrameReader()
  const translator = createTranslator(head, includeUsage)
  let broken: { cause: unknown } | undefined

  /** What a chunk comes to. What is wrong in it is kept for when this has been read. */
  const translate = (bytes: Uint8Array): string => {
    let text = ''
    try {
      for (const frame of frames.read(bytes)) text += translator.translate(frame)
    } catch (cause) {
      broken = { cause }
    }
    return text
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          if (broken) {
            await reader.cancel(broken.cause).catch(() => undefined)
            throw broken.cause
          }
          const { value, done } = await reader.read()
          if (done) {
            if (frames.isInside) throw new Error('The stream broke off inside a frame.')
            const rest = translator.end()
            if (rest !== '') controller.enqueue(encoder.encode(rest))
            controller.close()
            return
          }
          const text = translate(value)
          if (text === '') continue
          controller.enqueue(encoder.encode(text))
          return
        }
      },
      cancel: reason => reader.cancel(reason),
    },
    // Nothing is read ahead of who reads.
    { highWaterMark: 0 },
  )
}
