/** `multipart/related`: the metadata, then the bytes, in one body. */
import { invalid } from './errors.ts'

export interface RelatedPart {
  contentType: string
  bytes: Buffer
}

const CRLF = Buffer.from('\r\n')
const HEADER_END = Buffer.from('\r\n\r\n')

/**
 * Cuts a body at its boundary (RFC 2046 §5.1).
 *
 * @throws {StorageError} 400
 */
export function relatedParts(body: Buffer, contentType: string): RelatedPart[] {
  const [, quoted, plain] =
    /^multipart\/related\s*;.*?\bboundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw invalid('The body must be multipart/related with a boundary.')
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  // The first delimiter has no line end before it.
  const text = Buffer.concat([CRLF, body])
  const parts: RelatedPart[] = []
  let from = text.indexOf(delimiter)
  while (from >= 0) {
    from += delimiter.byteLength
    if (text.subarray(from, from + 2).toString() === '--') return parts
    const end = text.indexOf(delimiter, from)
    if (end < 0) break
    parts.push(partOf(text.subarray(from, end)))
    from = end
  }
  throw invalid('The multipart body does not end with its boundary.')
}

function partOf(part: Buffer): RelatedPart {
  const headerEnd = part.indexOf(HEADER_END)
  if (headerEnd < 0) throw invalid('A part of the multipart body has no end of headers.')
  const headers = part.subarray(0, headerEnd).toString('latin1')
  return {
    contentType: /^content-type:\s*(.+)$/im.exec(headers)?.[1]?.trim() ?? 'application/octet-stream',
    bytes: part.subarray(headerEnd + HEADER_END.byteLength),
  }
}
