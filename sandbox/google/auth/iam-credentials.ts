/** `/iamcredentials/…:generateAccessToken`: a federated caller becomes the service account. */
import { Hono } from 'hono'
import * as z from 'zod'
import { check, readBody } from '../check.ts'
import { asGoogleError, errorInfo, GoogleError } from '../errors.ts'
import { authenticate, NoAccess } from './bearer.ts'
import { CLOUD_PLATFORM, EMAIL } from './identity.ts'
import { refusalOf } from './refusal.ts'
import type { AccessTokens } from './tokens.ts'

const LONGEST_SECONDS = 3600

const request = z.strictObject({
  scope: z.array(z.string()).min(1),
  delegates: z.array(z.string()).max(0).optional(),
  lifetime: z
    .string()
    .regex(/^\d+s$/)
    .transform(text => Number.parseInt(text, 10))
    .pipe(z.int().min(1).max(LONGEST_SECONDS))
    .default(LONGEST_SECONDS),
})

/** The way from a federated token to the service account's; lives at most an hour. */
export function iamCredentialsRoutes(tokens: AccessTokens): Hono {
  const app = new Hono()
  app.onError((error, context) => {
    const refusal = error instanceof NoAccess ? refusalOf(error) : asGoogleError(error)
    return context.json(refusal.body, refusal.http)
  })
  return app.post('/v1/projects/-/serviceAccounts/:call', async context => {
    await authenticate(context.req.header('authorization'), tokens, {
      scopes: [CLOUD_PLATFORM, 'https://www.googleapis.com/auth/iam'],
      audience: () => false,
      kind: 'federated',
    })
    const email = /^(.+):generateAccessToken$/.exec(context.req.param('call'))?.[1]
    if (email === undefined) throw new GoogleError('NOT_FOUND', 'Unknown method.')
    if (email !== EMAIL) {
      throw new GoogleError(
        'PERMISSION_DENIED',
        `Permission 'iam.serviceAccounts.getAccessToken' denied on resource ${email} (or it may not exist).`,
        [errorInfo('IAM_PERMISSION_DENIED', { permission: 'iam.serviceAccounts.getAccessToken' })],
      )
    }
    const { scope, lifetime } = check(request, await readBody(context))
    const life = Math.min(lifetime, tokens.lifeSeconds)
    const { token, expiresAt } = tokens.issue({ kind: 'serviceAccount', scopes: scope }, life)
    return context.json({
      accessToken: token,
      expireTime: new Date(expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
    })
  })
}
