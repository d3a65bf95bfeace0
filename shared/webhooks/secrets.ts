/**
 * Signing secrets: made here, kept sealed, shown to their owner.
 * @module
 */
import { toBase64 } from '../openai/index.ts'
import { createSealer, type Platform } from '../platform/index.ts'

export interface StoredSecret {
  sealed: string
  /** Its last characters, to tell secrets apart. */
  hint: string
  /** Unix seconds from which on it signs no more; null: it is the one that counts. */
  until: number | null
}

const PURPOSE = 'webhook signing secrets'
/** Standard Webhooks wants 24 to 64 bytes. */
const SECRET_BYTES = 32
const PREFIX = 'whsec_'
/** Signatures of one message, however often its secret is changed within a day. */
const MOST_SECRETS = 3
const DAY = 86_400

type Keeper = Pick<Platform, 'environment' | 'secrets'>

/** A new secret. @param about whose it is @throws {ApiError} 500 when the deployment cannot keep any */
export const issueSecret = async (
  platform: Keeper,
  about: string,
): Promise<{ secret: string; stored: StoredSecret }> => {
  const sealer = await createSealer(platform, PURPOSE)
  const secret = PREFIX + toBase64(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)))
  const hint = `${PREFIX}…${secret.slice(-5)}`
  return { secret, stored: { sealed: await sealer.seal(secret, about), hint, until: null } }
}

const isActive = ({ until }: StoredSecret, now: number) => until === null || until > now

/** The secrets after a rotation: the new one first, and for another day, if wanted, what was in use. */
export const rotated = (
  secrets: StoredSecret[],
  next: StoredSecret,
  keepsOld: boolean,
  now: number,
): StoredSecret[] => {
  const old = keepsOld
    ? secrets
        .filter(secret => isActive(secret, now))
        .map(secret => ({ ...secret, until: secret.until ?? now + DAY }))
    : []
  return [next, ...old].slice(0, MOST_SECRETS)
}

/** The hint of the secret that counts. */
export const hintOf = ([current]: StoredSecret[]): string => current?.hint ?? ''

/** Every secret in force that can be opened, the one that counts first. */
export const openSecrets = async (
  platform: Keeper,
  secrets: StoredSecret[],
  about: string,
  now: number,
): Promise<string[]> => {
  const sealer = await createSealer(platform, PURPOSE)
  const opened = await Promise.all(
    secrets
      .filter(secret => isActive(secret, now))
      .map(({ sealed }) => sealer.open(sealed, about).catch(() => undefined)),
  )
  return opened.filter(secret => secret !== undefined)
}
