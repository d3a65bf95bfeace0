/**
 * Files and jobs named by their provider's own ids. Under credentials that all callers share an id alone would open anyone's:
 * it is only taken with credentials of the caller's own, or where the deployment says so, and never for what another owner
 * already has.
 * @module
 */
import type { Context } from '../context.ts'
import { ApiError } from '../openai/index.ts'
import { type Connection, connect, connectionName } from './connect.ts'
import { ProviderFault } from './provider.ts'

const isOpened = ({ config }: Pick<Context, 'config'>, name: string): boolean =>
  config.connections[name]?.adoptNativeIds === true

/** Whether what an account has of its own may be named there: the account is the caller's, or the deployment says so. */
export const mayAdopt = (context: Pick<Context, 'config'>, { name, account }: Connection): boolean =>
  account !== name || isOpened(context, name)

/** The account a request names beside its body, if its own ids may be named. */
export const nativeConnection = async (
  context: Context,
  provider = context.provider,
): Promise<Connection | undefined> => {
  if (provider === undefined) return undefined
  const name = connectionName(context, { provider })
  if (context.credentials === undefined && !isOpened(context, name)) return undefined
  return connect(context, name, context.credentials)
}

const CLOSED = 'send credentials of your own, or set adoptNativeIds for the connection in tunegate.config.ts'

/** The account whose own files or jobs are to be listed. @throws {ApiError} 403 when they may not be */
export const listedConnection = async (context: Context, provider: string): Promise<Connection> => {
  const connection = await nativeConnection(context, provider)
  if (connection) return connection
  throw new ApiError({
    status: 403,
    code: 'permission_denied',
    param: 'provider',
    message: `What '${provider}' itself has is not listed here: ${CLOSED}.`,
  })
}

/** What to add to a refusal of an id that may be the provider's own. */
export const closedHint = (context: Context, connection: Connection | undefined): string => {
  const isClosed = connection ? !mayAdopt(context, connection) : context.provider !== undefined
  return isClosed ? ` Ids of the provider itself are not taken here: ${CLOSED}.` : ''
}

/** Tells a native id apart from all others, whichever connection and credentials lead to it. */
export const nativeKey = (
  { provider, channel }: Pick<Connection, 'provider' | 'channel'>,
  id: string,
): string => {
  // Ids of OpenAI's kind are a server's; those of clouds name their place themselves.
  const { baseUrl } = channel.settings
  const host = baseUrl !== undefined && URL.canParse(baseUrl) ? new URL(baseUrl).host : ''
  return [provider.id, host, id].join('\n')
}

/** What a provider has, or undefined when it knows nothing of the kind. */
export const unlessMissing = async <T>(asked: Promise<T>): Promise<T | undefined> => {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ProviderFault && error.status === 404) return undefined
    throw error
  }
}
