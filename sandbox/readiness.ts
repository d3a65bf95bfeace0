/** How far something is that its provider does not finish at once. */
export type Stage = 'accepted' | 'working' | 'ready'

/**
 * A thing that gets ready while it is looked at. Each look brings it one step on, so a client that polls gets there, one
 * that does not look never does, and no test depends on a clock.
 */
export class Readiness {
  readonly #looks: number
  #left: number

  /** @param looks how many are needed; with 0 it is ready from the start */
  constructor(looks: number) {
    this.#looks = looks
    this.#left = looks
  }

  get stage(): Stage {
    if (this.#left === 0) return 'ready'
    return this.#left === this.#looks ? 'accepted' : 'working'
  }

  /** One step on, and what is seen then. */
  look(): Stage {
    this.#left = Math.max(0, this.#left - 1)
    return this.stage
  }

  /** Whether it can be used now. An attempt is a look too, but one that comes too early stays too early. */
  attempt(): boolean {
    const ready = this.stage === 'ready'
    this.look()
    return ready
  }
}
