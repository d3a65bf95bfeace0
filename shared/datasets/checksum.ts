/**
 * Checksums of what is copied.
 * @module
 */
import { createHash } from 'node:crypto'
import SparkMD5 from 'spark-md5'

/** MD5 of one part, base64, as HTTP's `Content-MD5` has it. */
export const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')

/** Bytes; whole blocks of MD5, so that nothing is carried over from one piece to the next. */
const PIECE = 32 * 1024

/** What is known of a whole of which only the beginning has passed; JSON, so that another process can go on. */
export type ChecksumState = ReturnType<SparkMD5.ArrayBuffer['getState']>

/** An MD5 that can be put down and taken up again, which the platform's own cannot. */
export class RunningChecksum {
  readonly #md5 = new SparkMD5.ArrayBuffer()

  constructor(state: ChecksumState | null) {
    if (state) this.#md5.setState(state)
  }

  /** Taken in small pieces, since the library copies each: large copies live long enough to make the heap grow. */
  add(bytes: Uint8Array<ArrayBuffer>): void {
    for (let start = 0; start < bytes.length; start += PIECE)
      this.#md5.append(bytes.slice(start, start + PIECE).buffer)
  }

  get state(): ChecksumState {
    return this.#md5.getState()
  }

  /** Hex. The sum is spent by this. */
  end(): string {
    return this.#md5.end()
  }
}
