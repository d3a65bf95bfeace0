/** The RS256 JWTs that a service account signs: as an assertion, or to be used as a token by itself. */
import { compactVerify, decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import { EMAIL, KEY_ID, serviceAccountKeys } from './identity.ts'

/** The JWT is not what it should be; the message says how. */
export class BadAssertion extends Error {
  override readonly name = 'BadAssertion'
}

/** Google's limit from `iat` to `exp`. */
const LONGEST_LIFE_SECONDS = 3600
/** How far clocks may differ. */
const SKEW_SECONDS = 300

export interface Assertion {
  audience: string | undefined
  scopes: readonly string[]
}

/**
 * Verifies issuer, signature and times.
 *
 * @param keyId whether the header has to name the key
 * @throws {BadAssertion}
 */
export async function verifyAssertion(
  jwt: string,
  { keyId }: { keyId: 'required' | 'optional' },
): Promise<Assertion> {
  const { alg, kid, claims } = decode(jwt)
  if (alg !== 'RS256') throw new BadAssertion('Invalid JWT: the algorithm must be RS256.')
  if (claims.iss !== EMAIL) throw new BadAssertion('Invalid grant: account not found')
  if (claims.sub !== undefined && claims.sub !== EMAIL) {
    throw new BadAssertion('Invalid JWT: the account may not act for another subject.')
  }
  if (kid === undefined ? keyId === 'required' : kid !== KEY_ID) {
    throw new BadAssertion('Invalid JWT: the header names no key of the account.')
  }
  await verifySignature(jwt)
  checkTimes(claims)
  if (Array.isArray(claims.aud)) throw new BadAssertion('Invalid JWT: one audience is allowed.')
  const { scope } = claims
  return {
    audience: claims.aud,
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
  }
}

function decode(jwt: string): { alg: string | undefined; kid: string | undefined; claims: JWTPayload } {
  try {
    const { alg, kid } = decodeProtectedHeader(jwt)
    return { alg, kid, claims: decodeJwt(jwt) }
  } catch {
    throw new BadAssertion('Invalid JWT: it cannot be decoded.')
  }
}

async function verifySignature(jwt: string): Promise<void> {
  try {
    await compactVerify(jwt, serviceAccountKeys().publicKey, { algorithms: ['RS256'] })
  } catch {
    throw new BadAssertion('Invalid JWT Signature.')
  }
}

function checkTimes({ iat, exp }: JWTPayload): void {
  const now = Date.now() / 1000
  const reasonable =
    iat !== undefined &&
    exp !== undefined &&
    exp > iat &&
    exp - iat <= LONGEST_LIFE_SECONDS &&
    iat <= now + SKEW_SECONDS &&
    exp > now
  if (!reasonable) {
    throw new BadAssertion(
      'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.',
    )
  }
}
