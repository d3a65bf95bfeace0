import { newId } from '../../ids.ts'

/** Whom a token speaks for, and how far. */
export interface Principal {
  /** A federated identity has no email and may only ask to act as a service account. */
  kind: 'serviceAccount' | 'federated'
  scopes: readonly string[]
}

interface Issued extends Principal {
  /** Milliseconds since 1970. */
  expiresAt: number
}

/** What Google says of a fresh one-hour token. */
const USUAL_LIFE_SECONDS = 3599

/** The access tokens that the sandbox has issued. */
export class AccessTokens {
  readonly #issued = new Map<string, Issued>()
  /** How long new tokens last, if not asked for less. */
  lifeSeconds = USUAL_LIFE_SECONDS

  issue(principal: Principal, lifeSeconds = this.lifeSeconds): { token: string; expiresAt: number } {
    const now = Date.now()
    for (const [token, { expiresAt }] of this.#issued) if (expiresAt <= now) this.#issued.delete(token)
    const token = newId('ya29.c.', 120)
    const expiresAt = now + lifeSeconds * 1000
    this.#issued.set(token, { ...principal, expiresAt })
    return { token, expiresAt }
  }

  /** Undefined for a token that is unknown or has expired. */
  find(token: string): Principal | undefined {
    const issued = this.#issued.get(token)
    return issued && issued.expiresAt > Date.now() ? issued : undefined
  }

  /** From now on all that were issued are worthless. */
  revokeAll(): void {
    this.#issued.clear()
  }
}
