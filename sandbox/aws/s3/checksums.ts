/** Checksums that travel with an object and are verified on arrival. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { S3Error } from './errors.ts'

const HEADER = 'x-amz-checksum-'

/** Headers of that prefix that say something about a checksum but are none. */
const ABOUT = new Set(['mode', 'algorithm', 'type'])

function crcBytes(bytes: Uint8Array): Buffer {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return sum
}

const digest = (name: string) => (bytes: Uint8Array) => createHash(name).update(bytes).digest()

const ALGORITHMS: Record<string, (bytes: Uint8Array) => Buffer> = {
  crc32: crcBytes,
  sha1: digest('sha1'),
  sha256: digest('sha256'),
}

/** The object's checksums as headers: only those that the sender gave. */
export type Checksums = Record<string, string>

/**
 * Verifies `content-md5` and every `x-amz-checksum-…` among the headers and trailers.
 *
 * @throws {S3Error} BadDigest, InvalidDigest; NotImplemented for an algorithm that the sandbox does not compute
 */
export function verifiedChecksums(bytes: Uint8Array, headers: Readonly<Record<string, string>>): Checksums {
  const md5 = headers['content-md5']
  if (md5 !== undefined && Buffer.from(md5, 'base64').byteLength !== 16) throw new S3Error('InvalidDigest')
  if (md5 !== undefined && digest('md5')(bytes).toString('base64') !== md5) {
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.')
  }
  const checksums: Checksums = {}
  for (const [header, given] of Object.entries(headers)) {
    if (!header.startsWith(HEADER) || ABOUT.has(header.slice(HEADER.length))) continue
    const name = header.slice(HEADER.length)
    const compute = ALGORITHMS[name]
    if (!compute) throw new S3Error('NotImplemented', `The sandbox does not compute ${name} checksums.`)
    if (compute(bytes).toString('base64') !== given) {
      throw new S3Error(
        'BadDigest',
        `The ${name.toUpperCase()} you specified did not match the calculated checksum.`,
      )
    }
    checksums[header] = given
  }
  return checksums
}
