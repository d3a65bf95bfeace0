/**
 * Vertex AI tells Cloud Logging, a sink tells Pub/Sub, and Pub/Sub pushes to the gateway with a token of the subscription's
 * service account. Source: Google Cloud, "Authentication for push subscriptions".
 * @module
 */
import { errors, type JWTPayload } from 'jose'
import * as z from 'zod'
import { verifyToken } from '../../credentials/index.ts'
import { fromBase64 } from '../../openai/index.ts'
import { parseJson } from '../json.ts'
import { type AuthTools, type Push, type Settings, unansweredFault } from '../provider.ts'

const ISSUER = 'https://accounts.google.com'
/** Seconds by which clocks may differ. */
const CLOCK_TOLERANCE = 60

/** What a push's token says. @throws {ProviderFault} while Google's keys cannot be had, which is not the sender's fault: it comes again */
const verify = async (token: string, settings: Settings, tools: AuthTools): Promise<JWTPayload> => {
  const { googleKeysUrl = '', pushAudience = '' } = settings
  const terms = {
    keysUrl: new URL(googleKeysUrl),
    issuer: ISSUER,
    audience: pushAudience,
    algorithms: ['RS256'],
    requiredClaims: ['exp', 'email'],
    clockTolerance: CLOCK_TOLERANCE,
  }
  return verifyToken(token, terms, tools).catch((error: unknown) => {
    throw error instanceof errors.JOSEError ? error : unansweredFault('vertex_ai', 'unreachable', error)
  })
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
