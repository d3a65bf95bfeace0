/**
 * Who the function is to AWS: the role's keys that Lambda puts into the environment, or a role taken on with a web identity's
 * token (EKS, other clouds).
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 * @module
 */
import { readFile } from 'node:fs/promises'
import type { Clock, Environment, Platform } from '../ports.ts'
import { xmlText } from '../xml.ts'
import { endpointOf } from './endpoints.ts'

export interface AwsCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

export interface CredentialTools {
  environment: Environment
  fetch: Platform['fetch']
  clock: Clock
  /** Reads the token's file; it is written anew from time to time. */
  read?: (path: string) => Promise<string>
}

/** The deployment cannot prove who it is. The message names variables, never values. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
}

/** Milliseconds before their end at which keys count as old. */
const MARGIN_MS = 5 * 60_000
/** Milliseconds to the whole answer. */
const PATIENCE_MS = 10_000

const fromEnvironment = ({ get }: Environment): AwsCredentials | undefined => {
  const [accessKeyId, secretAccessKey] = [get('AWS_ACCESS_KEY_ID'), get('AWS_SECRET_ACCESS_KEY')]
  return accessKeyId !== undefined && secretAccessKey !== undefined
    ? { accessKeyId, secretAccessKey, sessionToken: get('AWS_SESSION_TOKEN') }
    : undefined
}

const assumeRole = async (
  { environment, fetch, read = path => readFile(path, 'utf8') }: CredentialTools,
  role: string,
  tokenFile: string,
): Promise<AwsCredentials & { until: number }> => {
  const token = await read(tokenFile).catch(() => {
    throw new CredentialsError('AWS_WEB_IDENTITY_TOKEN_FILE names no file that can be read.')
  })
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: environment.get('AWS_ROLE_SESSION_NAME') ?? 'tunegate',
    WebIdentityToken: token.trim(),
  })
  const answer = await fetch(endpointOf(environment, 'sts').href, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/xml' },
    body: form.toString(),
    redirect: 'manual',
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  const xml = await answer.text()
  const [accessKeyId, secretAccessKey, sessionToken, end] = [
    'AccessKeyId',
    'SecretAccessKey',
    'SessionToken',
    'Expiration',
  ].map(name => xmlText(xml, name))
  if (!answer.ok || !accessKeyId || !secretAccessKey || !sessionToken) {
    const code = /^\w{1,64}$/.exec(xmlText(xml, 'Code') ?? '')?.[0] ?? 'no keys'
    throw new CredentialsError(`The security token service answered ${answer.status}: ${code}.`)
  }
  return { accessKeyId, secretAccessKey, sessionToken, until: Date.parse(end ?? '') - MARGIN_MS }
}

/**
 * The credentials of this moment. The environment's are read each time; a role's are kept until shortly before they expire.
 * @throws {CredentialsError} when there are none
 */
export const createCredentials = (tools: CredentialTools): (() => Promise<AwsCredentials>) => {
  const { environment, clock } = tools
  let assumed: (AwsCredentials & { until: number }) | undefined
  return async () => {
    const given = fromEnvironment(environment)
    if (given) return given
    const [role, file] = [environment.get('AWS_ROLE_ARN'), environment.get('AWS_WEB_IDENTITY_TOKEN_FILE')]
    if (role === undefined || file === undefined)
      throw new CredentialsError(
        'There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE.',
      )
    if (assumed === undefined || !(assumed.until > clock.now())) assumed = await assumeRole(tools, role, file)
    const { until: _, ...credentials } = assumed
    return credentials
  }
}
