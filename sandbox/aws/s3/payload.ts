/** What stands in an upload's body: the bytes themselves, or `aws-chunked` ones with a checksum behind them. */
import { type RawRequest, sha256 } from '../sigv4.ts'
import { S3Error } from './errors.ts'

const UNSIGNED = 'UNSIGNED-PAYLOAD'
const CHUNKED = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'

/** What S3 has a client sign in the body's stead: the header, or nothing at all in a presigned URL. */
export const signedPayload = ({ headers }: RawRequest, presigned: boolean): string =>
  headers['x-amz-content-sha256'] ?? (presigned ? UNSIGNED : '')

export interface Payload {
  bytes: Uint8Array<ArrayBuffer>
  /** Headers that came after the body. */
  trailers: Record<string, string>
}

/**
 * @throws {S3Error} if the body is not what `x-amz-content-sha256` says
 */
export function payloadOf({ headers, body }: RawRequest): Payload {
  const declared = headers['x-amz-content-sha256']
  if (declared === CHUNKED) return unchunked(body, headers)
  if (declared?.startsWith('STREAMING-')) {
    throw new S3Error('NotImplemented', `The sandbox does not read ${declared} bodies.`)
  }
  if (declared !== undefined && declared !== UNSIGNED) {
    if (!/^[0-9a-f]{64}$/.test(declared)) {
      throw new S3Error(
        'InvalidArgument',
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.',
      )
    }
    const computed = sha256(body)
    if (computed !== declared) {
      throw new S3Error('XAmzContentSHA256Mismatch', undefined, {
        ClientComputedContentSHA256: declared,
        S3ComputedContentSHA256: computed,
      })
    }
  }
  return { bytes: body, trailers: {} }
}

const CRLF = '\r\n'

/** Chunks `SIZE⏎bytes⏎` in hex, an empty one at the end, then trailers. */
function unchunked(body: Uint8Array<ArrayBuffer>, headers: RawRequest['headers']): Payload {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const chunks: Buffer[] = []
  let at = 0
  const line = (): string => {
    const end = buffer.indexOf(CRLF, at)
    if (end < 0) throw new S3Error('IncompleteBody')
    const text = buffer.toString('latin1', at, end)
    at = end + CRLF.length
    return text
  }
  for (;;) {
    const size = /^[0-9a-fA-F]+$/.exec(line())?.[0]
    if (size === undefined) throw new S3Error('InvalidRequest', 'The aws-chunked body is not well-formed.')
    const length = Number.parseInt(size, 16)
    if (length === 0) break
    chunks.push(buffer.subarray(at, at + length))
    at += length
    if (line() !== '') throw new S3Error('IncompleteBody')
  }
  const trailers: Record<string, string> = {}
  for (let text = line(); text !== ''; text = line()) {
    const [name = '', ...value] = text.split(':')
    trailers[name.trim().toLowerCase()] = value.join(':').trim()
  }
  const bytes = new Uint8Array(Buffer.concat(chunks))
  if (Number(headers['x-amz-decoded-content-length']) !== bytes.byteLength) {
    throw new S3Error('IncompleteBody', 'x-amz-decoded-content-length is not the length of the decoded body.')
  }
  for (const name of (headers['x-amz-trailer'] ?? '').split(',').map(each => each.trim().toLowerCase())) {
    if (name !== '' && !(name in trailers)) {
      throw new S3Error('InvalidRequest', `The trailer ${name} was announced but did not come.`)
    }
  }
  return { bytes, trailers }
}
