/** The sandbox's identity provider, judged by jose as any client would. */
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, describe, expect, it } from 'vitest'
import { startSandbox } from '../../sandbox/server.ts'

const sandbox = await startSandbox()
afterAll(() => sandbox.close())
const ISSUER = `${sandbox.origin}/identity`

const sign = async (claims: object): Promise<string> => {
  const answer = await fetch(`${sandbox.origin}/_sandbox/identity/tokens`, {
    method: 'POST',
    body: JSON.stringify({ claims }),
  })
  return ((await answer.json()) as { token: string }).token
}

describe('the identity provider', () => {
  it('says where its keys are, which prove its tokens', async () => {
    const document = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json()
    expect(document).toMatchObject({ issuer: ISSUER, jwks_uri: `${ISSUER}/keys` })
    const keys = createRemoteJWKSet(new URL(`${ISSUER}/keys`))
    const token = await sign({ sub: 'alice', aud: 'tunegate', scope: 'chat' })
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: 'tunegate' })
    expect(payload).toMatchObject({ sub: 'alice', scope: 'chat', exp: expect.any(Number) })
    await expect(jwtVerify(token, keys, { issuer: ISSUER, audience: 'other' })).rejects.toThrow()
  })

  it('tells no one its private key', async () => {
    const { keys } = (await (await fetch(`${ISSUER}/keys`)).json()) as { keys: object[] }
    for (const key of keys) expect(key).not.toHaveProperty('d')
  })
})
