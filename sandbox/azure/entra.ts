/** Entra: `/azure/login/{tenant}/oauth2/v2.0/token`, and the tokens that come from it. */
import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { errors, type JWTPayload } from 'jose'
import { nowInSeconds } from '../ids.ts'
import {
  AUDIENCES,
  type Audience,
  CLIENT_ID,
  CLIENT_SECRET,
  FEDERATION,
  ISSUER,
  TENANT_ID,
} from './identity.ts'
import { SigningKey } from './keys.ts'
import type { AzureSettings } from './settings.ts'

/** Where a {@link Entra.mintAssertion | minted assertion} departs from a good one. */
export interface AssertionChanges {
  issuer?: string | undefined
  subject?: string | undefined
  audience?: string | undefined
  /** Default 600; negative = it has expired. */
  expiresInSeconds?: number | undefined
}

/** What is wrong with a token request: OAuth's name for it, and Entra's number. */
class LoginError extends Error {
  readonly status: 400 | 401
  readonly error: string
  readonly number: number

  constructor(status: 400 | 401, error: string, number: number, message: string) {
    super(message)
    this.status = status
    this.error = error
    this.number = number
  }

  get body() {
    return {
      error: this.error,
      error_description: `AADSTS${this.number}: ${this.message}`,
      error_codes: [this.number],
      timestamp: new Date().toISOString(),
      trace_id: randomUUID(),
      correlation_id: randomUUID(),
    }
  }
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export class Entra {
  readonly #settings: Pick<AzureSettings, 'tokenSeconds'>
  readonly #directory = new SigningKey('directory')
  readonly #outside = new SigningKey('outside')

  constructor(settings: Pick<AzureSettings, 'tokenSeconds'>) {
    this.#settings = settings
  }

  /** A client assertion as the trusted outside issuer would sign it. */
  mintAssertion({
    issuer = FEDERATION.issuer,
    subject = FEDERATION.subject,
    audience = FEDERATION.audience,
    expiresInSeconds = 600,
  }: AssertionChanges = {}): Promise<string> {
    const claims = { iss: issuer, sub: subject, aud: audience, jti: randomUUID() }
    return this.#outside.sign(claims, nowInSeconds() + expiresInSeconds)
  }

  /** Whether a token is ours, for one of the audiences, and has not expired. */
  async accepts(token: string, audience: readonly Audience[]): Promise<boolean> {
    try {
      await this.#directory.verify(token, { issuer: ISSUER, audience: [...audience] })
      return true
    } catch (error) {
      if (error instanceof errors.JOSEError) return false
      throw error
    }
  }

  routes(): Hono {
    return new Hono()
      .post('/:tenant/oauth2/v2.0/token', async ({ req, json }) => {
        try {
          requireTenant(req.param('tenant'))
          const form = formOf(req.header('content-type'), await req.text())
          const audience = await this.#grant(form)
          return json(await this.#token(audience))
        } catch (error) {
          if (error instanceof LoginError) return json(error.body, error.status)
          throw error
        }
      })
      .get('/federation/keys', async context => context.json(await this.#outside.jwks()))
  }

  async #grant(form: URLSearchParams): Promise<Audience> {
    const grant = required(form, 'grant_type')
    if (grant !== 'client_credentials') {
      throw new LoginError(
        400,
        'unsupported_grant_type',
        70003,
        `The grant type '${grant}' is not supported.`,
      )
    }
    const client = required(form, 'client_id')
    if (client !== CLIENT_ID) {
      throw new LoginError(
        400,
        'unauthorized_client',
        700016,
        `There is no application '${client}' in the directory.`,
      )
    }
    const audience = audienceOf(required(form, 'scope'))
    await this.#authenticate(form)
    return audience
  }

  async #authenticate(form: URLSearchParams): Promise<void> {
    const assertion = form.get('client_assertion')
    if (assertion !== null) {
      if (required(form, 'client_assertion_type') !== ASSERTION_TYPE) {
        throw new LoginError(400, 'invalid_request', 50027, 'The client assertion type is not known.')
      }
      return this.#checkAssertion(assertion)
    }
    const secret = form.get('client_secret')
    if (secret === null) {
      throw invalidClient(7000218, "The request must have a 'client_assertion' or a 'client_secret'.")
    }
    if (secret !== CLIENT_SECRET) throw invalidClient(7000215, 'The client secret is wrong.')
  }

  async #checkAssertion(assertion: string): Promise<void> {
    let claims: JWTPayload
    try {
      const { issuer, audience } = FEDERATION
      claims = await this.#outside.verify(assertion, { issuer, audience: [audience] })
    } catch (error) {
      throw assertionFault(error)
    }
    if (claims.sub !== FEDERATION.subject) {
      throw invalidClient(700213, 'No federated identity of the application matches the subject.')
    }
  }

  async #token(audience: Audience) {
    const lifetime = this.#settings.tokenSeconds
    const claims = { iss: ISSUER, aud: audience, tid: TENANT_ID, appid: CLIENT_ID, sub: CLIENT_ID }
    const access_token = await this.#directory.sign(
      { ...claims, jti: randomUUID() },
      nowInSeconds() + lifetime,
    )
    return { token_type: 'Bearer', expires_in: lifetime, ext_expires_in: lifetime, access_token }
  }
}

const invalidClient = (number: number, message: string): LoginError =>
  new LoginError(401, 'invalid_client', number, message)

/** What jose found, in Entra's numbers. */
function assertionFault(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return invalidClient(700024, 'The client assertion has expired.')
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'aud'
      ? invalidClient(700212, 'No federated identity of the application matches the audience.')
      : invalidClient(700211, `No federated identity of the application matches the '${error.claim}'.`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return invalidClient(700027, 'The signature of the client assertion is wrong.')
  }
  if (error instanceof errors.JOSEError) return invalidClient(50027, 'The client assertion is malformed.')
  return error
}

function requireTenant(tenant: string): void {
  if (tenant !== TENANT_ID) {
    throw new LoginError(400, 'invalid_request', 90002, `There is no tenant '${tenant}'.`)
  }
}

function formOf(contentType: string | undefined, text: string): URLSearchParams {
  const isForm = contentType?.split(';')[0]?.trim() === 'application/x-www-form-urlencoded'
  return new URLSearchParams(isForm ? text : '')
}

function required(form: URLSearchParams, field: string): string {
  const value = form.get(field)
  if (value) return value
  throw new LoginError(400, 'invalid_request', 900144, `The form must have the field '${field}'.`)
}

const DEFAULT_SCOPE = '/.default'

function audienceOf(scope: string): Audience {
  if (/\s/.test(scope.trim()) || !scope.endsWith(DEFAULT_SCOPE)) {
    throw new LoginError(
      400,
      'invalid_scope',
      1002012,
      `The scope '${scope}' is not valid: client credentials need one resource, with '${DEFAULT_SCOPE}' behind it.`,
    )
  }
  const resource = scope.slice(0, -DEFAULT_SCOPE.length).replace(/\/$/, '')
  const found = Object.values(AUDIENCES).find(audience => audience === resource)
  if (found) return found
  throw new LoginError(400, 'invalid_resource', 500011, `There is no resource '${resource}' in the tenant.`)
}
