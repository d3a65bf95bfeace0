/**
 * Bytes that are in the bucket already, read once before they are made a file.
 * @module
 */
import { createHash } from 'node:crypto'
import type { Context } from '../context.ts'
import { badRequest } from '../openai/index.ts'
import { canonicalise, sourceFormatOf } from './canonical.ts'
import { watched } from './lease.ts'
import { joined } from './origins.ts'
import type { FileRecord, Segment } from './records.ts'
import { createValidator } from './validator.ts'

/** What is known of a file once its bytes have been read, and where they are kept. */
export type Findings = Pick<FileRecord, 'examples' | 'sha256' | 'segments' | 'bytes' | 'source_format'>

export interface CheckWish {
  isDataset: boolean
  /** What it must be, hex. */
  md5?: string | undefined
  /** Where the canonical lines go, should the bytes be others. */
  canonicalKey: string
  /** Called as the bytes pass. */
  alive?: () => Promise<void>
}

/**
 * Reads the objects once, one after the other, if there is anything to be learned from it: whether they are a dataset, and
 * whether they have this MD5. A dataset that is not canonical is read once more, and kept as its canonical lines.
 * @throws {ApiError} 400 naming the line, or `md5`
 */
export const checkStored = async (
  { platform }: Pick<Context, 'platform'>,
  segments: Segment[],
  { isDataset, md5, canonicalKey, alive = async () => undefined }: CheckWish,
): Promise<Findings> => {
  const { bucket, chunks } = platform
  const asTheyAre = { segments, bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0) }
  if (!isDataset && md5 === undefined) return { ...asTheyAre, examples: null, sha256: null }
  const validator = isDataset ? createValidator() : undefined
  const sums = { md5: createHash('md5'), sha256: createHash('sha256') }
  for (const { key, bytes } of segments) {
    const object = await bucket.get(key)
    if (object?.size !== bytes) throw new Error('A part of the file is not in the bucket.')
    const source = watched(chunks(object.body), alive)
    for (let chunk = await source.next(); chunk; chunk = await source.next(chunk)) {
      validator?.write(chunk)
      if (md5 !== undefined) sums.md5.update(chunk)
      sums.sha256.update(chunk)
    }
  }
  if (md5 !== undefined && sums.md5.digest('hex') !== md5.toLowerCase())
    throw badRequest(
      'md5',
      'The parts have another MD5: something was lost on the way, or their order is wrong.',
    )
  const report = validator?.finish()
  if (!report || validator?.isCanonical)
    return { ...asTheyAre, examples: report?.examples ?? null, sha256: sums.sha256.digest('hex') }
  const source = watched(chunks(joined(platform, segments, 0)), alive)
  const { written } = await canonicalise(bucket, source, canonicalKey, {})
  if (!written) throw new Error('Lines that are not canonical have no canonical form.')
  return {
    segments: [written.segment],
    bytes: written.segment.bytes,
    examples: report.examples,
    sha256: written.sha256,
    source_format: sourceFormatOf(report.summary.format),
  }
}
