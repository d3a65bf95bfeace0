/** Google's wire: tokens, Cloud Storage and Vertex AI, as path prefixes below `/google`. */
import { Hono } from 'hono'
import type { Streams } from '../streams.ts'
import type { Tempo } from '../tempo.ts'
import { aiPlatformRoutes } from './aiplatform/app.ts'
import { type Mishap, Mishaps } from './aiplatform/mishap.ts'
import { Registry } from './aiplatform/models.ts'
import { CUSTOM_ENDPOINT } from './aiplatform/prediction.ts'
import { TuningJobs } from './aiplatform/tuning-routes.ts'
import { iamCredentialsRoutes } from './auth/iam-credentials.ts'
import {
  BUCKET,
  type ExternalAccount,
  externalAccount,
  PROJECT,
  type ServiceAccountKey,
  serviceAccountKey,
} from './auth/identity.ts'
import { oauthRoutes } from './auth/oauth.ts'
import { oidcRoutes, stsRoutes } from './auth/sts.ts'
import { AccessTokens } from './auth/tokens.ts'
import { storageRoutes } from './storage/app.ts'
import { Bucket } from './storage/bucket.ts'
import { Resumables } from './storage/resumable.ts'

/** What a client needs to know of Google's side. */
export interface GoogleAccess {
  /** The content of the key file; drawing the key takes a moment, so only when it is asked for. */
  readonly serviceAccount: ServiceAccountKey
  project: string
  projectNumber: string
  bucket: string
  /** Instead of `https://{location}-aiplatform.googleapis.com`. */
  aiplatformUrl: string
  /** Instead of `https://storage.googleapis.com`. */
  storageUrl: string
  /** Instead of `https://oauth2.googleapis.com/token`. */
  tokenUrl: string
  /** Instead of `https://sts.googleapis.com/v1/token`. */
  stsUrl: string
  /** Instead of `https://iamcredentials.googleapis.com`. */
  iamCredentialsUrl: string
  /** A custom endpoint in us-central1 that is there from the start. */
  customEndpoint: string
  /** A credential configuration for workload identity federation. */
  externalAccount(): ExternalAccount
}

export interface Google {
  app: Hono
  tokens: AccessTokens
  bucket: Bucket
  resumables: Resumables
  jobs: TuningJobs
  registry: Registry
  /** Ends the next stream with an error object. */
  breakNextStream(mishap: Mishap): void
  access: GoogleAccess
  /** Forgets objects, jobs and models. Tokens and their life stay: clients keep them for as long as they were told. */
  reset(): void
}

/** @param origin where the server listens; asked only once requests come */
export function createGoogle(origin: () => string, tempo: Tempo, streams: Streams): Google {
  const at = (path: string) => (): string => `${origin()}/google/${path}`
  const urls = {
    token: at('oauth2/token'),
    sts: at('sts/v1/token'),
    iamCredentials: at('iamcredentials'),
    oidc: at('oidc/token'),
    storage: at('storage'),
    aiplatform: at('aiplatform'),
  }
  const tokens = new AccessTokens()
  const bucket = new Bucket(BUCKET)
  const resumables = new Resumables()
  const jobs = new TuningJobs()
  const registry = new Registry()
  const mishaps = new Mishaps()

  const app = new Hono()
  app.route('/oauth2', oauthRoutes(tokens, urls.token))
  app.route('/sts', stsRoutes(tokens))
  app.route('/oidc', oidcRoutes())
  app.route('/iamcredentials', iamCredentialsRoutes(tokens))
  app.route('/storage', storageRoutes({ bucket, resumables, tokens, base: urls.storage }))
  app.route(
    '/aiplatform',
    aiPlatformRoutes({ jobs, bucket, registry, tempo, streams, mishaps, tokens, base: urls.aiplatform }),
  )

  return {
    app,
    tokens,
    bucket,
    resumables,
    jobs,
    registry,
    breakNextStream: mishap => mishaps.set(mishap),
    access: {
      get serviceAccount() {
        return serviceAccountKey(urls.token())
      },
      project: PROJECT.id,
      projectNumber: PROJECT.number,
      bucket: BUCKET,
      get aiplatformUrl() {
        return urls.aiplatform()
      },
      get storageUrl() {
        return urls.storage()
      },
      get tokenUrl() {
        return urls.token()
      },
      get stsUrl() {
        return urls.sts()
      },
      get iamCredentialsUrl() {
        return urls.iamCredentials()
      },
      customEndpoint: CUSTOM_ENDPOINT.id,
      externalAccount: () =>
        externalAccount({
          stsUrl: urls.sts(),
          iamCredentialsUrl: urls.iamCredentials(),
          oidcUrl: urls.oidc(),
        }),
    },
    reset: () => {
      jobs.clear()
      registry.clear()
      bucket.clear()
      resumables.clear()
      mishaps.clear()
    },
  }
}
