/** Errors as AWS's JSON services say them: a name in `x-amzn-errortype`, a message in the body. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type * as z from 'zod'
import type { Reason, Refusal } from './authentication.ts'

const STATUS = {
  AccessDeniedException: 403,
  ConflictException: 400,
  ExpiredTokenException: 403,
  IncompleteSignatureException: 400,
  InternalServerException: 500,
  InvalidSignatureException: 403,
  MissingAuthenticationTokenException: 403,
  ModelNotReadyException: 429,
  ResourceNotFoundException: 404,
  SerializationException: 400,
  UnknownOperationException: 404,
  UnrecognizedClientException: 403,
  ValidationException: 400,
} as const satisfies Record<string, ContentfulStatusCode>

export type ErrorName = keyof typeof STATUS

/** A refusal. Thrown anywhere in a route of Bedrock's. */
export class AwsError extends Error {
  override readonly name: ErrorName

  constructor(name: ErrorName, message: string) {
    super(message)
    this.name = name
  }

  get status(): ContentfulStatusCode {
    return STATUS[this.name]
  }

  get headers(): Record<string, string> {
    return { 'x-amzn-errortype': `${this.name}:http://internal.amazon.com/coral/com.amazon.bedrock/` }
  }
}

export const invalid = (message: string): AwsError => new AwsError('ValidationException', message)
export const missing = (message: string): AwsError => new AwsError('ResourceNotFoundException', message)
export const conflict = (message: string): AwsError => new AwsError('ConflictException', message)

const signature = (message: string): AwsError => new AwsError('InvalidSignatureException', message)

const REFUSALS: Record<Reason, (refusal: Refusal) => AwsError> = {
  missing: () => new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token'),
  unsupported: ({ detail }) =>
    new AwsError('IncompleteSignatureException', `Unsupported authorization type: ${detail}`),
  malformed: ({ detail }) =>
    new AwsError('IncompleteSignatureException', `Authorization header requires a well-formed '${detail}'.`),
  no_date: () =>
    new AwsError(
      'IncompleteSignatureException',
      "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
    ),
  unknown_key: () => unrecognized(),
  bad_token: () => unrecognized(),
  expired_token: () =>
    new AwsError('ExpiredTokenException', 'The security token included in the request is expired'),
  wrong_region: () => signature('Credential should be scoped to a valid region.'),
  wrong_service: () => signature("Credential should be scoped to correct service: 'bedrock'."),
  scope_date: () =>
    signature('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP'),
  too_old: ({ detail }) => signature(`Signature expired: ${detail} is now earlier than 15 minutes ago.`),
  too_early: ({ detail }) => signature(`Signature not yet current: ${detail} is still later than now.`),
  url_expired: () => signature('Signature expired'),
  unsigned_headers: ({ detail }) =>
    signature(`'${detail}' must be a 'SignedHeader' in the AWS Authorization.`),
  bad_api_key: () =>
    new AwsError('AccessDeniedException', 'Authentication failed: Please make sure your API Key is valid.'),
  mismatch: () =>
    signature(
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    ),
}

const unrecognized = (): AwsError =>
  new AwsError('UnrecognizedClientException', 'The security token included in the request is invalid.')

/** How Bedrock says that a request is not rightly signed. */
export const refusalError = (refusal: Refusal): AwsError => REFUSALS[refusal.reason](refusal)

/**
 * Checks data against a schema.
 *
 * @throws {AwsError} ValidationException with all findings
 */
export function check<T extends z.ZodType>(schema: T, data: unknown): z.output<T> {
  const result = schema.safeParse(data, { reportInput: true })
  if (result.success) return result.data
  throw invalid(findingsOf(result.error))
}

/** `2 validation errors detected: Value null at 'jobName' failed to satisfy constraint: …; …` */
export function findingsOf({ issues }: z.core.$ZodError): string {
  const count = issues.length === 1 ? '1 validation error' : `${issues.length} validation errors`
  return `${count} detected: ${issues.map(findingOf).join('; ')}`
}

function findingOf(issue: z.core.$ZodIssue): string {
  const keys = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const path = [...issue.path, ...keys].map(String).join('.')
  return `Value${shown(issue)} at '${path}' failed to satisfy constraint: ${constraintOf(issue)}`
}

function shown({ code, input }: z.core.$ZodIssue): string {
  if (code === 'unrecognized_keys') return ''
  if (input === undefined || input === null) return ' null'
  return typeof input === 'object' ? '' : ` '${String(input).slice(0, 100)}'`
}

function constraintOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'custom' && issue.code !== 'unrecognized_keys' && issue.input === undefined) {
    return 'Member must not be null'
  }
  switch (issue.code) {
    case 'unrecognized_keys':
      return 'Member is not known'
    case 'invalid_type':
      return `Member must be of type ${issue.expected}`
    case 'invalid_value':
      return `Member must satisfy enum value set: [${issue.values.map(String).join(', ')}]`
    case 'too_small':
      return `Member must have ${measured(issue.origin)} greater than or equal to ${issue.minimum}`
    case 'too_big':
      return `Member must have ${measured(issue.origin)} less than or equal to ${issue.maximum}`
    case 'invalid_format':
      return `Member must satisfy regular expression pattern: ${issue.pattern ?? issue.format}`
    default:
      return issue.message
  }
}

const measured = (origin: string): string => (['number', 'int'].includes(origin) ? 'value' : 'length')
