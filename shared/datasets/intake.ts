/**
 * A file's bytes on their way into our bucket, checked and counted as they pass. Nothing is left of what is refused.
 * @module
 */
import { createHash } from 'node:crypto'
import { type Context, nowSeconds } from '../context.ts'
import { badRequest, type FilePurpose } from '../openai/index.ts'
import { openBucketWriter } from '../platform/index.ts'
import { FILES, type FileRecord, type FileSource } from './records.ts'
import { createValidator } from './validator.ts'

/** Longest file name kept, in characters. */
const LONGEST_NAME = 255

export const VALIDATED_PURPOSE = 'fine-tune'

export interface Intake {
  /** Takes the next bytes. @param isChecked whether they are to be a dataset's lines */
  write(bytes: Uint8Array, isChecked: boolean): Promise<void>
  /** @throws {ApiError} 400 for an empty file, or naming the line of a dataset that is wrong */
  finish(file: {
    filename: string
    purpose: FilePurpose
    /** Seconds. */
    lifetime?: number | undefined
    source?: FileSource
  }): Promise<FileRecord>
  /** What is left over is a lesser trouble than not to learn what went wrong: it never throws. */
  abort(): Promise<void>
}

/** @param given an id that others may be taking the same bytes in under */
export const openIntake = ({ platform }: Context, owner: string, given?: string): Intake => {
  const own = platform.ids.next('file-')
  const id = given ?? own
  const key = `files/${owner}/${own}`
  const writer = openBucketWriter(platform.bucket, key)
  const validator = createValidator()
  const sha256 = createHash('sha256')
  return {
    async write(bytes, isChecked) {
      if (isChecked) validator.write(bytes)
      sha256.update(bytes)
      await writer.write(bytes)
    },
    async finish({ filename, purpose, lifetime, source }) {
      if (writer.size === 0) throw badRequest('file', 'The file is empty.')
      const examples = purpose === VALIDATED_PURPOSE ? validator.finish().examples : null
      await writer.commit()
      const created = nowSeconds({ platform })
      const record: FileRecord = {
        id,
        owner,
        // The cut may fall within a character: half of one could not be encoded when the name is sent again.
        filename: filename.slice(-LONGEST_NAME).toWellFormed(),
        purpose,
        bytes: writer.size,
        created_at: created,
        expires_at: lifetime === undefined ? null : created + lifetime,
        deleted_at: null,
        segments: [{ key, bytes: writer.size }],
        sha256: sha256.digest('hex'),
        examples,
        copies: [],
        ...(source && { source }),
      }
      if (await FILES.create(platform.store, record)) return record
      // Others were faster: what they have taken in is the same.
      await platform.bucket.delete(key)
      return (await FILES.get(platform.store, id))?.value ?? record
    },
    abort: () => writer.abort().catch(() => undefined),
  }
}
