/**
 * Streams by workerd's own means: what JavaScript does not touch costs next to nothing.
 * @module
 */
import { plainChunks } from '../chunks.ts'
import type { Platform } from '../ports.ts'

/** workerd's pass-through without JavaScript, and its stream that tells fetch its length, so that nothing is chunked. */
declare const IdentityTransformStream: new () => TransformStream<Uint8Array, Uint8Array>
declare const FixedLengthStream: new (size: number) => TransformStream<Uint8Array, Uint8Array>

/** workerd's reader fills a buffer to a least number of bytes, where others answer with whatever came. */
interface FillingReader {
  readAtLeast(least: number, view: Uint8Array): Promise<{ value?: Uint8Array; done: boolean }>
  cancel(): Promise<void>
}

export const sizedBody: Platform['sizedBody'] = (pieces, size) => {
  const { readable, writable } = new FixedLengthStream(size)
  const pump = async () => {
    for (const each of pieces) {
      const piece = typeof each === 'function' ? await each() : each
      if (piece instanceof ReadableStream) await piece.pipeTo(writable, { preventClose: true })
      else {
        const writer = writable.getWriter()
        await writer.write(piece)
        writer.releaseLock()
      }
    }
    await writable.close()
  }
  // A failure reaches the request through its body; here it must only not go unhandled.
  pump().catch(cause => writable.abort(cause).catch(() => undefined))
  return readable
}

/** Bytes kept of the end of a relayed body. */
const TAIL_BYTES = 256
const WATCH_BYTES = 64 * 1024
/** Milliseconds between looks: rare enough to cost nothing, often enough that little waits in memory. */
const WATCH_EVERY_MS = 100

/** Reads along behind, and knows a body's last bytes when it has ended. */
const watchTail = (body: ReadableStream<Uint8Array>) => {
  const reader = body.getReader({ mode: 'byob' })
  let tail: Uint8Array = new Uint8Array()
  let hurry: () => void = () => undefined
  const hurried = new Promise<void>(resolve => {
    hurry = resolve
  })
  let isHurried = false
  const rest = async () => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const pause = new Promise<void>(resolve => {
      timer = setTimeout(resolve, WATCH_EVERY_MS)
    })
    await Promise.race([pause, hurried])
    clearTimeout(timer)
  }
  const read = async () => {
    for (;;) {
      if (!isHurried) await rest()
      const { value, done } = await reader.read(new Uint8Array(WATCH_BYTES))
      if (value && value.length > 0) {
        const joined = new Uint8Array(tail.length + Math.min(value.length, TAIL_BYTES))
        joined.set(tail)
        joined.set(value.subarray(-TAIL_BYTES), tail.length)
        tail = joined.slice(-TAIL_BYTES)
      }
      if (done) return
    }
  }
  const ended = read().catch(() => undefined)
  return {
    /** The last bytes; to be asked for when the body has ended. */
    async tail() {
      isHurried = true
      hurry()
      await ended
      return tail
    },
    async cancel() {
      isHurried = true
      hurry()
      await reader.cancel().catch(() => undefined)
    },
  }
}

export const relay: Platform['relay'] = (body, atEnd) => {
  const [through, watched] = body.tee()
  const watcher = watchTail(watched)
  const { readable, writable } = new IdentityTransformStream()
  const run = async () => {
    let broken: { cause: unknown } | undefined
    try {
      await through.pipeTo(writable, { preventClose: true, preventAbort: true })
    } catch (cause) {
      broken = { cause }
    }
    // A pipe also breaks when the client has gone: then the other branch alone would keep the upstream going.
    if (broken) await watcher.cancel()
    const last = atEnd(await watcher.tail(), broken)
    const writer = writable.getWriter()
    if (last) await writer.write(last)
    await writer.close()
  }
  run().catch(() => undefined)
  return readable
}

const CHUNK_BYTES = 128 * 1024

const fillingReaderOf = (body: ReadableStream<Uint8Array>): FillingReader | undefined => {
  try {
    return body.getReader({ mode: 'byob' }) as unknown as FillingReader
  } catch {
    // A stream made in JavaScript, unless it was made for such readers.
    return undefined
  }
}

export const chunks: Platform['chunks'] = body => {
  const reader = fillingReaderOf(body)
  if (!reader) return plainChunks(body)
  return {
    async next(spent) {
      const memory =
        spent?.buffer.byteLength === CHUNK_BYTES ? new Uint8Array(spent.buffer) : new Uint8Array(CHUNK_BYTES)
      const { value } = await reader.readAtLeast(CHUNK_BYTES, memory)
      return value && value.length > 0 ? value : undefined
    },
    cancel: () => reader.cancel(),
  }
}
