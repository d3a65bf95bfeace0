/** What Bedrock's two hosts have in common: how a caller proves itself, and what an answer looks like around its body. */
import { type Context, Hono } from 'hono'
import { refusalOf, type Wire } from './authentication.ts'
import { AwsError, refusalError } from './errors.ts'
import { type Env, rawRequest } from './raw-request.ts'
import { sha256 } from './sigv4.ts'

/** Both hosts sign as `bedrock`. */
const WIRE: Wire = {
  service: 'bedrock',
  encodePath: 'twice',
  apiKeys: true,
  payloadHash: ({ body }) => sha256(body),
}

/** An app that lets in whoever has signed. Routes are to be added, and {@link unknownOperation} behind them. */
export function jsonService(): Hono<Env> {
  const app = new Hono<Env>()
  app.use(async (context, next) => {
    await next()
    context.header('x-amzn-requestid', crypto.randomUUID())
  })
  app.use(async (context, next) => {
    const refusal = refusalIn(await rawRequest(context))
    if (refusal) throw refusalError(refusal)
    await next()
  })
  app.onError((error, context) => {
    const refusal =
      error instanceof AwsError
        ? error
        : new AwsError('InternalServerException', `The sandbox failed: ${error.message}`)
    return context.json({ message: refusal.message }, refusal.status, refusal.headers)
  })
  return app
}

function refusalIn(request: Parameters<typeof refusalOf>[0]): ReturnType<typeof refusalOf> {
  try {
    return refusalOf(request, WIRE, Date.now())
  } catch (error) {
    if (error instanceof URIError) throw new AwsError('SerializationException', 'The URI is malformed.')
    throw error
  }
}

/** Also what an ARN gets whose slashes have not been percent-encoded: its path has too many segments. */
export function unknownOperation({ req }: Context<Env>): never {
  throw new AwsError(
    'UnknownOperationException',
    `The requested operation is not recognized by the service: ${req.method} ${req.path}`,
  )
}

/**
 * The request's body as JSON.
 *
 * @throws {AwsError} SerializationException if it is none
 */
export async function readJson({ req }: Context<Env>): Promise<unknown> {
  try {
    return await req.json()
  } catch {
    throw new AwsError('SerializationException', 'The request body is not well-formed JSON.')
  }
}

/** The request's own parameters: without those of a signature in the URL. */
export const queryOf = ({ req }: Context<Env>): Record<string, string> =>
  Object.fromEntries(Object.entries(req.query()).filter(([name]) => !name.startsWith('X-Amz-')))
