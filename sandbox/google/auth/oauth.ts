/** `/oauth2/token`: an assertion signed by the service account against an access token. */
import { Hono } from 'hono'
import { type Assertion, BadAssertion, verifyAssertion } from './assertion.ts'
import { answerOAuthError, OAuthError, readForm } from './oauth-error.ts'
import type { AccessTokens } from './tokens.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** What Google's libraries write into `aud`, whatever the key file says. */
const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token'

/** The token endpoint, which knows one grant: a signed assertion (RFC 7523). */
export function oauthRoutes(tokens: AccessTokens, tokenUrl: () => string): Hono {
  const app = new Hono()
  app.onError(answerOAuthError)
  return app.post('/token', async context => {
    const field = await readForm(context, ['grant_type'])
    if (field('grant_type') !== JWT_BEARER) {
      throw new OAuthError('unsupported_grant_type', `Invalid grant_type: ${field('grant_type')}`)
    }
    if (field('assertion') === '') throw new OAuthError('invalid_request', 'Missing parameter: assertion')
    const { audience, scopes } = await verified(field('assertion'))
    if (audience !== GOOGLE_TOKEN_URL && audience !== tokenUrl()) {
      throw new OAuthError('invalid_grant', `Invalid JWT: Failed audience check. aud: ${audience ?? 'none'}`)
    }
    if (scopes.length === 0) {
      throw new OAuthError('invalid_scope', 'Invalid OAuth scope or ID token audience provided.')
    }
    const { token } = tokens.issue({ kind: 'serviceAccount', scopes })
    return context.json({ access_token: token, expires_in: tokens.lifeSeconds, token_type: 'Bearer' })
  })
}

async function verified(assertion: string): Promise<Assertion> {
  try {
    return await verifyAssertion(assertion, { keyId: 'optional' })
  } catch (error) {
    throw error instanceof BadAssertion ? new OAuthError('invalid_grant', error.message) : error
  }
}
