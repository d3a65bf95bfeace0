/**
 * Workload identity federation: another world's token against Google's, by google-auth-library, which is loaded only here
 * and only when it is needed. Its HTTP goes through the transport like all else.
 * @module
 */
import type { AwsClientOptions, IdentityPoolClientOptions } from 'google-auth-library'
import type { Answer } from '../transport.ts'
import {
  askTokenEndpoint,
  CLOUD_PLATFORM,
  credentialError,
  type ExternalAccount,
  type TokenCall,
  whyRefused,
} from './google.ts'
import type { Token } from './tokens.ts'

/** Who is to be shown to Google where the subject is an AWS identity. */
export interface AwsIdentity {
  accessKeyId: string | undefined
  secretAccessKey: string | undefined
  sessionToken: string | undefined
  region: string | undefined
}

export interface FederationTools {
  call: TokenCall
  /** Unix milliseconds. */
  now(): number
  aws: AwsIdentity
}

/** Milliseconds a token is kept whose end nobody told. */
const UNTOLD_LIFE_MS = 10 * 60_000

/** What the library asks of its transporter, as far as it is used here. */
interface LibraryRequest {
  url: string | URL
  method?: string
  headers?: ConstructorParameters<typeof Headers>[0]
  data?: URLSearchParams | Record<string, unknown>
  responseType?: string
}

const stepOf = (account: ExternalAccount, url: string): string => {
  if (url === account.token_url) return "Google's security token service"
  if (url === account.service_account_impersonation_url) return 'the impersonation of the service account'
  return "the source of the subject's token"
}

const dataOf = ({ bytes }: Answer, responseType: string | undefined): unknown => {
  const text = new TextDecoder().decode(bytes)
  if (responseType !== 'json') return text
  try {
    return JSON.parse(text)
  } catch {
    throw credentialError(502, 'a token endpoint answered without JSON', 'provider_invalid_answer')
  }
}

/** In place of the library's own HTTP client: no retries, no redirects, no foreign networks. */
const transporterOver = (account: ExternalAccount, call: TokenCall) => ({
  defaults: {},
  interceptors: { request: new Set(), response: new Set() },
  async request({ url, method = 'GET', headers: given, data, responseType }: LibraryRequest) {
    const headers = Object.fromEntries(new Headers(given))
    const isForm = data instanceof URLSearchParams
    if (data !== undefined)
      headers['content-type'] = isForm ? 'application/x-www-form-urlencoded' : 'application/json'
    const answer = await askTokenEndpoint(
      call,
      {
        method: method === 'POST' ? 'POST' : 'GET',
        url: new URL(url),
        headers,
        ...(data !== undefined && { body: isForm ? data.toString() : JSON.stringify(data) }),
      },
      stepOf(account, String(url)),
    )
    if (answer.status < 200 || answer.status >= 300)
      throw credentialError(401, `${stepOf(account, String(url))} refused: ${whyRefused(answer)}`)
    return { data: dataOf(answer, responseType), status: answer.status, headers: answer.headers }
  },
})

const awsSupplier = ({ accessKeyId, secretAccessKey, sessionToken, region }: AwsIdentity) => {
  if (!accessKeyId || !secretAccessKey || !region) {
    throw credentialError(
      400,
      'they name an AWS identity, which needs AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION',
    )
  }
  return {
    getAwsRegion: async () => region,
    getAwsSecurityCredentials: async () => ({
      accessKeyId,
      secretAccessKey,
      ...(sessionToken && { token: sessionToken }),
    }),
  }
}

type Source = 'aws' | 'url'
/** Files and programs are the machine's, not the request's. */
const sourceOf = ({ credential_source: source }: ExternalAccount): Source => {
  if (typeof source.environment_id === 'string' && source.environment_id.startsWith('aws')) return 'aws'
  if (typeof source.url === 'string') return 'url'
  throw credentialError(400, "'credential_source' must be a url or an AWS environment")
}

/** It is CommonJS: what bundlers make of it in a piece of its own has a default export, and not the names. */
const loadLibrary = async () => {
  const loaded: object = await import('google-auth-library')
  return ('default' in loaded ? loaded.default : loaded) as typeof import('google-auth-library')
}

const createClient = async (account: ExternalAccount, { call, aws }: FederationTools) => {
  const { credential_source, ...rest } = account
  const transporter = transporterOver(account, call)
  const source = sourceOf(account)
  // The identity comes from the connection: the library would take the machine's, whoever asks.
  const supplier =
    source === 'aws' ? { aws_security_credentials_supplier: awsSupplier(aws) } : { credential_source }
  const { AwsClient, IdentityPoolClient } = await loadLibrary()
  const options: unknown = { ...rest, ...supplier, scopes: [CLOUD_PLATFORM], transporter }
  const client =
    source === 'aws'
      ? new AwsClient(options as AwsClientOptions)
      : new IdentityPoolClient(options as IdentityPoolClientOptions)
  // The exchange has an HTTP client of its own, which no option reaches.
  Reflect.set(Reflect.get(client, 'stsCredential'), 'transporter', transporter)
  return client
}

/**
 * An external account's configuration → an access token.
 * @throws {ApiError} 400 or 401 for what is wrong with it, 502 or 504 when one of the steps fails
 */
export const federatedToken = async (account: ExternalAccount, tools: FederationTools): Promise<Token> => {
  const client = await createClient(account, tools)
  const { token } = await client.getAccessToken()
  if (!token) throw credentialError(502, 'no step answered with a token', 'provider_invalid_answer')
  return { value: token, expiresAt: client.credentials.expiry_date ?? tools.now() + UNTOLD_LIFE_MS }
}
