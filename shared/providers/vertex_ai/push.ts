/**
 * Vertex AI tells Cloud Logging, a sink tells Pub/Sub, and Pub/Sub pushes to the gateway with a token of the subscription's
 * service account. Source: Google Cloud, "Authentication for push subscriptions".
 * @module
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import * as z from 'zod'
import { fromBase64 } from '../../openai/index.ts'
import { parseJson } from '../json.ts'
import { type AuthTools, type Push, type Settings, unansweredFault } from '../provider.ts'

const ISSUER = 'https://accounts.google.com'
const KEYS_KEPT_MS = 3_600_000
/** Milliseconds within which a key that is not known is looked for once, however many messages name it. */
const LOOKED_FOR_MS = 60_000
/** Seconds by which clocks may differ. */
const CLOCK_TOLERANCE = 60

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) })

/** Google's keys, at most an hour old. @param since sets apart those fetched to find a new key */
const googleKeys = async (
  { googleKeysUrl = '' }: Settings,
  { tokens, call, now }: AuthTools,
  since = '',
): Promise<JSONWebKeySet> => {
  const url = new URL(googleKeysUrl)
  const fetched = async () => {
    const { bytes } = await call({ method: 'GET', url, headers: {} })
    return { value: JSON.stringify(keySet.parse(parseJson(bytes))), expiresAt: now() + KEYS_KEPT_MS }
  }
  try {
    return JSON.parse(await tokens.get(`keys ${url.href} ${since}`, fetched))
  } catch (error) {
    // Not the sender's fault: it is asked to come again.
    throw unansweredFault('vertex_ai', 'unreachable', error)
  }
}

const verify = async (token: string, settings: Settings, tools: AuthTools): Promise<JWTPayload> => {
  const options = {
    issuer: ISSUER,
    audience: settings.pushAudience ?? '',
    algorithms: ['RS256'],
    requiredClaims: ['exp', 'email'],
    clockTolerance: CLOCK_TOLERANCE,
    currentDate: new Date(tools.now()),
  }
  const check = async (keys: JSONWebKeySet) =>
    (await jwtVerify(token, createLocalJWKSet(keys), options)).payload
  try {
    return await check(await googleKeys(settings, tools))
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    return check(await googleKeys(settings, tools, String(Math.floor(tools.now() / LOOKED_FOR_MS))))
  }
}

const isProved = async (token: string, settings: Settings, tools: AuthTools): Promise<boolean> => {
  try {
    const { email, email_verified } = await verify(token, settings, tools)
    return email === settings.pushServiceAccount && email_verified === true
  } catch (error) {
    if (error instanceof errors.JOSEError) return false
    throw error
  }
}

const pushed = z.object({
  message: z.object({ data: z.string().optional(), messageId: z.string().min(1) }),
})

/** A log entry names its job in one of several fields, depending on the log. */
const JOB_NAME = /projects\/[\w.:-]+\/locations\/[\w-]+\/tuningJobs\/\d+/g
const MOST_JOBS = 10

const jobsIn = (data: string): string[] => {
  try {
    const text = new TextDecoder().decode(fromBase64(data))
    return [...new Set(text.match(JOB_NAME))].slice(0, MOST_JOBS)
  } catch {
    return []
  }
}

export const push: Push = {
  settings: ['pushAudience', 'pushServiceAccount'],
  async read(settings, { headers, body }, tools) {
    const token = /^Bearer +(\S+) *$/i.exec(headers.get('authorization') ?? '')?.[1]
    if (token === undefined || !(await isProved(token, settings, tools))) return undefined
    const event = pushed.safeParse(parseJson(body))
    if (!event.success) return { id: '', nativeIds: [] }
    const { data = '', messageId } = event.data.message
    return { id: messageId, nativeIds: jobsIn(data) }
  },
}
