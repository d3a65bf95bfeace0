/**
 * Google's credentials: reading them, and a service account's key against an access token.
 * @module
 */
import { importPKCS8, SignJWT } from 'jose'
import * as z from 'zod'
import { ApiError, type ErrorCode } from '../openai/index.ts'
import { type Answer, type OutboundRequest, TransportError } from '../transport.ts'
import type { Token } from './tokens.ts'

/** A call to a token endpoint: through the transport's guard, unauthorised, never repeated. */
export type TokenCall = (request: Omit<OutboundRequest, 'timeoutMs' | 'signal' | 'repeat'>) => Promise<Answer>

/** What Vertex AI and Cloud Storage both ask for. */
export const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform'
const TOKEN_URL = 'https://oauth2.googleapis.com/token'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** Seconds; the longest that Google takes. */
const ASSERTION_LIFE = 3600

const PARAM = 'vertex_credentials'
const SETTING = "the Google credentials ('vertex_credentials', or GOOGLE_APPLICATION_CREDENTIALS_JSON)"
/** An error about the credentials. It names the setting, and nothing of what is in it. */
export const credentialError = (status: 400 | 401 | 502 | 504, why: string, code?: ErrorCode): ApiError =>
  new ApiError({
    status,
    code: code ?? 'provider_authentication_failed',
    param: PARAM,
    message: status < 500 ? `Check ${SETTING}: ${why}.` : `No access token was obtained: ${why}.`,
  })

const serviceAccount = z.object({
  type: z.literal('service_account'),
  client_email: z.string().min(1),
  private_key: z.string().min(1),
  token_uri: z.url().optional(),
  project_id: z.string().optional(),
})
const externalAccount = z.looseObject({
  type: z.literal('external_account'),
  audience: z.string().min(1),
  subject_token_type: z.string().min(1),
  token_url: z.url(),
  service_account_impersonation_url: z.url().optional(),
  project_id: z.string().optional(),
  credential_source: z.looseObject({}),
})
export type ServiceAccount = z.infer<typeof serviceAccount>
export type ExternalAccount = z.infer<typeof externalAccount>
export type GoogleCredential = ServiceAccount | ExternalAccount

const KINDS = { service_account: serviceAccount, external_account: externalAccount }

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    // A parser's message quotes what it could not read.
    throw credentialError(400, 'they are not JSON')
  }
}

/** Reads a key file or a federation's configuration. @throws {ApiError} 400 naming the field that is missing */
export const readGoogleCredential = (json: string): GoogleCredential => {
  const value = parse(json)
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined
  if (type !== 'service_account' && type !== 'external_account')
    throw credentialError(400, "'type' must be service_account or external_account")
  const result = KINDS[type].safeParse(value)
  if (result.success) return result.data
  throw credentialError(
    400,
    `'${result.error.issues[0]?.path.join('.')}' is missing or not what it should be`,
  )
}

/** Calls a token endpoint; what keeps it from answering is told as its failure, not as the provider's. */
export const askTokenEndpoint = async (
  call: TokenCall,
  request: Parameters<TokenCall>[0],
  who: string,
): Promise<Answer> => {
  let answer: Answer
  try {
    answer = await call(request)
  } catch (error) {
    if (error instanceof ApiError && error.code === 'host_forbidden')
      throw credentialError(400, `${who} is at an address that may not be called`)
    if (!(error instanceof TransportError)) throw error
    throw error.reason === 'timeout'
      ? credentialError(504, `${who} did not answer in time`, 'provider_timeout')
      : credentialError(502, `${who} could not be reached`, 'provider_unreachable')
  }
  if (answer.status >= 500 || answer.status === 429)
    throw credentialError(502, `${who} answered with status ${answer.status}`, 'provider_error')
  return answer
}

const json = ({ bytes }: Answer): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

/** OAuth's codes (RFC 6749 §5.2) in plain words. The description beside them is not repeated. */
const REFUSALS = new Map<string, string>(
  Object.entries({
    invalid_grant:
      'the account or its key is unknown, revoked or expired, or the clock is wrong (invalid_grant)',
    invalid_client: 'the account is unknown (invalid_client)',
    invalid_scope: 'the account may not ask for this scope (invalid_scope)',
    unauthorized_client: 'the account may not ask for tokens (unauthorized_client)',
  }),
)
const refusal = z.object({ error: z.string() })
export const whyRefused = (answer: Answer): string => {
  const { data } = refusal.safeParse(json(answer))
  return REFUSALS.get(data?.error ?? '') ?? `they were refused with status ${answer.status}`
}

const granted = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() })

/** Keys are often pasted with their line ends spelled out. */
const importKey = async (pem: string) => {
  try {
    return await importPKCS8(pem.replaceAll('\\n', '\n'), 'RS256')
  } catch {
    throw credentialError(400, "'private_key' is not a PKCS #8 key in PEM")
  }
}

/** The signed statement that is exchanged for a token. @param now Unix milliseconds */
export const signAssertion = async (account: ServiceAccount, now: number): Promise<string> => {
  const issuedAt = Math.floor(now / 1000)
  return new SignJWT({ scope: CLOUD_PLATFORM })
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(account.client_email)
    .setAudience(account.token_uri ?? TOKEN_URL)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ASSERTION_LIFE)
    .sign(await importKey(account.private_key))
}

/**
 * A service account's key → an access token (RFC 7523 §2.1).
 * @throws {ApiError} 400 or 401 for what is wrong with the key, 502 or 504 when the token endpoint fails
 */
export const serviceAccountToken = async (
  account: ServiceAccount,
  { call, now }: { call: TokenCall; now: () => number },
): Promise<Token> => {
  const assertion = await signAssertion(account, now())
  const answer = await askTokenEndpoint(
    call,
    {
      method: 'POST',
      url: new URL(account.token_uri ?? TOKEN_URL),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: JWT_BEARER, assertion }).toString(),
    },
    "Google's token endpoint",
  )
  if (answer.status !== 200) throw credentialError(401, whyRefused(answer))
  const { data } = granted.safeParse(json(answer))
  if (!data)
    throw credentialError(502, "Google's token endpoint answered without a token", 'provider_invalid_answer')
  return { value: data.access_token, expiresAt: now() + data.expires_in * 1000 }
}
