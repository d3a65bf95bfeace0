/** Cuts a stream into equal parts, holding one at a time. */

/** Bytes. S3 takes from 5 MiB for all but the last, up to 10,000 of them: this allows for 78 GiB. */
export const PART_BYTES = 8 * 1024 * 1024

export interface Parts {
  /** The beginning, which may be all of it. */
  first: Uint8Array<ArrayBuffer>
  /** Every part, the first among them; undefined when the first is all. Each is good until the next is asked for. */
  all: AsyncIterable<Uint8Array<ArrayBuffer>> | undefined
}

/** Reads the beginning of a stream, and the rest as it is asked for. */
export const partsOf = async (
  stream: ReadableStream<Uint8Array>,
  partBytes: number = PART_BYTES,
): Promise<Parts> => {
  const reader = stream.getReader()
  let rest: Uint8Array = new Uint8Array()
  let buffer = new Uint8Array(0)

  /** Small files do not cost a whole part's memory. */
  const makeRoom = (filled: number, wanted: number) => {
    if (buffer.length >= Math.min(partBytes, filled + wanted)) return
    const grown = new Uint8Array(Math.min(partBytes, Math.max(buffer.length * 2, filled + wanted)))
    grown.set(buffer.subarray(0, filled))
    buffer = grown
  }

  /** The next part; shorter than a part only at the end, and then maybe empty. */
  const next = async (): Promise<Uint8Array<ArrayBuffer>> => {
    let filled = 0
    while (filled < partBytes) {
      if (rest.length === 0) {
        const { value, done } = await reader.read()
        if (done) break
        rest = value
      }
      makeRoom(filled, rest.length)
      const taken = rest.subarray(0, buffer.length - filled)
      buffer.set(taken, filled)
      filled += taken.length
      rest = rest.subarray(taken.length)
    }
    return buffer.subarray(0, filled)
  }

  async function* all(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      for (let part = first; part.length > 0; part = await next()) {
        yield part
        if (part.length < partBytes) return
      }
    } finally {
      // Whoever stops early leaves a source that would wait to be read.
      await reader.cancel().catch(() => undefined)
    }
  }

  const first = await next()
  return { first, all: first.length < partBytes ? undefined : all() }
}
