/**
 * `streamGenerateContent` → OpenAI's chunks, event by event.
 * @module
 */
import { ProviderFault } from '../../provider.ts'
import { faultOf, isErrorObject } from '../faults.ts'
import { createEventReader } from './events.ts'
import {
  completionId,
  createdAt,
  type FinishReason,
  spokenText,
  toFinishReason,
  toToolCall,
  toUsage,
} from './response.ts'
import type { GenerateResponse } from './wire.ts'

interface Choice {
  calls: number
  /** Google's reason, once it is there. */
  reason: string | undefined
}

export interface ChunkOptions {
  /** As it was asked for. */
  model: string
  includeUsage: boolean
  /** Unix milliseconds. */
  now: number
}

/** Makes the text of OpenAI's events out of Google's. */
export interface Chunks {
  /** @throws {ProviderFault} for an error in the middle */
  event(json: string): string
  /** The last events, or undefined when the answer is not complete. */
  end(): string | undefined
}

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

export const createChunks = ({ model, includeUsage, now }: ChunkOptions): Chunks => {
  const choices = new Map<number, Choice>()
  let usage: GenerateResponse['usageMetadata']
  /** What all chunks begin with; made once, for there are many. */
  let head: string | undefined
  const tail = includeUsage ? ',"usage":null}\n\n' : '}\n\n'

  const headOf = (response: GenerateResponse): string => {
    const common = JSON.stringify({
      id: completionId(response),
      object: 'chat.completion.chunk',
      created: createdAt(response, now),
      model,
    })
    return `data: ${common.slice(0, -1)},"choices":[`
  }

  const chunk = (index: number, delta: string, reason: FinishReason | null = null): string =>
    `${head}{"index":${index},"delta":${delta},"logprobs":null,"finish_reason":${reason === null ? 'null' : `"${reason}"`}}]${tail}`

  const choiceAt = (index: number): { choice: Choice; isNew: boolean } => {
    const known = choices.get(index)
    if (known) return { choice: known, isNew: false }
    const choice: Choice = { calls: 0, reason: undefined }
    choices.set(index, choice)
    return { choice, isNew: true }
  }

  const candidateChunks = (candidate: NonNullable<GenerateResponse['candidates']>[number]): string => {
    const { index = 0, content, finishReason } = candidate
    const { choice, isNew } = choiceAt(index)
    const parts = content?.parts ?? []
    const text = spokenText(parts)
    const calls = parts
      .filter(({ functionCall }) => functionCall)
      .map(part => ({ index: choice.calls++, ...toToolCall(part) }))
    if (finishReason) choice.reason = finishReason
    if (!isNew && text === '' && calls.length === 0) return ''
    const role = isNew ? '"role":"assistant",' : ''
    const said = calls.length > 0 && text === '' ? 'null' : JSON.stringify(text)
    // Only a first chunk of calls alone says that there is no text; later ones leave it out.
    const words = calls.length > 0 && text === '' && !isNew ? '' : `"content":${said}`
    const made = calls.length > 0 ? `"tool_calls":${JSON.stringify(calls)}` : ''
    return chunk(index, `{${role}${words}${words !== '' && made !== '' ? ',' : ''}${made}}`)
  }

  return {
    event(json) {
      const value = parse(json)
      if (isErrorObject(value)) throw new ProviderFault('vertex_ai', faultOf(value))
      if (typeof value !== 'object' || value === null) return ''
      const response: GenerateResponse = value
      head ??= headOf(response)
      if (response.usageMetadata) usage = response.usageMetadata
      const candidates = response.candidates ?? []
      if (candidates.length === 0 && response.promptFeedback?.blockReason) {
        const { choice } = choiceAt(0)
        choice.reason = 'PROHIBITED_CONTENT'
        return chunk(0, '{"role":"assistant","content":null}')
      }
      return candidates.map(candidateChunks).join('')
    },
    end() {
      if (choices.size === 0) return undefined
      let text = ''
      for (const [index, { reason, calls }] of choices) {
        if (reason === undefined) return undefined
        text += chunk(index, '{}', toFinishReason(reason, calls > 0))
      }
      if (includeUsage) text += `${head}],"usage":${JSON.stringify(usage ? toUsage(usage) : null)}}\n\n`
      return `${text}data: [DONE]\n\n`
    },
  }
}

const encoder = new TextEncoder()

/**
 * The stream of an answer. It ends in `[DONE]` only if the answer was complete; an error object makes it fail with a
 * {@link ProviderFault}. Cancelling it cancels the upstream.
 */
export const toChunkStream = (
  upstream: ReadableStream<Uint8Array>,
  options: ChunkOptions,
): ReadableStream<Uint8Array> => {
  const reader = upstream.getReader()
  const events = createEventReader()
  const chunks = createChunks(options)
  const transform = (list: string[]): string => {
    let text = ''
    for (const event of list) text += chunks.event(event)
    return text
  }
  /** What is left, and how it ends. */
  const finish = (): string => {
    const { events: last, bare } = events.end()
    const text = transform(last)
    const error = bare === '' ? undefined : parse(bare)
    if (isErrorObject(error)) throw new ProviderFault('vertex_ai', faultOf(error))
    return text + (bare === '' ? (chunks.end() ?? '') : '')
  }
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const { value, done } = await reader.read()
        const text = done ? finish() : transform(events.push(value))
        if (text !== '') controller.enqueue(encoder.encode(text))
        if (done) controller.close()
        if (done || text !== '') return
      }
    },
    cancel: reason => reader.cancel(reason),
  })
}
