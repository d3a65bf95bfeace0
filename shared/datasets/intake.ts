/**
 * A file's bytes on their way into our bucket, checked and counted as they pass. Nothing is left of what is refused. A dataset that
 * is not canonical JSONL is read from the bucket once more: only at the end is it certain what the file is for.
 * @module
 */
import { createHash } from 'node:crypto'
import { type Context, nowSeconds } from '../context.ts'
import { refuseReuse } from '../idempotency.ts'
import { badRequest, type DatasetReport, type Declaration, type FilePurpose } from '../openai/index.ts'
import { openBucketWriter } from '../platform/index.ts'
import { canonicalise, sourceFormatOf } from './canonical.ts'
import { forgetBytes, noteBytes, recordFile } from './leftovers.ts'
import { FILES, type FileRecord, type FileSource, LONGEST_NAME, type Segment } from './records.ts'
import { createValidator, type DatasetValidator, VALIDATED_PURPOSE } from './validator.ts'

/** What is known of a file when its bytes are through. */
export interface IntakeEnd {
  filename: string
  purpose: FilePurpose
  /** Seconds. */
  lifetime?: number | undefined
  source?: FileSource
  /** What its bytes are, if it was said. */
  declaration?: Declaration
}

export interface Intake {
  /** Says what the bytes are, before the first of them. */
  declare(declaration: Declaration): void
  /** Takes the next bytes. @param isChecked whether they are to be a dataset's lines */
  write(bytes: Uint8Array, isChecked: boolean): Promise<void>
  /** @throws {ApiError} 400 for an empty file, or naming the line of a dataset that is wrong */
  finish(end: IntakeEnd): Promise<FileRecord>
  /** What is left over is a lesser trouble than not to learn what went wrong: it never throws. */
  abort(): Promise<void>
}

interface Kept {
  segment: Segment
  sha256: string
  report?: DatasetReport
}

/** @param given an id that others may be taking the same bytes in under */
export const openIntake = ({ platform }: Context, owner: string, given?: string): Intake => {
  const { bucket, store, ids } = platform
  const own = ids.next('file-')
  const id = given ?? own
  const key = `files/${owner}/${own}`
  const canonicalKey = `${key}/canonical`
  const writer = openBucketWriter(bucket, key)
  const sha256 = createHash('sha256')
  let declared: Declaration = {}
  let validator: DatasetValidator | undefined
  let isWhole = true
  let isNoted = false

  /** Makes the bytes visible in the bucket, where they are found though no file is ever made of them. */
  const commit = async () => {
    isNoted = true
    await noteBytes({ platform }, { id: own, file: id, keys: [key, canonicalKey] })
    await writer.commit()
  }

  /** The dataset as it is kept: its bytes as they came, or its canonical lines. */
  const keepDataset = async (declaration: Declaration): Promise<Kept> => {
    const isSeen =
      isWhole && validator?.isCanonical && JSON.stringify(declaration) === JSON.stringify(declared)
    const report = isSeen ? validator?.finish() : undefined
    await commit()
    const raw = { segment: { key, bytes: writer.size }, sha256: sha256.digest('hex') }
    if (report) return { ...raw, report }
    const object = await bucket.get(key)
    if (!object) throw new Error('The upload is not in the bucket.')
    const { report: found, written } = await canonicalise(
      bucket,
      platform.chunks(object.body),
      canonicalKey,
      declaration,
    )
    if (written) await bucket.delete(key)
    return { ...(written ?? raw), report: found }
  }

  const keep = async ({ purpose, declaration = {} }: IntakeEnd): Promise<Kept> => {
    if (writer.size === 0) throw badRequest('file', 'The file is empty.')
    if (purpose === VALIDATED_PURPOSE) return keepDataset(declaration)
    if (Object.values(declaration).some(value => value !== undefined))
      throw badRequest('format', `Only files with the purpose '${VALIDATED_PURPOSE}' have a format.`)
    await commit()
    return { segment: { key, bytes: writer.size }, sha256: sha256.digest('hex') }
  }

  return {
    declare(declaration) {
      declared = declaration
    },
    async write(bytes, isChecked) {
      validator ??= createValidator({ declaration: declared })
      if (!isChecked) isWhole = false
      else if (validator.isCanonical) validator.write(bytes)
      sha256.update(bytes)
      await writer.write(bytes)
    },
    async finish(end) {
      const { segment, report, ...kept } = await keep(end)
      const created = nowSeconds({ platform })
      const record: FileRecord = {
        id,
        owner,
        // The cut may fall within a character: half of one could not be encoded when the name is sent again.
        filename: end.filename.slice(-LONGEST_NAME).toWellFormed(),
        purpose: end.purpose,
        bytes: segment.bytes,
        created_at: created,
        expires_at: end.lifetime === undefined ? null : created + end.lifetime,
        deleted_at: null,
        segments: [segment],
        sha256: kept.sha256,
        examples: report?.examples ?? null,
        ...(report && segment.key !== key && { source_format: sourceFormatOf(report.summary.format) }),
        copies: [],
        ...(end.source && { source: end.source }),
      }
      const isNew = await recordFile({ platform }, record)
      // Others were faster.
      if (!isNew) await bucket.delete(segment.key)
      await forgetBytes({ platform }, own)
      if (isNew) return record
      const there = (await FILES.get(store, id))?.value
      // Of a request that died the body was not known yet: what it left tells.
      if (there && there.sha256 !== record.sha256) refuseReuse()
      return there ?? record
    },
    async abort() {
      try {
        await writer.abort()
        await bucket.delete(canonicalKey)
        if (isNoted) await forgetBytes({ platform }, own)
      } catch {
        // The note stays, and by it what could not be removed now.
      }
    },
  }
}
