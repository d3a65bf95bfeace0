/**
 * Server-sent events as OpenAI streams them: `data: {…}` lines, ended by `data: [DONE]`.
 * @module
 */
import { joinBytes } from './bytes.ts'
import type { ApiError } from './errors.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
/** The line that ends a stream, and a length it stays below: longer ones need no look. */
const DONE = /^data: ?\[DONE\]\s*$/
const DONE_BYTES = 32

/** The last line that is not blank, without its line end; empty when there is none. */
const lastLine = (bytes: Uint8Array): Uint8Array => {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] === LINE_FEED || bytes[end - 1] === CARRIAGE_RETURN)) end--
  return bytes.subarray(bytes.lastIndexOf(LINE_FEED, end - 1) + 1, end)
}

/** An error as the last event of a stream: official clients throw it. It is never followed by `[DONE]`. */
export const errorEvent = (error: ApiError): Uint8Array =>
  encoder.encode(`\n\ndata: ${JSON.stringify(error.toBody())}\n\n`)

/** Whether a stream whose last bytes these are has ended as it should. */
export const endsDone = (tail: Uint8Array): boolean => {
  const line = lastLine(tail)
  return line.length < DONE_BYTES && DONE.test(decoder.decode(line))
}

/**
 * Passes an event stream on byte for byte, chunk by chunk, and makes its end honest: when the upstream breaks off, or
 * ends without `[DONE]`, the client gets an error event in place of a clean end. Only an unfinished line is held
 * back, so that what follows a break is a readable event. Cancelling the result cancels the upstream.
 */
export const guardEventStream = (
  upstream: ReadableStream<Uint8Array>,
  onBroken: (cause?: unknown) => ApiError,
): ReadableStream<Uint8Array> => {
  const reader = upstream.getReader()
  let held: Uint8Array = new Uint8Array()
  /** Whether the last line so far that is not blank is `data: [DONE]`. */
  let isDone = false
  let isCancelled = false

  const endsAfter = (bytes: Uint8Array): boolean => {
    const line = lastLine(bytes)
    if (line.length === 0) return isDone
    return endsDone(line)
  }

  /** The whole lines so far; what follows the last line end waits for its rest. */
  const takeLines = (chunk: Uint8Array): Uint8Array => {
    const bytes = joinBytes(held, chunk)
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    held = bytes.subarray(end)
    const lines = bytes.subarray(0, end)
    isDone = endsAfter(lines)
    return lines
  }

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        for (;;) {
          const { value, done } = await reader.read()
          if (isCancelled) return
          if (done) {
            if (endsAfter(held)) {
              if (held.length > 0) controller.enqueue(held)
            } else controller.enqueue(errorEvent(onBroken()))
            controller.close()
            return
          }
          const lines = takeLines(value)
          if (lines.length > 0) {
            controller.enqueue(lines)
            return
          }
        }
      } catch (cause) {
        // A connection reset after `[DONE]` takes nothing from the answer.
        if (!isDone) controller.enqueue(errorEvent(onBroken(cause)))
        controller.close()
      }
    },
    cancel(reason) {
      isCancelled = true
      return reader.cancel(reason)
    },
  })
}
