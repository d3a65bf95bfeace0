/**
 * What an isolate may remember between invocations. Everything here may vanish at any time.
 * @module
 */

export interface Cache<T extends object> {
  get(key: string): T | undefined
  set(key: string, value: T): void
  delete(key: string): void
  clear(): void
}

interface Bounds {
  /** Entries; the oldest makes room. */
  size: number
  ttlMs: number
}

/** Named by what they hold; a room keeps its own under its own name. */
export type Caches = <T extends object>(name: string, bounds: Bounds) => Cache<T>

interface Entry {
  value: object
  until: number
}

const createCache = ({ size, ttlMs }: Bounds): Cache<object> => {
  const entries = new Map<string, Entry>()
  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (entry.until > Date.now()) return entry.value
      entries.delete(key)
      return undefined
    },
    set(key, value) {
      // Written anew it counts as the youngest.
      entries.delete(key)
      entries.set(key, { value, until: Date.now() + ttlMs })
      for (const oldest of entries.keys()) {
        if (entries.size <= size) break
        entries.delete(oldest)
      }
    },
    delete: key => void entries.delete(key),
    clear: () => entries.clear(),
  }
}

/** One set of caches for one running application, each made at its first use. */
export const createCaches = (): Caches => {
  const caches = new Map<string, Cache<object>>()
  return <T extends object>(name: string, bounds: Bounds) => {
    const cache = caches.get(name) ?? createCache(bounds)
    caches.set(name, cache)
    return cache as Cache<T>
  }
}
