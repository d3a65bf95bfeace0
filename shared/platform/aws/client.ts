/**
 * AWS's JSON services: signed calls, repeated within bounds.
 * @module
 */
import { AwsV4Signer } from 'aws4fetch'
import type { Clock, Environment, Platform } from '../ports.ts'
import { signingTime } from '../s3.ts'
import type { AwsCredentials } from './credentials.ts'
import { endpointOf, regionOf } from './endpoints.ts'

/** How each service is named in a call: `X-Amz-Target` is `prefix.Action`. */
const SERVICES = {
  dynamodb: { prefix: 'DynamoDB_20120810', type: 'application/x-amz-json-1.0' },
  sqs: { prefix: 'AmazonSQS', type: 'application/x-amz-json-1.0' },
  secretsmanager: { prefix: 'secretsmanager', type: 'application/x-amz-json-1.1' },
  ssm: { prefix: 'AmazonSSM', type: 'application/x-amz-json-1.1' },
} as const

export type JsonService = keyof typeof SERVICES

/** A call that failed, for good or after all its repetitions. Its name goes to the log, where messages do not. */
export class AwsError extends Error {
  /** The service's word for it, e.g. `ConditionalCheckFailedException`. */
  readonly code: string
  /** Whether an attempt at this call may have had its effect though nobody was told. */
  readonly isUnsure: boolean
  constructor(service: JsonService, action: string, code: string, isUnsure: boolean, cause?: unknown) {
    super(`${service} answered ${action} with ${code}.`, { cause })
    this.name = `AwsError ${service} ${action} ${code}`
    this.code = code
    this.isUnsure = isUnsure
  }
}

export interface AwsClient {
  /**
   * One call. Each is safe to repeat, or its caller looks at `isUnsure`.
   * @param repeat `if-refused`: not once an attempt may have had its effect
   * @throws {AwsError}
   */
  call(service: JsonService, action: string, body: object, repeat?: 'always' | 'if-refused'): Promise<unknown>
}

export interface AwsClientOptions {
  environment: Environment
  credentials: () => Promise<AwsCredentials>
  fetch: Platform['fetch']
  clock: Clock
  /** 0 to 1. */
  random?: () => number
}

/** Milliseconds before each repetition; full jitter lies between. */
const DELAYS_MS = [50, 200, 800, 2000]
/** Milliseconds to the whole answer: these services answer in some ten. */
const PATIENCE_MS = 10_000

/** Refused for now, and certainly not carried out, though their status is 400. */
const THROTTLED: ReadonlySet<string> = new Set([
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'ThrottlingException',
])

/** `com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException` → its last word; nothing else of an error is told. */
const codeOf = (body: unknown, status: number): string => {
  const type = typeof body === 'object' && body !== null && '__type' in body ? String(body.__type) : ''
  return /(?:^|[#.])(\w{1,80})$/.exec(type)?.[1] ?? `status ${status}`
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Keys derived from a secret for a day, a region and a service: four of the five HMACs of a signature. */
const derivedKeys = new Map<string, ArrayBuffer>()
/** Yesterday's would else gather here. */
const MOST_DERIVED_KEYS = 20

export const createAwsClient = ({
  environment,
  credentials,
  fetch,
  clock,
  random = Math.random,
}: AwsClientOptions): AwsClient => {
  const attempt = async (service: JsonService, action: string, body: string) => {
    const { prefix, type } = SERVICES[service]
    const { accessKeyId, secretAccessKey, sessionToken } = await credentials()
    if (derivedKeys.size >= MOST_DERIVED_KEYS) derivedKeys.clear()
    const signer = new AwsV4Signer({
      method: 'POST',
      url: endpointOf(environment, service).href,
      headers: { 'content-type': type, 'x-amz-target': `${prefix}.${action}` },
      body,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      service,
      region: regionOf(environment),
      datetime: signingTime(clock.now()),
      cache: derivedKeys,
    })
    const { url, headers } = await signer.sign()
    try {
      const response = await fetch(url.href, {
        method: 'POST',
        headers,
        body,
        redirect: 'manual',
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
      return { status: response.status, body: parse(await response.text()) }
    } catch (cause) {
      return { status: undefined, cause }
    }
  }

  return {
    async call(service, action, request, repeat = 'always') {
      const text = JSON.stringify(request)
      let isUnsure = false
      for (let attempts = 0; ; attempts++) {
        const outcome = await attempt(service, action, text)
        const { status } = outcome
        // An answer that breaks off is none: what is not JSON says nothing.
        if (status === 200 && outcome.body !== undefined) return outcome.body
        const code = status === undefined ? 'no answer' : codeOf(outcome.body, status)
        const isThrottled = THROTTLED.has(code) || status === 429
        const isBroken = status === undefined || status === 200 || (status >= 500 && !isThrottled)
        isUnsure ||= isBroken
        const mayRepeat = isThrottled || (isBroken && repeat === 'always')
        if (attempts >= DELAYS_MS.length || !mayRepeat)
          throw new AwsError(service, action, code, isUnsure, outcome.cause)
        await clock.sleep(random() * (DELAYS_MS[attempts] ?? 0))
      }
    },
  }
}
