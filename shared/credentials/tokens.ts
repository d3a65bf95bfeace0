/**
 * Access tokens, kept until shortly before they expire.
 * @module
 */
import type { Cache } from '../caches.ts'

export interface Token {
  value: string
  /** Unix milliseconds. */
  expiresAt: number
}

export interface TokenCache {
  /**
   * The token under this key, or a new one. However many ask at once, one obtains it.
   * @param key tells accounts and scopes apart; never a secret itself
   */
  get(key: string, obtain: () => Promise<Token>): Promise<string>
}

/** A slot per key: what is known, and what is being obtained. */
export interface TokenSlot {
  token?: Token
  pending?: Promise<Token>
}

/** Milliseconds before its end at which a token counts as old: long enough for any call begun with it to arrive. */
const MARGIN_MS = 5 * 60_000
/** Tokens that live shorter than two margins are renewed after half their life. */
const margin = (lifetime: number) => Math.min(MARGIN_MS, lifetime / 2)
/** How long to wait for someone else's request before asking oneself: that request may have been cut off. */
const PATIENCE_MS = 5000

export interface TokenCacheOptions {
  slots: Cache<TokenSlot>
  /** Unix milliseconds. */
  now: () => number
  sleep: (ms: number) => Promise<void>
  /** Keeps the platform from ending the work with the request that began it. */
  defer: (work: Promise<unknown>) => void
}

export const createTokenCache = ({ slots, now, sleep, defer }: TokenCacheOptions): TokenCache => {
  const renew = (key: string, obtain: () => Promise<Token>): Promise<Token> => {
    const asked = now()
    // What came in place of a request that took too long is not undone by its end.
    const isCurrent = () => slots.get(key)?.pending === pending
    const pending: Promise<Token> = obtain().then(
      token => {
        const usableUntil = token.expiresAt - margin(token.expiresAt - asked)
        if (isCurrent()) slots.set(key, { token: { ...token, expiresAt: usableUntil } })
        return token
      },
      (error: unknown) => {
        // A failure is not remembered: the next request tries for itself.
        if (isCurrent()) slots.delete(key)
        throw error
      },
    )
    slots.set(key, { pending })
    defer(pending.catch(() => undefined))
    return pending
  }

  return {
    async get(key, obtain) {
      let given: Promise<Token> | undefined
      for (;;) {
        const slot = slots.get(key)
        if (slot?.token && slot.token.expiresAt > now()) return slot.token.value
        // Of those who waited in vain one asks anew, and the others wait for it.
        if (!slot?.pending || slot.pending === given) return (await renew(key, obtain)).value
        given = slot.pending
        const token = await Promise.race([given, sleep(PATIENCE_MS)])
        if (token) return token.value
      }
    },
  }
}
