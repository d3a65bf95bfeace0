/**
 * A body read as it comes.
 * @module
 */
import type { ChunkReader } from './ports.ts'

/** Hands on whatever chunks there are: for bodies and platforms that know no better way. */
export const plainChunks = (body: ReadableStream<Uint8Array>): ChunkReader => {
  const reader = body.getReader()
  return {
    async next() {
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return undefined
        if (value.length > 0) return value
      }
    },
    cancel: () => reader.cancel(),
  }
}
