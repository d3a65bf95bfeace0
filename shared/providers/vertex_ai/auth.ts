/** Vertex AI's authorisation: an access token, ready-made or obtained with a service account's or a federation's credentials. */
import {
  credentialError,
  type FieldSpec,
  federatedToken,
  type GoogleCredential,
  readGoogleCredential,
  serviceAccountToken,
} from '../../credentials/index.ts'
import type { AuthTools, Settings } from '../provider.ts'

export const fields = {
  credentials: {
    name: 'GOOGLE_APPLICATION_CREDENTIALS_JSON',
    request: 'vertex_credentials',
    kind: 'credential',
  },
  accessToken: { name: 'VERTEX_ACCESS_TOKEN', kind: 'credential' },
  project: { name: 'VERTEX_PROJECT', request: 'vertex_project', kind: 'account' },
  location: {
    name: 'VERTEX_LOCATION',
    request: 'vertex_location',
    kind: 'place',
    fallback: 'us-central1',
  },
  bucket: { name: 'VERTEX_BUCKET', kind: 'account' },
  aiplatformUrl: { name: 'VERTEX_AIPLATFORM_URL', kind: 'place' },
  storageUrl: { name: 'VERTEX_STORAGE_URL', kind: 'place' },
  endpoints: { name: 'VERTEX_ENDPOINTS', kind: 'place' },
  pushAudience: { name: 'VERTEX_PUSH_AUDIENCE', kind: 'account' },
  pushServiceAccount: { name: 'VERTEX_PUSH_SERVICE_ACCOUNT', kind: 'account' },
  googleKeysUrl: {
    name: 'GOOGLE_KEYS_URL',
    kind: 'place',
    fallback: 'https://www.googleapis.com/oauth2/v3/certs',
  },
  // Whom a federation with AWS shows to Google; a caller's federation never gets the deployment's.
  awsAccessKeyId: { name: 'AWS_ACCESS_KEY_ID', request: 'aws_access_key_id', kind: 'credential' },
  awsSecretAccessKey: { name: 'AWS_SECRET_ACCESS_KEY', request: 'aws_secret_access_key', kind: 'credential' },
  awsSessionToken: { name: 'AWS_SESSION_TOKEN', request: 'aws_session_token', kind: 'credential' },
  awsRegion: { name: 'AWS_REGION', request: 'aws_region_name', kind: 'place' },
} as const satisfies Readonly<Record<string, FieldSpec>>

export const missing = ({ accessToken, credentials }: Settings): string | undefined =>
  accessToken || credentials ? undefined : 'credentials'

interface Identity {
  credential: GoogleCredential
  /** Tells token caches apart. Made of all that a token is obtained with: an account's name alone is anyone's to claim. */
  key: string
}

/** Read once for a connection's settings, which live as long as their cache. */
const identities = new WeakMap<Settings, Promise<Identity>>()

const identify = async (settings: Settings): Promise<Identity> => {
  const { credentials = '', awsAccessKeyId, awsSecretAccessKey, awsSessionToken, awsRegion } = settings
  const credential = readGoogleCredential(credentials)
  const parts = JSON.stringify([credentials, awsAccessKeyId, awsSecretAccessKey, awsSessionToken, awsRegion])
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(parts))
  const hex = Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('')
  return { credential, key: `google ${hex}` }
}

const identityOf = (settings: Settings): Promise<Identity> => {
  const known = identities.get(settings) ?? identify(settings)
  identities.set(settings, known)
  return known
}

const obtain = (settings: Settings, credential: GoogleCredential, tools: AuthTools) => {
  if (credential.type === 'service_account') return serviceAccountToken(credential, tools)
  const { awsAccessKeyId, awsSecretAccessKey, awsSessionToken, awsRegion } = settings
  const aws = {
    accessKeyId: awsAccessKeyId,
    secretAccessKey: awsSecretAccessKey,
    sessionToken: awsSessionToken,
    region: awsRegion,
  }
  return federatedToken(credential, { call: tools.call, now: tools.now, aws })
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** @throws {ApiError} 400 or 401 naming the setting, 502 or 504 when a token endpoint fails */
export const authorise = async (
  settings: Settings,
  _request: unknown,
  tools: AuthTools,
): Promise<Record<string, string>> => {
  const ready = settings.accessToken?.trim()
  if (ready) {
    if (!/^[\x21-\x7e]+$/.test(ready)) throw credentialError(400, 'VERTEX_ACCESS_TOKEN is not a token')
    return bearer(ready)
  }
  const { credential, key } = await identityOf(settings)
  return bearer(await tools.tokens.get(key, () => obtain(settings, credential, tools)))
}
