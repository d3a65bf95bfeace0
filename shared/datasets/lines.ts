/**
 * Bytes → lines of text, as they arrive. UTF-8 characters and line ends may be cut anywhere.
 * @module
 */

/** Bytes of one line (counted as characters): beyond it a line is refused rather than held in memory. */
export const LONGEST_LINE = 8 * 1024 * 1024

export type LineFault = { line: number; problem: 'not_utf8' | 'too_long' }

export interface LineReader {
  /** Takes the next bytes. @returns a fault, after which nothing more is taken. */
  write(chunk: Uint8Array): LineFault | undefined
  /** The last line, which needs no line end. */
  end(): LineFault | undefined
}

const LINE_FEED = 0x0a

/** The line within these bytes whose characters are not UTF-8, counted from 0. */
const firstBadLine = (bytes: Uint8Array): number => {
  for (let start = 0, line = 0; ; line++) {
    const end = bytes.indexOf(LINE_FEED, start)
    const isLast = end === -1
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(start, isLast ? undefined : end), {
        stream: isLast,
      })
    } catch {
      return line
    }
    if (isLast) return line
    start = end + 1
  }
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

/**
 * @param onLine called for each line without its line end (LF or CRLF), numbered from 1. A byte order mark is taken off.
 */
export const createLineReader = (onLine: (line: string, number: number) => void): LineReader => {
  // `fatal` also refuses overlong forms and surrogates. The decoder takes off the byte order mark.
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  let number = 1
  /** What the decoder holds of a character cut by the chunk's end, to find the line of a fault. */
  let carried: Uint8Array = new Uint8Array()

  const emit = (line: string) => onLine(line.endsWith('\r') ? line.slice(0, -1) : line, number++)

  const take = (text: string): LineFault | undefined => {
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      emit(start === 0 && rest !== '' ? rest + text.slice(0, end) : text.slice(start, end))
      if (start === 0) rest = ''
      start = end + 1
    }
    rest += start === 0 ? text : text.slice(start)
    return rest.length > LONGEST_LINE ? { line: number, problem: 'too_long' } : undefined
  }

  return {
    write(chunk) {
      let text: string
      try {
        text = decoder.decode(chunk, { stream: true })
      } catch {
        const bytes = new Uint8Array(carried.length + chunk.length)
        bytes.set(carried)
        bytes.set(chunk, carried.length)
        return { line: number + firstBadLine(bytes), problem: 'not_utf8' }
      }
      // A chunk shorter than a character can leave a cut character longer than the chunk: keep up to three bytes.
      const recent = chunk.length >= 3 ? chunk : Uint8Array.from([...carried, ...chunk])
      carried = recent.slice(recent.length - unfinished(recent))
      return take(text)
    },
    end() {
      try {
        const fault = take(decoder.decode())
        if (fault) return fault
      } catch {
        return { line: number, problem: 'not_utf8' }
      }
      if (rest !== '') emit(rest)
      rest = ''
      return undefined
    },
  }
}
