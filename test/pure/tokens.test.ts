import { describe, expect, it } from 'vitest'
import { createCaches } from '../../shared/caches.ts'
import { createTokenCache, type Token, type TokenSlot } from '../../shared/credentials/index.ts'

const MINUTE = 60_000

/** A promise to be settled from outside. */
const later = <T>() => {
  let resolve: (value: T) => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

const start = () => {
  const clock = { time: 1_000_000 }
  const sleepers: (() => void)[] = []
  const deferred: Promise<unknown>[] = []
  const tokens = createTokenCache({
    slots: createCaches()<TokenSlot>('tokens', { size: 10, ttlMs: 3_600_000 }),
    now: () => clock.time,
    sleep: () => new Promise<void>(resolve => sleepers.push(resolve)),
    defer: work => void deferred.push(work),
  })
  let obtained = 0
  const obtain = (lifetime: number) => async (): Promise<Token> => ({
    value: `token-${++obtained}`,
    expiresAt: clock.time + lifetime,
  })
  return {
    tokens,
    clock,
    deferred,
    obtain,
    /** Everyone who waits has waited long enough. */
    loseInPatience: async () => {
      for (const wake of sleepers.splice(0)) wake()
      await settle()
    },
    waiting: () => sleepers.length,
    obtained: () => obtained,
  }
}

describe('access tokens', () => {
  it('are obtained once, however many ask at once and after', async () => {
    const { tokens, obtain, obtained } = start()
    const all = await Promise.all(Array.from({ length: 20 }, () => tokens.get('a', obtain(60 * MINUTE))))
    expect(new Set([...all, await tokens.get('a', obtain(60 * MINUTE))])).toEqual(new Set(['token-1']))
    expect(obtained()).toBe(1)
  })

  it('are told apart by their key', async () => {
    const { tokens, obtain } = start()
    expect(await Promise.all(['a', 'b'].map(key => tokens.get(key, obtain(60 * MINUTE))))).toEqual([
      'token-1',
      'token-2',
    ])
  })

  it.each([
    ['an hour', 60 * MINUTE, 55 * MINUTE],
    ['ten minutes', 10 * MINUTE, 5 * MINUTE],
    ['four minutes: half of it', 4 * MINUTE, 2 * MINUTE],
    ['a second', 1000, 500],
  ])('that live %s are used until shortly before their end', async (_, lifetime, usable) => {
    const { tokens, clock, obtain, obtained } = start()
    await tokens.get('a', obtain(lifetime))
    clock.time += usable - 1
    expect(await tokens.get('a', obtain(lifetime))).toBe('token-1')
    clock.time += 1
    expect(await tokens.get('a', obtain(lifetime))).toBe('token-2')
    expect(obtained()).toBe(2)
  })

  it('that are over when they come are used for what asked for them, and for nothing else', async () => {
    const { tokens, obtain } = start()
    expect(await tokens.get('a', obtain(0))).toBe('token-1')
    expect(await tokens.get('a', obtain(-5))).toBe('token-2')
    expect(await tokens.get('a', obtain(60 * MINUTE))).toBe('token-3')
  })

  it('that could not be had fail all who wait for them, and are asked for anew by the next', async () => {
    const { tokens, obtain } = start()
    const failing = later<Token>()
    const waiting = [1, 2, 3].map(() => tokens.get('a', () => failing.promise).catch(error => error))
    const cause = new Error('no token')
    failing.reject(cause)
    expect(await Promise.all(waiting)).toEqual([cause, cause, cause])
    expect(await tokens.get('a', obtain(60 * MINUTE))).toBe('token-1')
  })

  it('go on being obtained though the request that asked has ended', async () => {
    const { tokens, deferred } = start()
    const pending = later<Token>()
    const asked = tokens.get('a', () => pending.promise).catch(() => undefined)
    expect(deferred).toHaveLength(1)
    pending.reject(new Error('no token'))
    await asked
    // What is deferred never fails: no one is there to hear of it.
    await expect(deferred[0]).resolves.toBeUndefined()
  })
})

describe("someone else's request for a token that hangs", () => {
  it('is not waited for without end', async () => {
    const { tokens, obtain, loseInPatience, waiting } = start()
    void tokens.get('a', () => new Promise(() => undefined))
    const mine = tokens.get('a', obtain(60 * MINUTE))
    await settle()
    expect(waiting()).toBe(1)
    await loseInPatience()
    expect(await mine).toBe('token-1')
    expect(await tokens.get('a', obtain(60 * MINUTE))).toBe('token-1')
  })

  it('is followed by one of those who waited, not by all of them at once', async () => {
    const { tokens, obtain, obtained, loseInPatience } = start()
    void tokens.get('a', () => new Promise(() => undefined))
    const all = Array.from({ length: 10 }, () => tokens.get('a', obtain(60 * MINUTE)))
    await settle()
    await loseInPatience()
    expect(new Set(await Promise.all(all))).toEqual(new Set(['token-1']))
    expect(obtained()).toBe(1)
  })

  it('takes nothing from what came in its place, when it fails or comes after all', async () => {
    for (const end of ['resolve', 'reject'] as const) {
      const { tokens, clock, obtain, obtained, loseInPatience } = start()
      const hung = later<Token>()
      const first = tokens.get('a', () => hung.promise).catch(() => 'failed')
      const second = tokens.get('a', obtain(60 * MINUTE))
      await settle()
      await loseInPatience()
      expect(await second).toBe('token-1')
      if (end === 'resolve') hung.resolve({ value: 'late', expiresAt: clock.time + 1 })
      else hung.reject(new Error('no token'))
      expect(await first).toBe(end === 'resolve' ? 'late' : 'failed')
      expect(await tokens.get('a', obtain(60 * MINUTE))).toBe('token-1')
      expect(obtained()).toBe(1)
    }
  })
})
