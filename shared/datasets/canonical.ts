/**
 * Stored bytes that are not canonical JSONL yet, read once more and kept as that.
 * @module
 */
import { createHash } from 'node:crypto'
import type { DatasetReport, DatasetSummary, Declaration, SourceFormat } from '../openai/index.ts'
import { type Bucket, type ChunkReader, openBucketWriter } from '../platform/index.ts'
import { BITE, createEncoder } from './encode.ts'
import type { Segment } from './records.ts'
import { createValidator } from './validator.ts'

/** What a file was, in the word it would be declared with. */
export const sourceFormatOf = ({ container, lines }: DatasetSummary['format']): SourceFormat =>
  lines === 'openai' ? container : lines

export interface Canonical {
  report: DatasetReport
  /** The object that holds the canonical lines, and their SHA-256 in hex; null where the bytes that were read are canonical. */
  written: { segment: Segment; sha256: string } | null
}

/**
 * Validates a file and writes its examples as canonical lines into an object.
 * @param key of the object; nothing is left there after a failure
 * @throws {ApiError} 400 naming the line
 */
export const canonicalise = async (
  bucket: Bucket,
  source: ChunkReader,
  key: string,
  declaration: Declaration,
): Promise<Canonical> => {
  const writer = openBucketWriter(bucket, key)
  const sha256 = createHash('sha256')
  const encode = createEncoder()
  let pending = ''
  const validator = createValidator({
    declaration,
    onLine(text) {
      if (!validator.isCanonical) pending += `${text}\n`
    },
  })
  const flush = async () => {
    if (pending === '') return
    const bytes = encode(pending)
    pending = ''
    sha256.update(bytes)
    await writer.write(bytes)
  }
  try {
    for (let chunk = await source.next(); chunk; chunk = await source.next(chunk)) {
      for (let start = 0; start < chunk.length; start += BITE) {
        validator.write(chunk.subarray(start, start + BITE))
        await flush()
      }
    }
    const report = validator.finish()
    await flush()
    if (writer.size === 0) return { report, written: null }
    await writer.commit()
    return { report, written: { segment: { key, bytes: writer.size }, sha256: sha256.digest('hex') } }
  } catch (error) {
    await source.cancel().catch(() => undefined)
    await writer.abort().catch(() => undefined)
    throw error
  }
}
