/**
 * Who calls: the owner of a gateway key, a user of an identity provider, or the deployment's admin.
 * @module
 */
import type { Caller, Context } from '../context.ts'
import { SCOPES } from '../openai/index.ts'
import { type Admission, admissionsOf, unauthorised } from './admission.ts'
import { grantsOf, KEYS, sha256Of } from './keys.ts'
import { isJwt, verifyUser } from './oidc.ts'

/** The token of `Authorization: Bearer …`. @throws {ApiError} 401 */
export const bearerOf = (header: string | null): string => {
  if (!header)
    throw unauthorised('missing_api_key', 'No API key was given: send it as `Authorization: Bearer <key>`.')
  const token = /^Bearer +(\S+) *$/i.exec(header)?.[1]
  if (token === undefined)
    throw unauthorised('invalid_api_key', 'The Authorization header must read `Bearer <key>`.')
  return token
}

/** The caller, unless the time is over. */
const admit = ({ platform }: Context, { caller, until }: Admission): Caller => {
  if (until !== null && platform.clock.now() >= until * 1000)
    throw unauthorised('invalid_api_key', 'The API key has expired.')
  return caller
}

/** Who comes with this token; known at once if it was found valid a moment ago. @throws {ApiError} 401 */
export const authenticate = (context: Context, token: string): Caller | Promise<Caller> => {
  const known = admissionsOf(context).get(token)
  return known ? admit(context, known) : lookUp(context, token)
}

const lookUp = async (context: Context, token: string): Promise<Caller> => {
  const admission = await (isJwt(context, token) ? verifyUser(context, token) : findKey(context, token))
  const caller = admit(context, admission)
  admissionsOf(context).set(token, admission)
  return caller
}

const findKey = async (context: Context, token: string): Promise<Admission> => {
  const key = (await KEYS.get(context.platform.store, await sha256Of(token)))?.value
  if (!key || key.revoked_at !== null)
    throw unauthorised('invalid_api_key', 'The API key is not valid, or has been revoked.')
  const { expires_at: until, ...grants } = grantsOf(key)
  return { caller: { owner: key.owner, key: key.id, subject: null, ...grants }, until }
}

/** The deployment's admin, who owns nothing and may grant everything. */
export const ADMIN: Caller = {
  owner: '',
  key: null,
  subject: null,
  scopes: SCOPES,
  models: null,
  providers: null,
}

/** Whether a token is the admin key of the environment. */
export const isAdminKey = async ({ platform }: Context, token: string): Promise<boolean> => {
  const admin =
    platform.environment.get('TUNEGATE_ADMIN_KEY') ?? (await platform.secrets.get('TUNEGATE_ADMIN_KEY'))
  // Digests of equal length are compared, so that the time taken tells nothing of the key.
  return admin !== undefined && (await sha256Of(admin)) === (await sha256Of(token))
}
