/**
 * Writes a stream of unknown length into a bucket, in constant memory.
 * @module
 */
import type { Bucket, MultipartUpload } from './ports.ts'

/** Bytes per part: above the 5 MiB that R2 and S3 ask for; with 10,000 parts, up to 48 GiB. */
const PART_BYTES = 5 * 1024 * 1024

export interface BucketWriter {
  /** Bytes taken so far. */
  readonly size: number
  /** Takes the bytes (they may be reused afterwards); waits when a part is full while the one before is on its way. */
  write(chunk: Uint8Array): Promise<void>
  /** Makes the object visible. Small ones are written in one piece. */
  commit(): Promise<void>
  /** Leaves nothing behind, whether it comes before `commit`, after it, or because it failed. */
  abort(): Promise<void>
}

export const openBucketWriter = (bucket: Bucket, key: string, partBytes = PART_BYTES): BucketWriter => {
  let part = new Uint8Array(0)
  /** The memory of the part on its way: one is filled while the other is sent. */
  let sent = new Uint8Array(0)
  let sending: Promise<void> = Promise.resolve()
  let filled = 0
  let size = 0
  let parts = 0
  let upload: MultipartUpload | undefined
  let isCommitted = false

  const sendPart = async () => {
    upload ??= await bucket.startMultipart(key)
    await sending
    sending = upload.part(++parts, part.subarray(0, filled))
    // Its failure is told by whoever waits for it next.
    sending.catch(() => undefined)
    ;[part, sent] = [sent.length === 0 ? new Uint8Array(partBytes) : sent, part]
    filled = 0
  }

  return {
    get size() {
      return size
    },
    async write(chunk) {
      size += chunk.length
      for (let rest = chunk; rest.length > 0; ) {
        // The first part grows as needed, so that many small files do not cost a full part's memory each.
        if (part.length < partBytes && filled + rest.length > part.length) {
          const grown = new Uint8Array(Math.min(partBytes, Math.max(part.length * 4, filled + rest.length)))
          grown.set(part.subarray(0, filled))
          part = grown
        }
        const taken = rest.subarray(0, part.length - filled)
        part.set(taken, filled)
        filled += taken.length
        rest = rest.subarray(taken.length)
        if (filled === partBytes) await sendPart()
      }
    },
    async commit() {
      if (!upload) await bucket.put(key, part.subarray(0, filled))
      else {
        if (filled > 0) await sendPart()
        await sending
        await upload.complete()
      }
      isCommitted = true
      // Whoever keeps the writer need not keep what it wrote.
      part = sent = new Uint8Array(0)
    },
    async abort() {
      if (isCommitted) return bucket.delete(key)
      // A part that arrives after the upload's end would stay.
      await sending.catch(() => undefined)
      await upload?.abort()
    },
  }
}
