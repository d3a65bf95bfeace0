/**
 * The UTF-8 byte order mark that some editors put before a file's text.
 * @module
 */
const MARK = [0xef, 0xbb, 0xbf]

/** Bytes of the mark. */
export const MARK_BYTES = MARK.length

export interface MarkDetector {
  write(chunk: Uint8Array): void
  readonly found: boolean
}

/** Looks at the first bytes of a stream, however it is cut. */
export const createMarkDetector = (): MarkDetector => {
  let seen = 0
  let matched = 0
  return {
    write(chunk) {
      for (let index = 0; seen < MARK_BYTES && index < chunk.length; index++, seen++) {
        if (chunk[index] === MARK[seen]) matched++
      }
    },
    get found() {
      return matched === MARK_BYTES
    },
  }
}

/** Leaves out a stream's first bytes. */
export const skipBytes = (count: number): TransformStream<Uint8Array, Uint8Array> => {
  let left = count
  return new TransformStream({
    transform(chunk, controller) {
      const rest = chunk.subarray(Math.min(left, chunk.length))
      left -= chunk.length - rest.length
      if (rest.length > 0) controller.enqueue(rest)
    },
  })
}
