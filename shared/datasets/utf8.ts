/**
 * Bytes → text, strictly UTF-8, as they arrive. Characters may be cut anywhere.
 * @module
 */

export interface Decoded {
  /** When the bytes are no UTF-8: up to the first character that is none, however they were cut. */
  text: string
  isBroken: boolean
}

export interface Utf8Reader {
  /** Takes the next bytes. After a broken answer it takes no more. */
  write(chunk: Uint8Array): Decoded
  end(): Decoded
  /** Whether the bytes began with a byte order mark, which is taken off. */
  readonly hasMark: boolean
}

const isSound = (bytes: Uint8Array): boolean => {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

/** Where the first character begins that is none. What is sound stays so when it is cut shorter: halving finds the place. */
const startOfBadCharacter = (bytes: Uint8Array): number => {
  let [sound, broken] = [0, bytes.length]
  while (broken - sound > 1) {
    const middle = (sound + broken) >> 1
    if (isSound(bytes.subarray(0, middle))) sound = middle
    else broken = middle
  }
  return sound - unfinished(bytes.subarray(0, sound))
}

/** How many bytes at the end belong to a character that is not complete yet (0 to 3). */
const unfinished = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    const isContinuation = byte >= 0x80 && byte < 0xc0
    if (isContinuation) continue
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    return back < length ? back : 0
  }
  return 0
}

export const createUtf8Reader = (): Utf8Reader => {
  // `fatal` also refuses overlong forms and surrogates.
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let isStart = true
  let hasMark = false
  /** What the decoder holds of a character cut by the chunk's end, to find where a fault begins. */
  let carried: Uint8Array = new Uint8Array()

  const withoutMark = (text: string): string => {
    if (!isStart || text === '') return text
    isStart = false
    hasMark = text.startsWith('\uFEFF')
    return hasMark ? text.slice(1) : text
  }

  return {
    get hasMark() {
      return hasMark
    },
    write(chunk) {
      let text: string
      try {
        text = decoder.decode(chunk, { stream: true })
      } catch {
        const bytes = new Uint8Array(carried.length + chunk.length)
        bytes.set(carried)
        bytes.set(chunk, carried.length)
        // What comes before the fault counts as well, whatever chunk it came in.
        const good = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
          bytes.subarray(0, startOfBadCharacter(bytes)),
        )
        return { text: withoutMark(good), isBroken: true }
      }
      // A chunk shorter than a character can leave a cut character longer than the chunk: keep up to three bytes.
      const recent = chunk.length >= 3 ? chunk : Uint8Array.from([...carried, ...chunk])
      carried = recent.slice(recent.length - unfinished(recent))
      return { text: withoutMark(text), isBroken: false }
    },
    end() {
      try {
        return { text: withoutMark(decoder.decode()), isBroken: false }
      } catch {
        return { text: '', isBroken: true }
      }
    },
  }
}
