/**
 * What an isolate may remember between invocations. Everything here may vanish at any time.
 * @module
 */
import QuickLRU from 'quick-lru'

export interface Cache<T extends object> {
  get(key: string): T | undefined
  set(key: string, value: T): void
  delete(key: string): void
}

/** Named by what they hold; a room keeps its own under its own name. */
export type Caches = <T extends object>(name: string, bounds: { size: number; ttlMs: number }) => Cache<T>

/** One set of caches for one running application, each made at its first use. */
export const createCaches = (): Caches => {
  const caches = new Map<string, Cache<object>>()
  return <T extends object>(name: string, { size, ttlMs }: { size: number; ttlMs: number }) => {
    const cache = caches.get(name) ?? new QuickLRU<string, object>({ maxSize: size, maxAge: ttlMs })
    caches.set(name, cache)
    return cache as Cache<T>
  }
}
