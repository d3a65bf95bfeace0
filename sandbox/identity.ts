/**
 * An identity provider: a discovery document, its keys, and tokens for whoever asks its control surface.
 * Source: OpenID Connect Discovery 1.0.
 * @module
 */
import { Hono } from 'hono'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as z from 'zod'

const KEY_ID = 'identity-1'
const ALGORITHM = 'ES256'
const LIFETIME = '10m'

const wish = z.strictObject({ claims: z.record(z.string(), z.unknown()) })

export interface Identity {
  /** Below `/identity`, which is the issuer. */
  app: Hono
  /** Below `/_sandbox/identity`: `POST /tokens` signs claims. */
  control: Hono
}

/** @param origin of the sandbox */
export function createIdentity(origin: () => string): Identity {
  let made: ReturnType<typeof generateKeyPair> | undefined
  const pair = () => (made ??= generateKeyPair(ALGORITHM, { extractable: true }))
  const issuer = () => `${origin()}/identity`

  const app = new Hono()
    .get('/.well-known/openid-configuration', ({ json }) =>
      json({
        issuer: issuer(),
        jwks_uri: `${issuer()}/keys`,
        id_token_signing_alg_values_supported: [ALGORITHM],
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
      }),
    )
    .get('/keys', async ({ json }) => {
      const { publicKey } = await pair()
      return json({ keys: [{ ...(await exportJWK(publicKey)), kid: KEY_ID, alg: ALGORITHM, use: 'sig' }] })
    })

  const control = new Hono().post('/tokens', async ({ req, json }) => {
    const { claims } = wish.parse(await req.json())
    const { privateKey } = await pair()
    const token = await new SignJWT({ iss: issuer(), ...claims })
      .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID })
      .setIssuedAt()
      .setExpirationTime(LIFETIME)
      .sign(privateKey)
    return json({ token })
  })
  return { app, control }
}
