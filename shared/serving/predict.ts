/**
 * Online predictions: an authenticated pass-through to endpoints that are no chat.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest } from '../openai/index.ts'
import { assertMayUse, connect, connectionName, type PredictionVerb } from '../providers/index.ts'

/** Sends a body to a prediction endpoint and answers what it answers. */
export const predict = async (
  context: Context,
  provider: string,
  endpoint: string,
  verb: PredictionVerb,
  body: string,
): Promise<Response> => {
  const name = connectionName(context, { provider: context.provider ?? provider })
  assertMayUse(context, { connection: name, models: [`endpoints/${endpoint}`, endpoint] })
  const connection = await connect(context, name, context.credentials)
  const { predictions } = connection.provider
  if (!predictions)
    throw badRequest(
      'provider',
      `'${connection.provider.id}' has no prediction endpoints.`,
      'feature_unsupported',
    )
  const answer = await predictions.send(connection.channel, endpoint, verb, body)
  const type = answer.headers.get('content-type')
  return new Response(answer.body, {
    status: answer.status,
    headers: type === null ? {} : { 'content-type': type },
  })
}
