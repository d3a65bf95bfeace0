/**
 * A stored upload that is not canonical JSONL yet, read once more and kept as that.
 * @module
 */
import type { Context } from '../context.ts'
import type { DatasetReport, DatasetSummary, Declaration, SourceFormat } from '../openai/index.ts'
import { openBucketWriter } from '../platform/index.ts'
import type { Segment } from './records.ts'
import { createValidator } from './validator.ts'

const encoder = new TextEncoder()

/** What a file was, in the word it would be declared with. */
export const sourceFormatOf = ({ container, lines }: DatasetSummary['format']): SourceFormat =>
  lines === 'openai' ? container : lines

export interface Canonical {
  report: DatasetReport
  /** Where the canonical lines are; undefined where the bytes were canonical as they are. */
  segment: Segment | undefined
}

/**
 * Validates an upload and writes its examples as canonical lines into an object of the bucket.
 * @param key of that object; nothing is left there after a failure
 * @throws {ApiError} 400 naming the line
 */
export const canonicalise = async (
  { platform: { bucket } }: Context,
  body: ReadableStream<Uint8Array>,
  key: string,
  declaration: Declaration,
): Promise<Canonical> => {
  const writer = openBucketWriter(bucket, key)
  let pending = ''
  const validator = createValidator({
    declaration,
    onLine(text) {
      if (!validator.isCanonical) pending += `${text}\n`
    },
  })
  const flush = async () => {
    if (pending === '') return
    const bytes = encoder.encode(pending)
    pending = ''
    await writer.write(bytes)
  }
  try {
    for await (const chunk of body) {
      validator.write(chunk)
      await flush()
    }
    const report = validator.finish()
    await flush()
    if (writer.size === 0) return { report, segment: undefined }
    await writer.commit()
    return { report, segment: { key, bytes: writer.size } }
  } catch (error) {
    await writer.abort().catch(() => undefined)
    throw error
  }
}
