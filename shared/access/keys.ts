/**
 * Gateway keys: who may call, and as whom. A key is shown once; the store has its SHA-256 only.
 * @module
 */
import { type Caller, type Context, nowSeconds } from '../context.ts'
import {
  ApiError,
  badRequest,
  type KeyRequest,
  notFound,
  SCOPES,
  type Scope,
  STANDARD_SCOPES,
} from '../openai/index.ts'
import { bytesToBase62, collection, type Page, type PageQuery } from '../platform/index.ts'
import { admissionsOf } from './admission.ts'

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
  /** Those that follow are absent in keys older than they are: the standard scopes, all models and providers, no end. */
  scopes?: readonly Scope[]
  models?: readonly string[] | null
  providers?: readonly string[] | null
  /** Unix seconds. */
  expires_at?: number | null
}

/** What a key lets its bearer do. */
export const grantsOf = ({ scopes, models, providers, expires_at }: KeyRecord) => ({
  scopes: scopes ?? STANDARD_SCOPES,
  models: models ?? null,
  providers: providers ?? null,
  expires_at: expires_at ?? null,
})

const ALL = 'all'

export const KEYS = collection<KeyRecord, 'all' | 'id'>('key', key => key.sha256, {
  all: { slot: 'a', entry: key => ({ partition: ALL, sort: key.id }) },
  id: { slot: 'b', entry: key => ({ partition: key.id, sort: key.id }) },
})

/** 43 digits of base 62: 256 bits and a little. */
const KEY_DIGITS = 43

const hex = (bytes: ArrayBuffer) =>
  Array.from(new Uint8Array(bytes), byte => byte.toString(16).padStart(2, '0')).join('')
/** SHA-256 of a text, hexadecimal. */
export const sha256Of = async (text: string) =>
  hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))

/** The deployment's own admin owns nothing, and is bound to no owner. */
const isAdmin = ({ owner, scopes }: Caller): boolean => owner === '' && scopes.includes('admin')

const beyond = (param: string, what: string): ApiError =>
  new ApiError({
    status: 403,
    code: 'insufficient_permissions',
    param,
    message: `A key makes no key that may do more than itself: ${what}.`,
  })

/** One of a new key's allow-lists: the maker's own where nothing is asked for, never more than it. */
const listWithin = (
  param: 'models' | 'providers',
  asked: readonly string[] | null | undefined,
  own: readonly string[] | null,
): readonly string[] | null => {
  if (own === null || asked === undefined) return asked ?? own
  const more = asked === null ? 'all' : asked.find(entry => !own.includes(entry))
  if (more !== undefined) throw beyond(param, `its own list of ${param} does not hold '${more}'`)
  return asked
}

const scopesWithin = (asked: readonly Scope[] | undefined, own: readonly Scope[]): readonly Scope[] => {
  const more = asked?.find(scope => !own.includes(scope))
  if (more !== undefined) throw beyond('scopes', `it has not the scope '${more}'`)
  return SCOPES.filter(scope =>
    asked ? asked.includes(scope) : STANDARD_SCOPES.includes(scope) && own.includes(scope),
  )
}

const expiryWithin = (asked: number | null | undefined, own: number | null, now: number): number | null => {
  if (asked === undefined || (asked === null && own === null)) return own
  if (asked !== null && asked <= now)
    throw badRequest('expires_at', `'expires_at' must be in the future: it is ${now} now (Unix seconds).`)
  if (own !== null && (asked === null || asked > own)) throw beyond('expires_at', `it ends at ${own} itself`)
  return asked
}

/** When the caller's own key ends. @throws {ApiError} 409 while an index that lags does not have the key yet: no end is more than it may */
const endOf = async ({ platform: { store } }: Context, { key }: Caller): Promise<number | null> => {
  if (key === null) return null
  const [found] = (await KEYS.list(store, 'id', key, { limit: 1 })).items
  if (!found)
    throw new ApiError({
      status: 409,
      code: 'conflict',
      message: 'The key that asks was made a moment ago, and cannot make others yet; try again.',
    })
  return found.expires_at ?? null
}

/**
 * Makes a key (`POST /v1/keys`). What is not asked for is the maker's own, or the standard.
 * @returns its record, and the key itself, which is not kept.
 * @throws {ApiError} 403 for more than the maker may do itself
 */
export const createKey = async (
  context: Context,
  { name, owner, scopes, models, providers, expires_at }: KeyRequest,
  maker: Caller,
): Promise<{ record: KeyRecord; key: string }> => {
  const { ids, store } = context.platform
  if (!isAdmin(maker) && owner !== undefined && owner !== maker.owner)
    throw beyond('owner', 'it makes keys of its own owner only')
  const now = nowSeconds(context)
  const granted = {
    scopes: scopesWithin(scopes, maker.scopes),
    models: listWithin('models', models, maker.models),
    providers: listWithin('providers', providers, maker.providers),
    expires_at: expiryWithin(expires_at, await endOf(context, maker), now),
  }
  if (granted.scopes.length === 0) throw beyond('scopes', 'it has none of the standard ones')
  const key = `tg-${randomDigits(KEY_DIGITS)}`
  const record: KeyRecord = {
    id: ids.next('key_'),
    sha256: await sha256Of(key),
    owner: isAdmin(maker) ? (owner ?? ids.next('owner-')) : maker.owner,
    name,
    hint: key.slice(-4),
    created_at: now,
    revoked_at: null,
    ...granted,
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

/** The keys a manager may see: all of them, or those of its own owner. */
export const listKeys = (context: Context, query: PageQuery, manager: Caller): Promise<Page<KeyRecord>> =>
  KEYS.list(
    context.platform.store,
    'all',
    ALL,
    query,
    ({ owner }) => isAdmin(manager) || owner === manager.owner,
  )

/** Revokes a key; it stays in the list. Doing it again changes nothing. */
export const revokeKey = async (context: Context, id: string, manager: Caller): Promise<KeyRecord> => {
  const { store } = context.platform
  const [found] = (await KEYS.list(store, 'id', id, { limit: 1 })).items
  if (!found || (!isAdmin(manager) && found.owner !== manager.owner))
    throw notFound('key_not_found', 'key_id', `No such key: '${id}'.`)
  const revoked = await KEYS.update(store, found.sha256, key =>
    key.revoked_at === null ? { ...key, revoked_at: nowSeconds(context) } : key,
  )
  admissionsOf(context).clear()
  return revoked ?? found
}
