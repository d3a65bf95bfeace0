/**
 * Server-sent events as OpenAI streams them: `data: {…}` lines, ended by `data: [DONE]`.
 * @module
 */
import type { ApiError } from './errors.ts'

const encoder = new TextEncoder()
const LINE_FEED = 0x0a
/** Enough of the end of a stream to hold `data: [DONE]` and its line ends. */
const TAIL_BYTES = 32
const DONE = /(^|\n)data: ?\[DONE\]\s*$/

/** An error as the last event of a stream: official clients throw it. It is never followed by `[DONE]`. */
export const errorEvent = (error: ApiError): Uint8Array =>
  encoder.encode(`\ndata: ${JSON.stringify(error.toBody())}\n\n`)

const join = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  if (a.length === 0) return b
  const joined = new Uint8Array(a.length + b.length)
  joined.set(a)
  joined.set(b, a.length)
  return joined
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
  let tail: Uint8Array = new Uint8Array()

  /** The whole lines so far; what follows the last line end waits for its rest. */
  const takeLines = (chunk: Uint8Array): Uint8Array => {
    const bytes = join(held, chunk)
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    held = bytes.subarray(end)
    const lines = bytes.subarray(0, end)
    if (lines.length > 0)
      tail = lines.length >= TAIL_BYTES ? lines.subarray(-TAIL_BYTES) : join(tail, lines).slice(-TAIL_BYTES)
    return lines
  }
  const isComplete = () => DONE.test(new TextDecoder().decode(join(tail, held)))

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        for (;;) {
          const { value, done } = await reader.read()
          if (done) {
            if (isComplete()) {
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
        controller.enqueue(errorEvent(onBroken(cause)))
        controller.close()
      }
    },
    cancel: reason => reader.cancel(reason),
  })
}
