/**
 * A converted dataset in parts of equal size, each of which can be made by itself: a part is known by the line of the source that it
 * begins in, and how much of that line's conversion comes before it.
 * @module
 */
import type { ChunkReader } from '../platform/index.ts'
import { assertLine, convertLine, type LineLoss, MARK } from './convert.ts'
import { BITE, createEncoder } from './encode.ts'
import type { Format } from './formats/index.ts'
import { createLineReader, type LineFault } from './lines.ts'

/** Where a part begins. */
export interface PartStart {
  /** Byte of the source at which a line begins. */
  source: number
  /** That line's number, from 1. */
  line: number
  /** Bytes of the conversion from that line on that belong to earlier parts. */
  skip: number
  /** Lines up to this one have been counted with earlier parts. */
  counted: number
}

export const FIRST_PART: PartStart = { source: 0, line: 1, skip: 0, counted: 0 }

export interface Cut {
  /** Good until the next part is asked for. */
  bytes: Uint8Array<ArrayBuffer>
  /** Where the next part begins. */
  next: PartStart
  /** Of the lines that were read for this part and for none before it. */
  examples: number
  losses: LineLoss[]
}

const LINE_FEED = 0x0a

/**
 * The parts of a dataset from one on. The last may be shorter, and is empty where nothing but losses comes after the one before.
 * @param source the source from `start.source` on
 * @param part memory of a part's size: all parts are made in it, one after the other
 * @throws {ApiError} 400 naming a line that cannot be read
 */
export async function* cutParts(
  source: ChunkReader,
  format: Format,
  start: PartStart,
  part: Uint8Array<ArrayBuffer>,
): AsyncGenerator<Cut> {
  const partBytes = part.length
  const encode = createEncoder()
  let filled = 0
  let { skip } = start
  let pending = ''
  let line = start.line - 1
  let examples = 0
  let losses: LineLoss[] = []
  /** The last place between two lines that is known, and the bytes made since the start up to there. */
  let known = { source: start.source, line: start.line, made: 0 }
  let made = 0
  let read = start.source

  /** Another reader, to whom the source came otherwise cut, may have counted further. */
  const counted = () => Math.max(line, start.counted)

  const reader = createLineReader((text, number) => {
    line = start.line - 1 + number
    const converted = convertLine(format, text, line)
    if (converted.text !== undefined) pending += `${converted.text}\n`
    if (line <= start.counted) return
    if (converted.text !== undefined) examples++
    losses.push(...converted.losses)
  })
  const check = (fault: LineFault | undefined) => assertLine(fault, start.line - 1)
  const cut = (next: PartStart): Cut => {
    const result = { bytes: part.subarray(0, filled), next, examples, losses }
    filled = 0
    examples = 0
    losses = []
    return result
  }
  /** Fills parts with what has been made. @param here where the next line begins, if that is known */
  function* fill(bytes: Uint8Array, here: PartStart): Generator<Cut> {
    let rest = bytes.subarray(Math.min(skip, bytes.length))
    skip -= bytes.length - rest.length
    let at = made + bytes.length - rest.length
    made += bytes.length
    while (rest.length > 0) {
      const taken = rest.subarray(0, partBytes - filled)
      part.set(taken, filled)
      filled += taken.length
      at += taken.length
      rest = rest.subarray(taken.length)
      if (filled < partBytes) return
      yield cut(
        at === made
          ? here
          : { source: known.source, line: known.line, skip: at - known.made, counted: counted() },
      )
    }
  }
  /** Takes bytes that end with a line. */
  function* take(bytes: Uint8Array): Generator<Cut> {
    check(reader.write(bytes))
    read += bytes.length
    yield* flush()
  }
  function* flush(): Generator<Cut> {
    const text = encode(pending)
    pending = ''
    yield* fill(text, { source: read, line: line + 1, skip: 0, counted: counted() })
    known = { source: read, line: line + 1, made }
  }

  if (format.mark && start.source === 0) {
    yield* fill(MARK, { ...FIRST_PART, skip: MARK.length })
    // Before the first line there is no other place to begin at.
    known = { source: 0, line: 1, made: 0 }
  }
  try {
    for (let chunk = await source.next(); chunk; chunk = await source.next(chunk)) {
      for (let start = 0; start < chunk.length; start += BITE) {
        const bite = chunk.subarray(start, start + BITE)
        const end = bite.lastIndexOf(LINE_FEED) + 1
        if (end > 0) yield* take(bite.subarray(0, end))
        check(reader.write(bite.subarray(end)))
        read += bite.length - end
      }
    }
  } finally {
    // Whoever has enough of the parts wants no more of the source.
    await source.cancel().catch(() => undefined)
  }
  check(reader.end())
  yield* flush()
  if (filled > 0 || losses.length > 0)
    yield cut({ source: read, line: line + 1, skip: 0, counted: counted() })
}
