/**
 * A dataset on its way into a provider's format, in constant memory: what it becomes, what it would lose, how long it is.
 * @module
 */
import { badRequest } from '../openai/index.ts'
import type { Example, Format, Loss } from './formats/index.ts'
import { createLineReader, type LineFault } from './lines.ts'

const encoder = new TextEncoder()
export const MARK = new Uint8Array([0xef, 0xbb, 0xbf])

/** A loss and the line it is in, from 1. */
export interface LineLoss extends Loss {
  line: number
}

/** Losses told in full; the rest is counted. */
export const MOST_LOSSES = 100

export interface Survey {
  /** Bytes of the converted dataset. */
  bytes: number
  /** Lines of the converted dataset. */
  examples: number
  /** The first {@link MOST_LOSSES}. */
  losses: LineLoss[]
  lossCount: number
}

/** The refusal of a line that nothing can be made of. */
const unreadable = (line: number, why: string) =>
  badRequest('training_file', `Invalid dataset: line ${line} ${why}.`, 'invalid_dataset')

/** Refuses bytes that are no lines, which only a provider's own file can be. @param before lines that are not the reader's */
export const assertLine = (fault: LineFault | undefined, before = 0): void => {
  if (fault)
    throw unreadable(before + fault.line, fault.problem === 'too_long' ? 'is too long' : 'is not UTF-8')
}

// What was never checked here (a provider's own file) may be anything, and what is thrown may quote it.
const orUnreadable = <T>(line: number, why: string, run: () => T): T => {
  try {
    return run()
  } catch {
    throw unreadable(line, why)
  }
}

/**
 * One line in the format: undefined when it is blank, or nothing trainable is left.
 * @param number of the line, from 1
 * @throws {ApiError} 400 naming the line
 */
export const convertLine = (
  format: Format,
  text: string,
  number: number,
): { text: string | undefined; losses: LineLoss[] } => {
  const { convert } = format
  if (text.trim() === '') return { text: undefined, losses: [] }
  if (!convert) return { text, losses: [] }
  const value = orUnreadable(number, 'is not JSON', () => JSON.parse(text) as Example)
  const { written, losses } = orUnreadable(number, 'is not a training example', () => {
    const { line, losses } = convert(value)
    return { written: line === undefined ? undefined : JSON.stringify(line), losses }
  })
  return {
    text: written,
    losses: losses.map(loss => ({ ...loss, line: number })),
  }
}

/** Converts lines as they come; blank ones go. */
const createLines = (format: Format, onLine: (text: string) => void, onLoss: (loss: LineLoss) => void) =>
  createLineReader((text, line) => {
    const converted = convertLine(format, text, line)
    for (const loss of converted.losses) onLoss(loss)
    if (converted.text !== undefined) onLine(converted.text)
  })

/** Reads a whole dataset once, to know what its conversion gives before anything is sent. */
export const survey = async (body: ReadableStream<Uint8Array>, format: Format): Promise<Survey> => {
  const found: Survey = { bytes: format.mark ? MARK.length : 0, examples: 0, losses: [], lossCount: 0 }
  const lines = createLines(
    format,
    text => {
      found.examples++
      found.bytes += encoder.encode(text).length + 1
    },
    loss => {
      if (found.lossCount++ < MOST_LOSSES) found.losses.push(loss)
    },
  )
  for await (const chunk of body) assertLine(lines.write(chunk))
  assertLine(lines.end())
  return found
}

/** The dataset in the format: UTF-8, one example a line, LF; what cannot be carried over is left out. */
export const convert = (format: Format): TransformStream<Uint8Array, Uint8Array> => {
  let pending = ''
  const lines = createLines(
    format,
    text => {
      pending += `${text}\n`
    },
    () => undefined,
  )
  const flush = (controller: TransformStreamDefaultController<Uint8Array>) => {
    if (pending !== '') controller.enqueue(encoder.encode(pending))
    pending = ''
  }
  return new TransformStream({
    start(controller) {
      if (format.mark) controller.enqueue(MARK)
    },
    transform(chunk, controller) {
      assertLine(lines.write(chunk))
      flush(controller)
    },
    flush(controller) {
      assertLine(lines.end())
      flush(controller)
    },
  })
}
