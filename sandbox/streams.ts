import type { Tempo } from './tempo.ts'

/** One streamed answer, as a test may want to look back on it. */
export interface StreamRecord {
  id: string
  model: string
  /** Chunks handed to the connection so far. */
  chunks: number
  open: boolean
  /** How it ended. */
  end: 'finished' | 'client_gone' | null
}

const KEPT = 100

/** Streams answers at the tempo set, and stops generating when nobody listens any more. */
export class Streams {
  readonly #tempo: Tempo
  #records: StreamRecord[] = []

  constructor(tempo: Tempo) {
    this.#tempo = tempo
  }

  get records(): StreamRecord[] {
    return this.#records.map(record => ({ ...record }))
  }

  clear(): void {
    this.#records = []
  }

  open(id: string, model: string, chunks: Iterator<string | Uint8Array>): ReadableStream<Uint8Array> {
    const record: StreamRecord = { id, model, chunks: 0, open: true, end: null }
    this.#records = [...this.#records.slice(1 - KEPT), record]
    const gone = new AbortController()
    const encoder = new TextEncoder()
    const finish = (end: 'finished' | 'client_gone'): void => {
      record.open = false
      record.end = end
    }
    return new ReadableStream(
      {
        pull: async controller => {
          // The first chunk comes at once.
          if (record.chunks > 0) await this.#tempo.sleep('chunkMs', gone.signal)
          if (gone.signal.aborted) return
          const next = chunks.next()
          if (next.done) {
            finish('finished')
            controller.close()
            return
          }
          record.chunks++
          controller.enqueue(typeof next.value === 'string' ? encoder.encode(next.value) : next.value)
        },
        cancel: () => {
          gone.abort()
          finish('client_gone')
        },
      },
      // Nothing is made before it is asked for.
      { highWaterMark: 0 },
    )
  }
}
