/** Who sent a request? The checks in the order in which AWS makes them; what went wrong is said without naming a wire. */
import { timingSafeEqual } from 'node:crypto'
import { BEDROCK_API_KEY, EXPIRED, PERMANENT, REGION, TEMPORARY } from './account.ts'
import {
  ALGORITHM,
  type CredentialScope,
  canonicalRequest,
  parseCredential,
  parseQuery,
  parseTimestamp,
  type RawRequest,
  type Signing,
  sha256,
  signatureOf,
  stringToSign,
} from './sigv4.ts'

/** Why a request is refused. Each wire has its own words for these. */
export type Reason =
  | 'missing'
  | 'unsupported'
  | 'malformed'
  | 'no_date'
  | 'unknown_key'
  | 'bad_token'
  | 'expired_token'
  | 'wrong_region'
  | 'wrong_service'
  | 'scope_date'
  | 'too_old'
  | 'too_early'
  | 'url_expired'
  | 'unsigned_headers'
  | 'bad_api_key'
  | 'mismatch'

export interface Refusal {
  reason: Reason
  /** What the reason is about: a region, a header, a date … */
  detail: string
  /** For a mismatch: what the server signed, as AWS shows it. */
  evidence?: { canonicalRequest: string; stringToSign: string }
}

/** How one service wants to be signed. */
export interface Wire {
  service: string
  encodePath: Signing['encodePath']
  /** Whether a Bedrock API key does as well. */
  apiKeys: boolean
  /** What stands for the body in the signature. */
  payloadHash: (request: RawRequest, presigned: boolean) => string
}

/** AWS allows clocks to differ by this. */
const SKEW_MS = 15 * 60_000
const LONGEST_URL_SECONDS = 604_800

const KEYS: Record<string, { secret: string; token?: string; expired?: true }> = {
  [PERMANENT.accessKeyId]: { secret: PERMANENT.secretAccessKey },
  [TEMPORARY.accessKeyId]: { secret: TEMPORARY.secretAccessKey, token: TEMPORARY.sessionToken },
  [EXPIRED.accessKeyId]: { secret: EXPIRED.secretAccessKey, token: EXPIRED.sessionToken, expired: true },
}

/** What a request says about its signature, in the header or in the URL. */
interface Claim {
  accessKeyId: string
  scope: CredentialScope
  signedHeaders: string[]
  signature: string
  timestamp: string
  token: string | undefined
  /** Seconds that a presigned URL is good for. */
  expires: number | undefined
}

const refuse = (reason: Reason, detail = ''): Refusal => ({ reason, detail })

/**
 * Checks the signature or API key.
 *
 * @param now milliseconds since 1970
 * @returns why not, or undefined if all is well
 * @throws {URIError} if path or query are badly encoded
 */
export function refusalOf(request: RawRequest, wire: Wire, now: number): Refusal | undefined {
  const { authorization } = request.headers
  const bearer = /^Bearer (.*)$/.exec(authorization ?? '')?.[1]
  if (bearer !== undefined && wire.apiKeys) {
    return equal(bearer, BEDROCK_API_KEY) ? undefined : refuse('bad_api_key')
  }
  const claim = authorization === undefined ? urlClaim(request) : headerClaim(authorization, request)
  return 'reason' in claim ? claim : verify(request, claim, wire, now)
}

function headerClaim(authorization: string, { headers }: RawRequest): Claim | Refusal {
  if (!authorization.startsWith(`${ALGORITHM} `)) return refuse('unsupported', authorization.split(' ')[0])
  const fields = new Map(
    authorization
      .slice(ALGORITHM.length + 1)
      .split(',')
      .map(field => {
        const [name = '', ...value] = field.trim().split('=')
        return [name, value.join('=')]
      }),
  )
  const timestamp = headers['x-amz-date']
  for (const name of ['Credential', 'Signature', 'SignedHeaders']) {
    if (!fields.get(name)) return refuse('malformed', name)
  }
  if (timestamp === undefined) return refuse('no_date')
  return claimOf({
    credential: fields.get('Credential'),
    signedHeaders: fields.get('SignedHeaders'),
    signature: fields.get('Signature'),
    timestamp,
    token: headers['x-amz-security-token'],
    expires: undefined,
  })
}

