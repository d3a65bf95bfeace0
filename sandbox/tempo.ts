/** How fast the stand-in works, and the waiting that comes of it. */
export interface Settings {
  /** Wall-clock milliseconds for each training step; 0 = as fast as possible. */
  stepMs: number
  /** Milliseconds between streamed chat chunks; 0 = as fast as the client reads. */
  chunkMs: number
}

/** Holds the {@link Settings}; a change also reaches those who are waiting by the old ones. */
export class Tempo {
  #settings: Settings
  readonly #sleepers = new Set<() => void>()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  get settings(): Settings {
    return { ...this.#settings }
  }

  change(settings: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...settings }
    for (const wake of this.#sleepers) wake()
  }

  /** Waits for as long as the setting says; ends early (without error) when aborted. */
  async sleep(setting: keyof Settings, signal: AbortSignal): Promise<void> {
    const start = performance.now()
    while (!signal.aborted) {
      const left = this.#settings[setting] - (performance.now() - start)
      if (left <= 0) return
      await new Promise<void>(resolve => {
        const timer = setTimeout(finish, left)
        const sleepers = this.#sleepers
        function finish(): void {
          clearTimeout(timer)
          sleepers.delete(finish)
          signal.removeEventListener('abort', finish)
          resolve()
        }
        sleepers.add(finish)
        signal.addEventListener('abort', finish)
      })
    }
  }
}

/** Thrown inside work that has been stopped. */
export class Stopped extends Error {
  override name = 'Stopped'
}

/** Longest stretch of work, in milliseconds, before requests get a turn. */
const SLICE_MS = 5

/** Lets long work be paused, resumed and stopped, and share the event loop with the server. */
export class Pace {
  readonly #tempo: Tempo
  readonly #stop = new AbortController()
  #resumed: PromiseWithResolvers<void> | undefined
  #sliceStart = performance.now()

  constructor(tempo: Tempo) {
    this.#tempo = tempo
  }

  pause(): void {
    this.#resumed ??= Promise.withResolvers<void>()
  }

  resume(): void {
    this.#resumed?.resolve()
    this.#resumed = undefined
  }

  stop(): void {
    this.#stop.abort()
    this.resume()
  }

  /**
   * To be awaited between small pieces of work.
   *
   * @throws {Stopped}
   */
  async breathe(): Promise<void> {
    if (performance.now() - this.#sliceStart > SLICE_MS) {
      await new Promise<void>(resolve => setImmediate(resolve))
      this.#sliceStart = performance.now()
    }
    while (this.#resumed) await this.#resumed.promise
    if (this.#stop.signal.aborted) throw new Stopped()
  }

  /**
   * To be awaited once for each training step: keeps to `stepMs`.
   *
   * @throws {Stopped}
   */
  async step(): Promise<void> {
    await this.#tempo.sleep('stepMs', this.#stop.signal)
    await this.breathe()
  }
}
