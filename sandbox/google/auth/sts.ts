/** `/sts/v1/token` and the issuer behind it: workload identity federation. */
import { Hono } from 'hono'
import { jwtVerify } from 'jose'
import * as z from 'zod'
import {
  AWS_POOL_PROVIDER,
  issuerKeys,
  mintSubjectToken,
  OIDC_ISSUER,
  OIDC_REQUEST_TOKEN,
  POOL_PROVIDER,
} from './identity.ts'
import { answerOAuthError, OAuthError, readForm } from './oauth-error.ts'
import type { AccessTokens } from './tokens.ts'

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const FEDERATED_LIFE_SECONDS = 3600

const REQUIRED = [
  'grant_type',
  'audience',
  'scope',
  'requested_token_type',
  'subject_token',
  'subject_token_type',
]

/** How each kind of subject token is checked, and at which provider of the pool. */
const SUBJECTS: Record<string, { provider: string; verify: (token: string) => Promise<void> }> = {
  'urn:ietf:params:oauth:token-type:jwt': { provider: POOL_PROVIDER, verify: verifyOidc },
  'urn:ietf:params:oauth:token-type:id_token': { provider: POOL_PROVIDER, verify: verifyOidc },
  'urn:ietf:params:aws:token-type:aws4_request': { provider: AWS_POOL_PROVIDER, verify: verifyAws },
}

export function stsRoutes(tokens: AccessTokens): Hono {
  const app = new Hono()
  app.onError(answerOAuthError)
  return app.post('/v1/token', async context => {
    const field = await readForm(context, REQUIRED)
    if (field('grant_type') !== TOKEN_EXCHANGE) {
      throw new OAuthError('unsupported_grant_type', `Unsupported grant_type: ${field('grant_type')}`)
    }
    if (field('requested_token_type') !== ACCESS_TOKEN) {
      throw new OAuthError('invalid_request', `Unsupported requested_token_type.`)
    }
    const subject = SUBJECTS[field('subject_token_type')]
    if (!subject) throw new OAuthError('invalid_request', 'Unsupported subject_token_type.')
    if (field('audience') !== subject.provider) {
      throw new OAuthError('invalid_target', `The target service indicated by the "audience" is invalid.`)
    }
    await subject.verify(field('subject_token'))
    const life = Math.min(FEDERATED_LIFE_SECONDS, tokens.lifeSeconds)
    const { token } = tokens.issue({ kind: 'federated', scopes: field('scope').split(' ') }, life)
    return context.json({
      access_token: token,
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: life,
    })
  })
}

/** The identity provider of the caller's own world: hands out subject tokens to those who know the secret. */
export function oidcRoutes(): Hono {
  return new Hono().get('/token', async context => {
    if (context.req.header('authorization') !== `Bearer ${OIDC_REQUEST_TOKEN}`) {
      return context.json({ error: 'The issuer does not know you.' }, 401)
    }
    return context.json({ value: await mintSubjectToken() })
  })
}

async function verifyOidc(token: string): Promise<void> {
  try {
    await jwtVerify(token, issuerKeys().publicKey, {
      algorithms: ['ES256'],
      issuer: OIDC_ISSUER,
      audience: [POOL_PROVIDER, `https:${POOL_PROVIDER}`],
      requiredClaims: ['sub', 'exp', 'iat'],
    })
  } catch (error) {
    throw new OAuthError('invalid_grant', `Error verifying the subject token: ${messageOf(error)}`)
  }
}

const awsRequest = z.strictObject({
  url: z.url(),
  method: z.literal('POST'),
  headers: z.array(z.strictObject({ key: z.string(), value: z.string() })),
})

/** AWS would be asked to check the signature; here its form has to do. */
async function verifyAws(token: string): Promise<void> {
  const bad = (why: string): OAuthError =>
    new OAuthError('invalid_grant', `Invalid AWS subject token: ${why}`)
  let request: z.infer<typeof awsRequest>
  try {
    request = awsRequest.parse(JSON.parse(decodeURIComponent(token)))
  } catch {
    throw bad('it is not the URL-encoded JSON of a request.')
  }
  const { protocol, hostname, searchParams } = new URL(request.url)
  if (protocol !== 'https:' || !/^sts(\.[a-z0-9-]+)?\.amazonaws\.com$/.test(hostname)) {
    throw bad(`${hostname} is no host of STS.`)
  }
  if (searchParams.get('Action') !== 'GetCallerIdentity' || searchParams.get('Version') !== '2011-06-15') {
    throw bad('it must be a GetCallerIdentity request.')
  }
  const header = (name: string): string =>
    request.headers.find(({ key }) => key.toLowerCase() === name)?.value ?? ''
  if (header('x-goog-cloud-target-resource') !== AWS_POOL_PROVIDER) {
    throw bad('x-goog-cloud-target-resource does not name the provider.')
  }
  if (!/^\d{8}T\d{6}Z$/.test(header('x-amz-date'))) throw bad('x-amz-date is missing.')
  const signature =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/[a-z0-9-]+\/sts\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=[0-9a-f]{64}$/.exec(
      header('authorization'),
    )
  if (!signature?.[1]?.split(';').includes('host')) throw bad('it is not signed with AWS4-HMAC-SHA256.')
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
