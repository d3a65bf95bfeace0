import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { RawRequest } from './sigv4.ts'

export type Env = { Bindings: HttpBindings }

/** The request as it was sent: signatures cover the bytes of the request line, not what a router makes of them. */
export async function rawRequest({ env, req }: Context<Env>): Promise<RawRequest> {
  const [path = '/', ...query] = (env.incoming.url ?? '/').split('?')
  return {
    method: req.method,
    path,
    query: query.join('?'),
    headers: req.header(),
    body: new Uint8Array(await req.arrayBuffer()),
  }
}
