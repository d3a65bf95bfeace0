/**
 * A dataset on its way into a provider's format, in constant memory: what it becomes, what it would lose, how long it is.
 * @module
 */
import type { Example, Format, Loss } from './formats/index.ts'
import { createLineReader } from './lines.ts'

const encoder = new TextEncoder()
const MARK = new Uint8Array([0xef, 0xbb, 0xbf])

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

/** Converts lines as they come; blank ones go. */
const createLines = (format: Format, onLine: (text: string) => void, onLoss: (loss: LineLoss) => void) =>
  createLineReader((text, line) => {
    if (text.trim() === '') return
    if (!format.convert) return onLine(text)
    const { line: converted, losses } = format.convert(JSON.parse(text) as Example)
    for (const loss of losses) onLoss({ ...loss, line })
    if (converted !== undefined) onLine(JSON.stringify(converted))
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
