/**
 * Access tokens of Microsoft Entra: an application's client credentials, proved by a secret or by the assertion of another
 * issuer that the application trusts (workload identity federation).
 * @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 * @module
 */
import * as z from 'zod'
import { ApiError, type ErrorCode } from '../openai/index.ts'
import { type Answer, type OutboundRequest, TransportError } from '../transport.ts'
import type { Token, TokenCache } from './tokens.ts'

export interface EntraIdentity {
  /** In place of `https://login.microsoftonline.com`, e.g. of a national cloud. */
  loginUrl: URL
  /** A directory's id or one of its domains. */
  tenantId: string
  clientId: string
  proof: EntraProof
}
/** The setting that proves the identity, and its value. */
export type EntraProof = { setting: 'clientSecret' | 'federatedToken'; value: string }

export interface EntraTools {
  tokens: TokenCache
  call(request: Omit<OutboundRequest, 'timeoutMs' | 'signal' | 'repeat'>): Promise<Answer>
  /** Unix milliseconds. */
  now(): number
}

type Setting = 'tenantId' | 'clientId' | EntraProof['setting']

/**
 * What is wrong, by the number of Entra's error.
 * @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
const REFUSALS: ReadonlyMap<number, { setting: Setting; why: string }> = new Map([
  [90002, { setting: 'tenantId', why: 'there is no such tenant' }],
  [900023, { setting: 'tenantId', why: 'it is neither the id nor a domain of a tenant' }],
  [700016, { setting: 'clientId', why: 'the tenant has no such application' }],
  [7000215, { setting: 'clientSecret', why: 'it is wrong; the secret is its value, not its id' }],
  [7000222, { setting: 'clientSecret', why: 'it has expired' }],
  [7000218, { setting: 'clientSecret', why: 'it is missing' }],
  [50027, { setting: 'federatedToken', why: 'it is no valid token' }],
  [700024, { setting: 'federatedToken', why: 'it has expired, or is not valid yet' }],
  [700027, { setting: 'federatedToken', why: 'its signature is wrong' }],
  [70021, { setting: 'federatedToken', why: 'the application trusts no such identity' }],
  [700211, { setting: 'federatedToken', why: 'the application does not trust its issuer' }],
  [700212, { setting: 'federatedToken', why: 'it is not for the audience that the application expects' }],
  [700213, { setting: 'federatedToken', why: 'the application does not trust its subject' }],
])

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
/** Neither an id nor a domain has other characters: what has would name another place. */
const TENANT = /^[A-Za-z0-9][A-Za-z0-9.-]*$/

const refuse = (setting: Setting, why: string) =>
  new ApiError({
    status: 401,
    code: 'provider_authentication_failed',
    param: setting,
    message: `Microsoft Entra did not accept the ${setting} of this connection: ${why}.`,
  })

/** The way to the token endpoint is at fault, not the provider behind it, and not who is calling. */
const endpointFault = (status: 502 | 504, code: ErrorCode, what: string, cause?: unknown) =>
  new ApiError({
    status,
    code,
    message: `The token endpoint of Microsoft Entra ${what}; the provider itself was not called.`,
    cause,
  })

/** `POST {login}/{tenant}/oauth2/v2.0/token` */
export const toTokenRequest = ({ loginUrl, tenantId, clientId, proof }: EntraIdentity, scope: string) => {
  if (!TENANT.test(tenantId)) throw refuse('tenantId', 'it is neither an id nor a domain')
  const url = new URL(loginUrl)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${tenantId}/oauth2/v2.0/token`
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, scope })
  if (proof.setting === 'clientSecret') form.set('client_secret', proof.value)
  else {
    form.set('client_assertion_type', ASSERTION_TYPE)
    form.set('client_assertion', proof.value)
  }
  return {
    method: 'POST' as const,
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  }
}

const granted = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number() })
const refused = z.object({
  error: z.string(),
  error_description: z.string().optional(),
  error_codes: z.array(z.number()).optional(),
})

const parse = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

/**
 * The token out of an answer of the endpoint. Nothing of what it says goes into an error but the error's number.
 * @throws {ApiError} 401 naming the setting that was refused; 502 when the endpoint did not do its part
 */
export const fromTokenAnswer = ({ status, bytes }: Answer, proof: EntraProof, now: number): Token => {
  const body = parse(bytes)
  if (status >= 200 && status < 300) {
    const { success, data } = granted.safeParse(body)
    if (!success) throw endpointFault(502, 'provider_invalid_answer', 'answered without a token')
    return { value: data.access_token, expiresAt: now + data.expires_in * 1000 }
  }
  const { success, data } = refused.safeParse(body)
  if (status >= 500 || status === 429 || !success) {
    throw endpointFault(502, 'provider_error', `answered with status ${status}`)
  }
  const number = data.error_codes?.[0] ?? Number(/AADSTS(\d+)/.exec(data.error_description ?? '')?.[1])
  const code = Number.isInteger(number) ? ` (AADSTS${number})` : ''
  const known = REFUSALS.get(number)
  if (known) throw refuse(known.setting, `${known.why}${code}`)
  if (data.error === 'invalid_client') throw refuse(proof.setting, `it was refused${code}`)
  if (data.error === 'unauthorized_client') throw refuse('clientId', `the application may not do this${code}`)
  throw endpointFault(502, 'provider_error', `did not understand the request${code}`)
}

/**
 * An access token, out of the cache or fresh. The token endpoint is asked once, however many wait, and never twice for
 * one call.
 * @param scope e.g. `https://cognitiveservices.azure.com/.default`
 * @throws {ApiError} 401 naming the setting that was refused; 502 or 504 when the endpoint could not be asked
 */
export const entraToken = (identity: EntraIdentity, scope: string, tools: EntraTools): Promise<string> => {
  const { loginUrl, tenantId, clientId, proof } = identity
  const key = JSON.stringify(['entra', loginUrl.href, tenantId, clientId, proof.setting, scope])
  return tools.tokens.get(key, async () => {
    const asked = tools.now()
    const answer = await tools.call(toTokenRequest(identity, scope)).catch((error: unknown) => {
      if (!(error instanceof TransportError)) throw error
      throw error.reason === 'timeout'
        ? endpointFault(504, 'provider_timeout', 'did not answer in time', error)
        : endpointFault(502, 'provider_unreachable', 'could not be reached', error)
    })
    return fromTokenAnswer(answer, proof, asked)
  })
}
