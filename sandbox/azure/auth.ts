/** Who may call an account: its key, or an Entra token for the right audience. */
import { timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import type { Account } from './account.ts'
import type { Entra } from './entra.ts'
import { AzureError } from './errors.ts'
import { AUDIENCES, type Audience } from './identity.ts'

export type Surface = 'v1' | 'dated'

const ACCEPTED: Record<Surface, readonly Audience[]> = {
  v1: [AUDIENCES.cognitiveServices, AUDIENCES.foundry],
  dated: [AUDIENCES.cognitiveServices],
}

export function dataPlaneAuth({ plan }: Account, entra: Entra, surface: Surface): MiddlewareHandler {
  return async ({ req }, next) => {
    const key = req.header('api-key')
    const bearer = bearerOf(req.header('authorization'))
    if (key !== undefined) {
      if (!same(key, plan.apiKey)) throw unauthorized('The key is not one of this resource.')
    } else if (bearer === undefined) {
      throw unauthorized('The request has neither a key nor a token.')
    } else if (!(surface === 'v1' && same(bearer, plan.apiKey))) {
      // On v1, OpenAI's own client may send the key as its bearer token.
      if (!(await entra.accepts(bearer, ACCEPTED[surface]))) {
        throw unauthorized(
          `The access token is invalid, has expired, or is not for ${ACCEPTED[surface].join(' or ')}.`,
        )
      }
    }
    await next()
  }
}

export const bearerOf = (header: string | undefined): string | undefined =>
  /^Bearer (.+)$/i.exec(header ?? '')?.[1]

const unauthorized = (message: string): AzureError =>
  new AzureError(401, `Access denied. ${message}`, { code: '401' })

function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.byteLength === b.byteLength && timingSafeEqual(a, b)
}
