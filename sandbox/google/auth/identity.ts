/** Who there is: one project with one service account, and one workload identity pool that may act as it. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'

export const PROJECT = { id: 'sandbox-project', number: '100000000001' } as const
export const BUCKET = 'sandbox-bucket'
export const EMAIL = `tunegate@${PROJECT.id}.iam.gserviceaccount.com`
export const KEY_ID = 'sandbox-key-1'

/** What a federated caller names as `audience`. */
export const POOL_PROVIDER = `//iam.googleapis.com/projects/${PROJECT.number}/locations/global/workloadIdentityPools/sandbox-pool/providers/sandbox-oidc`
/** The same for callers who come from AWS. */
export const AWS_POOL_PROVIDER = POOL_PROVIDER.replace(/sandbox-oidc$/, 'sandbox-aws')

export const OIDC_ISSUER = 'https://oidc.sandbox.test'
/** Lets nobody but a configured caller ask for subject tokens, as a CI system does it. */
export const OIDC_REQUEST_TOKEN = 'sandbox-oidc-request'

export const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform'

interface KeyPair {
  publicKey: KeyObject
  privateKey: KeyObject
}

/** Drawn when first asked for, then kept for the process: an RSA key costs a good part of a second. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** What the service account signs with: RSA, as Google demands it. */
export const serviceAccountKeys = once<KeyPair>(() => generateKeyPairSync('rsa', { modulusLength: 2048 }))
/** What the OIDC issuer signs with. */
export const issuerKeys = once<KeyPair>(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }))

/** The content of a service account's key file. */
export interface ServiceAccountKey {
  type: 'service_account'
  project_id: string
  private_key_id: string
  /** PKCS#8 in PEM. */
  private_key: string
  client_email: string
  client_id: string
  auth_uri: string
  token_uri: string
  auth_provider_x509_cert_url: string
  client_x509_cert_url: string
  universe_domain: string
}

/** The key file of the sandbox's account. Draws the key if nobody has before. */
export function serviceAccountKey(tokenUrl: string): ServiceAccountKey {
  return {
    type: 'service_account',
    project_id: PROJECT.id,
    private_key_id: KEY_ID,
    private_key: serviceAccountKeys().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    client_email: EMAIL,
    client_id: '100000000000000000001',
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: tokenUrl,
    auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
    client_x509_cert_url: `https://www.googleapis.com/robot/v1/metadata/x509/${encodeURIComponent(EMAIL)}`,
    universe_domain: 'googleapis.com',
  }
}

/** A credential configuration for workload identity federation. */
export interface ExternalAccount {
  type: 'external_account'
  audience: string
  subject_token_type: string
  token_url: string
  service_account_impersonation_url: string
  credential_source: {
    url: string
    headers: Record<string, string>
    format: { type: 'json'; subject_token_field_name: string }
  }
}

/** The configuration that fetches its subject token from the sandbox's own issuer. */
export function externalAccount(urls: {
  stsUrl: string
  iamCredentialsUrl: string
  oidcUrl: string
}): ExternalAccount {
  return {
    type: 'external_account',
    audience: POOL_PROVIDER,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: urls.stsUrl,
    service_account_impersonation_url: `${urls.iamCredentialsUrl}/v1/projects/-/serviceAccounts/${EMAIL}:generateAccessToken`,
    credential_source: {
      url: urls.oidcUrl,
      headers: { authorization: `Bearer ${OIDC_REQUEST_TOKEN}` },
      format: { type: 'json', subject_token_field_name: 'value' },
    },
  }
}

/** An OIDC token as the pool's provider trusts them. The changes make one that it should not trust. */
export function mintSubjectToken({
  issuer = OIDC_ISSUER,
  audience = `https:${POOL_PROVIDER}`,
  lifetimeSeconds = 300,
}: {
  issuer?: string
  audience?: string
  lifetimeSeconds?: number
} = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return new SignJWT({ repository: 'tunegate/sandbox' })
    .setProtectedHeader({ alg: 'ES256', kid: 'sandbox-oidc-1', typ: 'JWT' })
    .setIssuer(issuer)
    .setSubject('repo:tunegate/sandbox')
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeSeconds)
    .sign(issuerKeys().privateKey)
}
