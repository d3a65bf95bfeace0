/**
 * Tokens that others have signed, and the keys they are checked with: fetched through the transport, kept for an hour.
 * @module
 */
import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import * as z from 'zod'
import type { Answer, OutboundRequest } from '../transport.ts'
import type { TokenCache } from './tokens.ts'

const KEPT_MS = 3_600_000
/** Milliseconds within which a key that is not known is looked for once, however many tokens name it. */
const LOOKED_FOR_MS = 60_000

/** What fetching keys needs. */
export interface KeyTools {
  /** Keeps what was fetched; asked for once however many wait. */
  tokens: TokenCache
  call(request: Pick<OutboundRequest, 'method' | 'url' | 'headers'>): Promise<Answer>
  /** Unix milliseconds. */
  now(): number
}

/** What a token must be to be believed. */
export interface Terms
  extends Required<
    Pick<JWTVerifyOptions, 'issuer' | 'audience' | 'algorithms' | 'requiredClaims' | 'clockTolerance'>
  > {
  keysUrl: URL
}

const fetchKept = <T>(
  url: URL,
  schema: z.ZodType<T>,
  { tokens, call, now }: KeyTools,
  since: string,
): Promise<T> => {
  const fetched = async () => {
    const { status, bytes } = await call({ method: 'GET', url, headers: {} })
    if (status !== 200) throw new Error(`${url.host} answered ${status}`)
    const value = JSON.stringify(schema.parse(JSON.parse(new TextDecoder().decode(bytes))))
    return { value, expiresAt: now() + KEPT_MS }
  }
  return tokens.get(`keys ${url.href} ${since}`, fetched).then(kept => JSON.parse(kept))
}

const keySet: z.ZodType<JSONWebKeySet> = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) })

/**
 * Where an issuer says that its keys are (OpenID Connect Discovery 1.0, 4).
 * @throws when it does not say so, or speaks for another
 */
export const discoverKeys = async (issuer: string, tools: KeyTools): Promise<URL> => {
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const said = z.object({ issuer: z.literal(issuer), jwks_uri: z.url() })
  return new URL((await fetchKept(url, said, tools, '')).jwks_uri)
}

/**
 * What a token says, once it is proved. An unknown key makes the set be fetched anew, at most once a minute.
 * @throws {errors.JOSEError} when it is not proved; anything else when the keys cannot be had
 */
export const verifyToken = async (
  token: string,
  { keysUrl, ...terms }: Terms,
  tools: KeyTools,
): Promise<JWTPayload> => {
  const options = { ...terms, currentDate: new Date(tools.now()) }
  const check = async (since: string) => {
    const keys = createLocalJWKSet(await fetchKept(keysUrl, keySet, tools, since))
    return (await jwtVerify(token, keys, options)).payload
  }
  try {
    return await check('')
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    return check(String(Math.floor(tools.now() / LOOKED_FOR_MS)))
  }
}