function urlClaim({ query }: RawRequest): Claim | Refusal {
  const parameters = new Map(parseQuery(query).map(({ name, value }) => [name, value]))
  if (!parameters.has('X-Amz-Algorithm') && !parameters.has('X-Amz-Signature')) return refuse('missing')
  if (parameters.get('X-Amz-Algorithm') !== ALGORITHM) return refuse('unsupported', 'X-Amz-Algorithm')
  for (const name of ['X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders', 'X-Amz-Date']) {
    if (!parameters.get(name)) return refuse('malformed', name)
  }
  const expires = Number(parameters.get('X-Amz-Expires'))
  if (!(expires >= 1 && expires <= LONGEST_URL_SECONDS)) return refuse('malformed', 'X-Amz-Expires')
  return claimOf({
    credential: parameters.get('X-Amz-Credential'),
    signedHeaders: parameters.get('X-Amz-SignedHeaders'),
    signature: parameters.get('X-Amz-Signature'),
    timestamp: parameters.get('X-Amz-Date') ?? '',
    token: parameters.get('X-Amz-Security-Token'),
    expires,
  })
}

function claimOf({
  credential = '',
  signedHeaders = '',
  signature = '',
  ...rest
}: Pick<Claim, 'timestamp' | 'token' | 'expires'> & {
  credential: string | undefined
  signedHeaders: string | undefined
  signature: string | undefined
}): Claim | Refusal {
  const parsed = parseCredential(credential)
  if (!parsed) return refuse('malformed', 'Credential')
  return { ...parsed, signedHeaders: signedHeaders.split(';'), signature, ...rest }
}

function verify(request: RawRequest, claim: Claim, wire: Wire, now: number): Refusal | undefined {
  const { scope, timestamp, signedHeaders } = claim
  const key = KEYS[claim.accessKeyId]
  if (!key) return refuse('unknown_key', claim.accessKeyId)
  if (scope.service !== wire.service) return refuse('wrong_service', scope.service)
  if (scope.region !== REGION) return refuse('wrong_region', scope.region)
  if (claim.token !== key.token) return refuse('bad_token')
  if (!timestamp.startsWith(scope.date)) return refuse('scope_date', timestamp)
  const unsigned = missingSignatures(request, claim)
  if (unsigned.length > 0) return refuse('unsigned_headers', unsigned.join(', '))
  const late = outOfTime(claim, now)
  if (late) return late

  const signing: Signing = {
    scope,
    timestamp,
    signedHeaders,
    encodePath: wire.encodePath,
    payloadHash: wire.payloadHash(request, claim.expires !== undefined),
  }
  if (!equal(claim.signature, signatureOf(request, signing, key.secret))) {
    const evidence = {
      canonicalRequest: canonicalRequest(request, signing),
      stringToSign: stringToSign(request, signing),
    }
    return { reason: 'mismatch', detail: claim.accessKeyId, evidence }
  }
  return key.expired ? refuse('expired_token') : undefined
}

/** `host` and all of AWS's own headers must be signed. */
function missingSignatures({ headers }: RawRequest, { signedHeaders }: Claim): string[] {
  return ['host', ...Object.keys(headers).filter(name => name.startsWith('x-amz-'))].filter(
    name => !signedHeaders.includes(name),
  )
}

function outOfTime({ timestamp, expires }: Claim, now: number): Refusal | undefined {
  const signed = parseTimestamp(timestamp)
  if (Number.isNaN(signed)) return refuse('malformed', 'X-Amz-Date')
  if (signed > now + SKEW_MS) return refuse('too_early', timestamp)
  if (expires !== undefined) return now > signed + expires * 1000 ? refuse('url_expired') : undefined
  return signed < now - SKEW_MS ? refuse('too_old', timestamp) : undefined
}

function equal(given: string, expected: string): boolean {
  // Of equal length, whatever was given.
  return timingSafeEqual(Buffer.from(sha256(given)), Buffer.from(sha256(expected)))
}
