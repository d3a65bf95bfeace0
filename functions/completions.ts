/** `/v1/chat/completions` */
import { Hono } from 'hono'
import { complete } from '../shared/serving/index.ts'
import type { RequestContext } from './context.ts'
import { type AppEnv, assertJson, type Entrance, enter, jsonOnly } from './http.ts'

const PATH = '/v1/chat/completions'

export const completions = new Hono<AppEnv>().post('/', jsonOnly, async c =>
  complete(c.get('context'), c.get('owner'), await c.req.raw.text()),
)

/**
 * Whether a request can be answered without the router, which costs a completion as much as everything else the gateway
 * does for it. What is out of the ordinary (a query, a body of unannounced length) takes the ordinary way.
 */
export const isPlainCompletion = ({ method, url, headers }: Request, mostBytes: number): boolean =>
  method === 'POST' &&
  url.endsWith(PATH) &&
  url.indexOf('/', 'https://'.length) === url.length - PATH.length &&
  Number(headers.get('content-length') ?? Number.NaN) <= mostBytes

/** The same as the route's, from the request itself. @param entrance the route's */
export const answerCompletion = async (
  context: RequestContext,
  request: Request,
  entrance: Entrance,
  ownHeaders: Readonly<Record<string, string>>,
): Promise<Response> => {
  const { headers } = request
  context.caller = await enter(entrance, context, headers)
  assertJson(headers)
  return complete(context, context.caller.owner, await request.text(), ownHeaders)
}
