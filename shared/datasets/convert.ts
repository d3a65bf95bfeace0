/**
 * A dataset on its way into a provider's format, in constant memory: what it becomes, what it would lose, how long it is.
 * @module
 */
import type { Example, Format, Loss } from './formats/index.ts'
import { createLineReader } from './lines.ts'

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

/** One line in the format: undefined when it is blank, or nothing trainable is left. The line's number is the caller's to add. */
export const convertLine = (format: Format, text: string): { text: string | undefined; losses: Loss[] } => {
  if (text.trim() === '') return { text: undefined, losses: [] }
  if (!format.convert) return { text, losses: [] }
  const { line, losses } = format.convert(JSON.parse(text) as Example)
  return { text: line === undefined ? undefined : JSON.stringify(line), losses }
}

/** Converts lines as they come; blank ones go. */
const createLines = (format: Format, onLine: (text: string) => void, onLoss: (loss: LineLoss) => void) =>
  createLineReader((text, line) => {
    const converted = convertLine(format, text)
    for (const loss of converted.losses) onLoss({ ...loss, line })
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
  for await (const chunk of body) lines.write(chunk)
  lines.end()
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
      lines.write(chunk)
      flush(controller)
    },
    flush(controller) {
      lines.end()
      flush(controller)
    },
  })
}
