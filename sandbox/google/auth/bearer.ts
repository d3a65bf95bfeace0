/** What an API asks of the `Authorization` header, free of how it words a refusal. */
import { BadAssertion, verifyAssertion } from './assertion.ts'
import { CLOUD_PLATFORM } from './identity.ts'
import type { AccessTokens, Principal } from './tokens.ts'

export type AccessFault = 'missing' | 'invalid' | 'scope' | 'federated'

/** No access; each API answers it in its own shape. */
export class NoAccess extends Error {
  override readonly name = 'NoAccess'
  readonly fault: AccessFault

  constructor(fault: AccessFault, message: string) {
    super(message)
    this.fault = fault
  }
}

export interface Requirement {
  /** One of these must be among the token's. */
  scopes: readonly string[]
  /** What a self-signed token may name as its audience instead of scopes. */
  audience: (value: string) => boolean
  /** Who may come in. */
  kind: Principal['kind']
}

/**
 * Finds out who is calling.
 *
 * @throws {NoAccess}
 */
export async function authenticate(
  authorization: string | undefined,
  tokens: AccessTokens,
  { scopes, audience, kind }: Requirement,
): Promise<Principal> {
  if (!authorization) throw new NoAccess('missing', 'The request has no credentials.')
  const token = /^Bearer (\S+)$/i.exec(authorization)?.[1]
  if (!token) throw new NoAccess('invalid', 'The Authorization header holds no bearer token.')
  const principal = token.startsWith('eyJ') ? await selfSigned(token, audience) : tokens.find(token)
  if (!principal) throw new NoAccess('invalid', 'The access token is unknown or has expired.')
  if (principal.kind !== kind)
    throw new NoAccess('federated', `A ${principal.kind} token has no rights here.`)
  if (!principal.scopes.some(scope => scopes.includes(scope))) {
    throw new NoAccess('scope', 'Request had insufficient authentication scopes.')
  }
  return principal
}

/** A JWT that the account has signed itself: it names either the API's URL as audience or scopes. */
async function selfSigned(jwt: string, audienceFits: Requirement['audience']): Promise<Principal> {
  try {
    const { audience, scopes } = await verifyAssertion(jwt, { keyId: 'required' })
    if (audience === undefined) return { kind: 'serviceAccount', scopes }
    if (audienceFits(audience)) return { kind: 'serviceAccount', scopes: [CLOUD_PLATFORM] }
    throw new NoAccess('invalid', `The token is meant for ${audience}.`)
  } catch (error) {
    throw error instanceof BadAssertion ? new NoAccess('invalid', error.message) : error
  }
}
