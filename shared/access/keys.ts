/**
 * Gateway keys: who may call, and as whom. A key is shown once; the store has its SHA-256 only.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError, notFound } from '../openai/index.ts'
import { bytesToBase62, collection, type Page, type PageQuery } from '../platform/index.ts'

export interface KeyRecord {
  id: string
  /** SHA-256 of the key, hexadecimal. */
  sha256: string
  owner: string
  name: string
  /** The key's last four characters, to tell keys apart. */
  hint: string
  /** Unix seconds. */
  created_at: number
  revoked_at: number | null
}

const ALL = 'all'

export const KEYS = collection<KeyRecord, 'all' | 'id'>('key', key => key.sha256, {
  all: { slot: 'a', entry: key => ({ partition: ALL, sort: key.id }) },
  id: { slot: 'b', entry: key => ({ partition: key.id, sort: key.id }) },
})

/** 43 digits of base 62: 256 bits and a little. */
const KEY_DIGITS = 43

const unauthorised = (code: 'missing_api_key' | 'invalid_api_key', message: string) =>
  new ApiError({ status: 401, code, message, headers: { 'www-authenticate': 'Bearer' } })

const hex = (bytes: ArrayBuffer) =>
  Array.from(new Uint8Array(bytes), byte => byte.toString(16).padStart(2, '0')).join('')
const sha256 = async (text: string) =>
  hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))

/** The token of `Authorization: Bearer …`. @throws {ApiError} 401 */
export const bearerOf = (header: string | null): string => {
  if (!header)
    throw unauthorised('missing_api_key', 'No API key was given: send it as `Authorization: Bearer <key>`.')
  const token = /^Bearer +(\S+) *$/i.exec(header)?.[1]
  if (token === undefined)
    throw unauthorised('invalid_api_key', 'The Authorization header must read `Bearer <key>`.')
  return token
}

/**
 * Keys found valid, by the key itself: hashing it anew for each request costs as much as all the rest of the way in. A
 * revocation is seen at once by the isolate that made it, and by all others after this time at the latest. Unknown keys are
 * not remembered.
 */
const CACHE = { size: 2000, ttlMs: 10_000 }
const cacheOf = ({ caches }: Context) => caches<KeyRecord>('keys', CACHE)

/** Whose key this is; known at once if it was found valid a moment ago. @throws {ApiError} 401 */
export const authenticate = (context: Context, token: string): KeyRecord | Promise<KeyRecord> =>
  cacheOf(context).get(token) ?? lookUpKey(context, token)

const lookUpKey = async (context: Context, token: string): Promise<KeyRecord> => {
  const key = (await KEYS.get(context.platform.store, await sha256(token)))?.value
  if (!key || key.revoked_at !== null)
    throw unauthorised('invalid_api_key', 'The API key is not valid, or has been revoked.')
  cacheOf(context).set(token, key)
  return key
}

/** @throws {ApiError} 401 unless the token is the admin key of the environment. */
export const requireAdmin = async ({ platform }: Context, token: string): Promise<void> => {
  const admin =
    platform.environment.get('TUNEGATE_ADMIN_KEY') ?? (await platform.secrets.get('TUNEGATE_ADMIN_KEY'))
  // Digests of equal length are compared, so that the time taken tells nothing of the key.
  if (admin === undefined || (await sha256(admin)) !== (await sha256(token))) {
    throw unauthorised('invalid_api_key', 'Keys are managed with the admin key of this deployment.')
  }
}

/** Makes a key. @returns its record, and the key itself, which is not kept. */
export const createKey = async (
  context: Context,
  { name, owner }: { name: string; owner?: string | undefined },
): Promise<{ record: KeyRecord; key: string }> => {
  const { ids, store } = context.platform
  const key = `tg-${randomDigits(KEY_DIGITS)}`
  const record: KeyRecord = {
    id: ids.next('key_'),
    sha256: await sha256(key),
    owner: owner ?? ids.next('owner-'),
    name,
    hint: key.slice(-4),
    created_at: nowSeconds(context),
    revoked_at: null,
  }
  await KEYS.create(store, record)
  return { record, key }
}

/** Random base-62 digits, each as likely as any other. */
const randomDigits = (count: number): string => {
  let digits = ''
  while (digits.length < count) {
    const fair = crypto.getRandomValues(new Uint8Array(count)).filter(byte => byte < 248)
    digits += bytesToBase62(fair)
  }
  return digits.slice(0, count)
}

export const listKeys = (context: Context, query: PageQuery): Promise<Page<KeyRecord>> =>
  KEYS.list(context.platform.store, 'all', ALL, query)

/** Revokes a key; it stays in the list. Doing it again changes nothing. */
export const revokeKey = async (context: Context, id: string): Promise<KeyRecord> => {
  const { store } = context.platform
  const [found] = (await KEYS.list(store, 'id', id, { limit: 1 })).items
  if (!found) throw notFound('key_not_found', 'key_id', `No such key: '${id}'.`)
  const revoked = await KEYS.update(store, found.sha256, key =>
    key.revoked_at === null ? { ...key, revoked_at: nowSeconds(context) } : key,
  )
  cacheOf(context).clear()
  return revoked ?? found
}
