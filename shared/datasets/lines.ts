/**
 * Bytes → lines of text, as they arrive. UTF-8 characters and line ends may be cut anywhere.
 * @module
 */

/** Characters of one line, without its line end: beyond it a line is refused rather than held in memory. */
export const LONGEST_LINE = 8 * 1024 * 1024

export type LineFault = { line: number; problem: 'not_utf8' | 'too_long' }

export interface LineReader {
  /** Takes the next bytes. @returns a fault, after which nothing more is taken. */
  write(chunk: Uint8Array): LineFault | undefined
  /** The last line, which needs no line end. */
  end(): LineFault | undefined
}

const LINE_FEED = 0x0a

/** Where the line begins whose characters are not UTF-8. */
const startOfBadLine = (bytes: Uint8Array): number => {
  for (let start = 0; ; ) {
    const end = bytes.indexOf(LINE_FEED, start)
    const isLast = end === -1
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(start, isLast ? undefined : end), {
        stream: isLast,
      })
    } catch {
      return start
    }
    if (isLast) return start
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

const withoutReturn = (line: string) => (line.endsWith('\r') ? line.slice(0, -1) : line)

/**
 * @param onLine called for each line without its line end (LF or CRLF), numbered from 1. A byte order mark is taken off.
 */
export const createLineReader = (onLine: (line: string, number: number) => void): LineReader => {
  // `fatal` also refuses overlong forms and surrogates.
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let isStart = true
  let rest = ''
  let number = 1
  /** What the decoder holds of a character cut by the chunk's end, to find the line of a fault. */
  let carried: Uint8Array = new Uint8Array()

  const tooLong = (): LineFault => ({ line: number, problem: 'too_long' })

  const emit = (text: string): LineFault | undefined => {
    const line = withoutReturn(text)
    if (line.length > LONGEST_LINE) return tooLong()
    onLine(line, number++)
    return undefined
  }

  const take = (decoded: string): LineFault | undefined => {
    const text = isStart ? decoded.replace(/^\uFEFF/, '') : decoded
    isStart &&= decoded === ''
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      const fault = emit(start === 0 && rest !== '' ? rest + text.slice(0, end) : text.slice(start, end))
      if (fault) return fault
      if (start === 0) rest = ''
      start = end + 1
    }
    rest += start === 0 ? text : text.slice(start)
    // Looked at more closely only when long: the text is joined in memory by that.
    return rest.length > LONGEST_LINE && withoutReturn(rest).length > LONGEST_LINE ? tooLong() : undefined
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
        // The lines before the bad one count as well, whatever chunk they came in.
        const good = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
          bytes.subarray(0, startOfBadLine(bytes)),
        )
        return take(good) ?? { line: number, problem: 'not_utf8' }
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
      const last = rest
      rest = ''
      return last === '' ? undefined : emit(last)
    },
  }
}
