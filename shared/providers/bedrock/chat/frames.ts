/**
 * `application/vnd.amazon.eventstream`: frames out of bytes that come cut anywhere.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html for the encoding
 * @module
 */
import { EventStreamCodec } from '@smithy/eventstream-codec'
import { joinBytes } from '../../../openai/index.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const codec = new EventStreamCodec(
  bytes => (typeof bytes === 'string' ? bytes : decoder.decode(bytes)),
  text => encoder.encode(text),
)

/** The shortest frame: lengths, their checksum, and the frame's. */
const LEAST_BYTES = 16
/** The longest that AWS sends: 16 MiB of payload, 128 KiB of headers. A length beyond it is no length. */
const MOST_BYTES = 16 * 1024 * 1024 + 128 * 1024 + LEAST_BYTES

export interface Frame {
  /** `event`, `exception` or `error`. */
  messageType: string
  /** The event's or the exception's name. */
  name: string
  /** An `error` has its words in a header, the others theirs in the payload. */
  message: string | undefined
  payload: Uint8Array
}

type Headers = ReturnType<EventStreamCodec['decode']>['headers']
const textIn = (headers: Headers, name: string): string | undefined => {
  const header = headers[name]
  return header?.type === 'string' ? header.value : undefined
}

const toFrame = (bytes: Uint8Array): Frame => {
  const { headers, body } = codec.decode(bytes)
  return {
    messageType: textIn(headers, ':message-type') ?? '',
    name:
      textIn(headers, ':event-type') ??
      textIn(headers, ':exception-type') ??
      textIn(headers, ':error-code') ??
      '',
    message: textIn(headers, ':error-message'),
    payload: body,
  }
}

const lengthAt = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset + offset, 4).getUint32(0)

export interface FrameReader {
  /** The frames that are whole with these bytes, one by one. @throws {Error} where a checksum or a length is wrong */
  read(chunk: Uint8Array): Iterable<Frame>
  /** Whether a frame has begun that has not ended. */
  readonly isInside: boolean
}

export const createFrameReader = (): FrameReader => {
  let held: Uint8Array = new Uint8Array()
  return {
    get isInside() {
      return held.length > 0
    },
    *read(chunk) {
      const bytes = joinBytes(held, chunk)
      let start = 0
      while (bytes.length - start >= 4) {
        const length = lengthAt(bytes, start)
        if (length < LEAST_BYTES || length > MOST_BYTES) throw new Error('A frame of an impossible length.')
        if (bytes.length - start < length) break
        yield toFrame(bytes.subarray(start, start + length))
        start += length
      }
      held = bytes.subarray(start)
    },
  }
}
