/**
 * `application/vnd.amazon.eventstream`: frames of headers and a payload, with a checksum over the lengths and one over all.
 *
 * @module
 */
import { crc32 } from 'node:zlib'

export const EVENT_STREAM = 'application/vnd.amazon.eventstream'

const PRELUDE_BYTES = 12
const CHECKSUM_BYTES = 4
/** The header type for UTF-8 text. */
const STRING = 7

function headerBytes(name: string, value: string): Buffer {
  const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)]
  const header = Buffer.alloc(1 + nameBytes.byteLength + 1 + 2 + valueBytes.byteLength)
  let at = header.writeUInt8(nameBytes.byteLength)
  at += nameBytes.copy(header, at)
  at = header.writeUInt8(STRING, at)
  at = header.writeUInt16BE(valueBytes.byteLength, at)
  valueBytes.copy(header, at)
  return header
}

/** One frame. */
export function frame(headers: Readonly<Record<string, string>>, payload: Uint8Array): Uint8Array {
  const headerBlock = Buffer.concat(Object.entries(headers).map(([name, value]) => headerBytes(name, value)))
  const total = PRELUDE_BYTES + headerBlock.byteLength + payload.byteLength + CHECKSUM_BYTES
  const bytes = Buffer.alloc(total)
  bytes.writeUInt32BE(total, 0)
  bytes.writeUInt32BE(headerBlock.byteLength, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8)
  headerBlock.copy(bytes, PRELUDE_BYTES)
  bytes.set(payload, PRELUDE_BYTES + headerBlock.byteLength)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, total - CHECKSUM_BYTES)), total - CHECKSUM_BYTES)
  return bytes
}

const json = (body: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(body))

export const eventFrame = (type: string, body: unknown): Uint8Array =>
  frame({ ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' }, json(body))

/** What comes when something goes wrong after the 200. */
export const exceptionFrame = (type: string, body: unknown): Uint8Array =>
  frame(
    { ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' },
    json(body),
  )
