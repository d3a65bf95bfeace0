/** A stream that breaks off the way Google's do: with a bare error object where the next event would be. */
import { GoogleError, type StatusName } from '../errors.ts'

export interface Mishap {
  /** Chunks that still arrive. */
  afterChunks: number
  status: StatusName
  message: string
}

/** Holds at most one mishap, for the next stream. */
export class Mishaps {
  #next: Mishap | undefined

  set(mishap: Mishap): void {
    this.#next = mishap
  }

  clear(): void {
    this.#next = undefined
  }

  /** The chunks, or as many of them as the waiting mishap lets through. */
  *over(chunks: Iterable<string>): Generator<string> {
    const mishap = this.#next
    this.#next = undefined
    let passed = 0
    for (const chunk of chunks) {
      if (mishap && passed === mishap.afterChunks) {
        yield JSON.stringify(new GoogleError(mishap.status, mishap.message).body, null, 2)
        return
      }
      yield chunk
      passed++
    }
  }
}
