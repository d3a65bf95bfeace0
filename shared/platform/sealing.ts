/**
 * Secrets that must be readable again, at rest: AES-GCM, under a key that is derived from the deployment's own for one
 * purpose only (HKDF), so that what leaks from one use opens nothing of another.
 * @module
 */
import { ApiError, fromBase64, toBase64 } from '../openai/index.ts'
import type { Platform } from './ports.ts'

const SETTING = 'TUNEGATE_ENCRYPTION_KEY'
/** Characters: what is shorter can be guessed, and there is no need to remember it. */
const SHORTEST_KEY = 32
/** Bytes; the nonce AES-GCM is made for (NIST SP 800-38D). */
const NONCE_BYTES = 12

export interface Sealer {
  /** @param about what the secret belongs to: it opens in no other place */
  seal(secret: string, about: string): Promise<string>
  /** @throws when it was sealed under another key or about something else */
  open(sealed: string, about: string): Promise<string>
}

const utf8 = (text: string) => new TextEncoder().encode(text)

const unconfigured = (why: string): ApiError =>
  new ApiError({
    status: 500,
    code: 'deployment_unconfigured',
    message: `This deployment ${why}: set ${SETTING} to at least ${SHORTEST_KEY} random characters.`,
    headers: { 'x-should-retry': 'false' },
  })

/**
 * The sealer of one purpose.
 * @param purpose a name that is used for nothing else
 * @throws {ApiError} 500 naming the setting that is missing
 */
export const createSealer = async (
  { environment, secrets }: Pick<Platform, 'environment' | 'secrets'>,
  purpose: string,
): Promise<Sealer> => {
  const deploymentKey = environment.get(SETTING) ?? (await secrets.get(SETTING))
  if (deploymentKey === undefined) throw unconfigured('cannot keep secrets')
  if (deploymentKey.length < SHORTEST_KEY) throw unconfigured('has too short a key to keep secrets under')
  const material = await crypto.subtle.importKey('raw', utf8(deploymentKey), 'HKDF', false, ['deriveKey'])
  const key = await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: utf8(`tunegate ${purpose}`) },
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
  const parameters = (iv: Uint8Array<ArrayBuffer>, about: string) => ({
    name: 'AES-GCM',
    iv,
    additionalData: utf8(about),
  })
  return {
    async seal(secret, about) {
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
      const sealed = await crypto.subtle.encrypt(parameters(nonce, about), key, utf8(secret))
      return `${toBase64(nonce)}.${toBase64(new Uint8Array(sealed))}`
    },
    async open(sealed, about) {
      const [nonce = '', text = ''] = sealed.split('.')
      const opened = await crypto.subtle.decrypt(parameters(fromBase64(nonce), about), key, fromBase64(text))
      return new TextDecoder().decode(opened)
    },
  }
}
