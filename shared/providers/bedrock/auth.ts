/**
 * Signature Version 4 by aws4fetch, or a Bedrock API key. The signer guesses `bedrock-runtime` for a service that signs
 * as `bedrock`, and a region where it sees none: both are always named.
 * @module
 */
import { AwsV4Signer } from 'aws4fetch'
import { ApiError } from '../../openai/index.ts'
import { PAYLOAD_HEADER, signingTime } from '../../platform/index.ts'
import type { AuthTools, ProviderRequest, Settings } from '../provider.ts'
import { isOwnUrl, regionOf } from './hosts.ts'
import { type Setting, wrongSetting } from './settings.ts'

/** Keys derived from a secret for a day, a region and a service: four of the five HMACs of a signature. */
const derivedKeys = new Map<string, ArrayBuffer>()
/** Yesterday's and the callers' own would else gather here. */
const MOST_DERIVED_KEYS = 50

/** What stands in headers must be printable: what is not would be quoted by the runtime's own error. */
const CREDENTIALS: readonly Setting[] = ['accessKeyId', 'secretAccessKey', 'sessionToken', 'apiKey']
const assertPrintable = (settings: Settings) => {
  const broken = CREDENTIALS.find(field => !/^[\x21-\x7e]*$/.test(settings[field] ?? ''))
  if (broken !== undefined)
    throw wrongSetting(broken, 'holds a space, a line end or another sign that no key has')
}

/** Long-term keys have no token; one found in the environment (every Lambda has one) belongs to another key. */
const tokenFor = (accessKeyId: string, token: string | undefined) =>
  accessKeyId.startsWith('AKIA') ? undefined : token

/** Which URLs a request may have, told by what it is. */
const isOurs = (settings: Settings, { url }: ProviderRequest, isS3: boolean) =>
  isS3
    ? isOwnUrl(settings, 's3', url)
    : isOwnUrl(settings, 'bedrock', url) || isOwnUrl(settings, 'runtime', url)

/**
 * Headers that authorise a request.
 * @throws {ApiError} 400 naming the setting that is wrong; never any part of it
 */
export const authorise = async (
  settings: Settings,
  request: ProviderRequest,
  { now }: Pick<AuthTools, 'now'>,
): Promise<Record<string, string>> => {
  assertPrintable(settings)
  const isS3 = request.headers?.[PAYLOAD_HEADER] !== undefined
  if (!isOurs(settings, request, isS3)) {
    throw new ApiError({
      status: 400,
      code: 'host_forbidden',
      message: "Requests are signed for the connection's own hosts only.",
    })
  }
  const { accessKeyId, secretAccessKey, sessionToken, apiKey } = settings
  if (apiKey && !isS3) return { authorization: `Bearer ${apiKey}` }
  if (!accessKeyId) throw wrongSetting('accessKeyId', 'is missing: S3 takes no Bedrock API key')
  if (!secretAccessKey) throw wrongSetting('secretAccessKey', 'is missing')
  const token = tokenFor(accessKeyId, sessionToken)
  if (derivedKeys.size >= MOST_DERIVED_KEYS) derivedKeys.clear()
  const signer = new AwsV4Signer({
    method: request.method,
    url: request.url.href,
    headers: request.headers ?? {},
    accessKeyId,
    secretAccessKey,
    service: isS3 ? 's3' : 'bedrock',
    region: regionOf(settings),
    datetime: signingTime(now()),
    cache: derivedKeys,
    ...(token && { sessionToken: token }),
    // A stream only goes to S3, where the header stands in for it.
    ...(typeof request.body !== 'function' && request.body !== undefined && { body: request.body }),
  })
  const { headers } = await signer.sign()
  return Object.fromEntries(headers)
}
