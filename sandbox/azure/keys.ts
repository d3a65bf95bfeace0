import { exportJWK, generateKeyPair, type JWK, type JWTPayload, jwtVerify, SignJWT } from 'jose'

const ALGORITHM = 'RS256'

/** An issuer's RSA key, made when it is first needed. */
export class SigningKey {
  readonly #id: string
  #pair: ReturnType<typeof generateKeyPair> | undefined

  constructor(id: string) {
    this.#id = id
  }

  /** @param expiresAt seconds since 1970 */
  async sign(claims: JWTPayload, expiresAt: number): Promise<string> {
    const { privateKey } = await this.#keys()
    return new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#id, typ: 'JWT' })
      .setIssuedAt()
      .setExpirationTime(expiresAt)
      .sign(privateKey)
  }

  /**
   * The claims of a token of this issuer that is still good.
   *
   * @throws one of jose's errors
   */
  async verify(token: string, expected: { issuer: string; audience: string[] }): Promise<JWTPayload> {
    const { publicKey } = await this.#keys()
    const { payload } = await jwtVerify(token, publicKey, {
      ...expected,
      algorithms: [ALGORITHM],
      requiredClaims: ['exp', 'aud', 'iss'],
    })
    return payload
  }

  async jwks(): Promise<{ keys: JWK[] }> {
    const { publicKey } = await this.#keys()
    const jwk = await exportJWK(publicKey)
    return { keys: [{ ...jwk, kid: this.#id, alg: ALGORITHM, use: 'sig' }] }
  }

  #keys(): ReturnType<typeof generateKeyPair> {
    this.#pair ??= generateKeyPair(ALGORITHM)
    return this.#pair
  }
}
