/**
 * Users of identity providers: a JWT in place of a gateway key, as the configuration says who may be what.
 * Source: OpenID Connect Core 1.0 and Discovery 1.0; RFC 8725 for what is not to be trusted in a token.
 * @module
 */
import { decodeJwt, errors, type JWTPayload } from 'jose'
import type { OidcIssuer } from '../config.ts'
import type { Caller, Context } from '../context.ts'
import {
  createTokenCache,
  discoverKeys,
  type KeyTools,
  type TokenSlot,
  verifyToken,
} from '../credentials/index.ts'
import { ApiError, SCOPES, type Scope, sha256 } from '../openai/index.ts'
import { bytesToBase62 } from '../platform/index.ts'
import { type Admission, unauthorised } from './admission.ts'

/** Characters; what an identity provider signs is rarely longer than two thousand. */
const LONGEST = 16_384
/** Seconds by which clocks may differ. */
const CLOCK_TOLERANCE = 30
const TIMEOUT_MS = 10_000
/** Sets of keys: one an issuer, and one more for each that is being looked up anew. */
const KEYS_CACHE = { size: 50, ttlMs: 3_600_000 }

/** Whether a token is to be taken for a user's. Gateway keys have no dots. */
export const isJwt = ({ config }: Context, token: string): boolean =>
  config.oidc.length > 0 && token.length <= LONGEST && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)

const invalid = (): ApiError => unauthorised('invalid_api_key', 'The token is not valid here.')

const toolsOf = ({ platform, transport, caches }: Context): KeyTools => {
  const { clock, defer } = platform
  return {
    tokens: createTokenCache({
      slots: caches<TokenSlot>('oidc keys', KEYS_CACHE),
      now: clock.now,
      sleep: clock.sleep,
      defer,
    }),
    call: request => transport.call({ ...request, timeoutMs: TIMEOUT_MS, repeat: 'always' }),
    now: clock.now,
  }
}

const claimOf = (payload: JWTPayload, name: string): unknown =>
  Object.hasOwn(payload, name) ? payload[name] : undefined

const PLACEHOLDER = /\{([^{}]+)\}/g

const digits = async (text: string, count: number): Promise<string> =>
  bytesToBase62((await sha256(text)).subarray(0, count))

/** A claim's value as it can stand in a name: itself where it is plain, else a digest of it. */
const plain = async (value: string, form: RegExp): Promise<string> =>
  form.test(value) ? value : `~${await digits(value, 24)}`

/**
 * Whose records a user's are. No two issuers, and no two values of the claims, come to the same owner; and no key's owner holds a `~`.
 * @throws {ApiError} 401 when a claim is not there
 */
export const ownerOf = async (
  { issuer, owner = 'sub' }: Pick<OidcIssuer, 'issuer' | 'owner'>,
  payload: JWTPayload,
): Promise<string> => {
  const template = owner.includes('{') ? owner : `{${owner}}`
  const names = [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name)
  // What separates several claims must not come out of one of them.
  const form = names.length === 1 ? /^[\w.@-]{1,64}$/ : /^[A-Za-z0-9]{1,64}$/
  const values = await Promise.all(
    names.map(name => {
      const value = claimOf(payload, name)
      if (typeof value !== 'string' || value === '') throw invalid()
      return plain(value, form)
    }),
  )
  const told = template.replace(PLACEHOLDER, () => values.shift() ?? '')
  return `~${await digits(`${issuer}\n${template}`, 8)}~${told}`
}

/** What a claim grants: a list, or words with spaces between (RFC 8693, 4.2). */
const wordsOf = (value: unknown): string[] => {
  if (typeof value === 'string') return value.split(' ')
  return Array.isArray(value) ? value.filter(word => typeof word === 'string') : []
}

/** The scopes a user has. Words that mean nothing here grant nothing. */
export const scopesOf = ({ scopes }: Pick<OidcIssuer, 'scopes'>, payload: JWTPayload): readonly Scope[] => {
  if (!('claim' in scopes)) return scopes
  const { claim, map } = scopes
  const words = wordsOf(claimOf(payload, claim))
  const granted = map ? words.flatMap(word => (Object.hasOwn(map, word) ? (map[word] ?? []) : [])) : words
  return SCOPES.filter(scope => granted.includes(scope))
}

const callerOf = async (issuer: OidcIssuer, payload: JWTPayload): Promise<Caller> => ({
  owner: await ownerOf(issuer, payload),
  key: null,
  subject: `${issuer.issuer}\n${payload.sub}`,
  scopes: scopesOf(issuer, payload),
  models: issuer.models ?? null,
  providers: issuer.providers ?? null,
})

const STANDARD_ALGORITHMS = ['RS256', 'ES256']

const verifyWith = async (issuer: OidcIssuer, token: string, tools: KeyTools): Promise<Admission> => {
  const payload = await verifyToken(
    token,
    {
      keysUrl:
        issuer.jwksUrl === undefined ? await discoverKeys(issuer.issuer, tools) : new URL(issuer.jwksUrl),
      issuer: issuer.issuer,
      audience: [issuer.audience].flat(),
      algorithms: [...(issuer.algorithms ?? STANDARD_ALGORITHMS)],
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_TOLERANCE,
    },
    tools,
  )
  return { caller: await callerOf(issuer, payload), until: (payload.exp ?? 0) + CLOCK_TOLERANCE }
}

/** Which issuers a token claims to be of: only the configuration says where their keys are. */
const issuersOf = ({ config }: Context, token: string): readonly OidcIssuer[] => {
  try {
    const { iss } = decodeJwt(token)
    return config.oidc.filter(({ issuer }) => issuer === iss)
  } catch {
    return []
  }
}

const away = (cause: unknown): ApiError =>
  new ApiError({
    status: 502,
    code: 'provider_unreachable',
    message: 'The keys of the identity provider cannot be had at the moment.',
    cause,
  })

/**
 * Whom a user's token lets in.
 * @throws {ApiError} 401 without saying what of it is wrong; 502 while the issuer's keys cannot be had
 */
export const verifyUser = async (context: Context, token: string): Promise<Admission> => {
  const tools = toolsOf(context)
  for (const issuer of issuersOf(context, token)) {
    try {
      return await verifyWith(issuer, token, tools)
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) throw error
      if (!(error instanceof errors.JOSEError)) throw away(error)
    }
  }
  throw invalid()
}
