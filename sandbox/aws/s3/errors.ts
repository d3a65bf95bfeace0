/** S3's error documents. */

import { REGION } from '../account.ts'
import type { Reason, Refusal } from '../authentication.ts'
import { type Children, document } from './xml.ts'

/** Code → HTTP status and the usual words. */
const CODES = {
  AccessForbidden: [403, 'CORSResponse: This CORS request is not allowed.'],
  AccessDenied: [403, 'Access Denied'],
  AuthorizationHeaderMalformed: [400, 'The authorization header is malformed.'],
  AuthorizationQueryParametersError: [400, 'Error parsing the query parameters of the signature.'],
  BadRequest: [400, 'Bad Request'],
  BadDigest: [400, 'The checksum you specified did not match what we received.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed size'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed size'],
  ExpiredToken: [400, 'The provided token has expired.'],
  IncompleteBody: [400, 'The request body terminated unexpectedly'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  InvalidAccessKeyId: [403, 'The AWS Access Key Id you provided does not exist in our records.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidDigest: [400, 'The Content-MD5 you specified is not valid.'],
  InvalidPart: [
    400,
    'One or more of the specified parts could not be found or did not match its entity tag.',
  ],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order.'],
  InvalidRange: [416, 'The requested range is not satisfiable'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidToken: [400, 'The provided token is malformed or otherwise invalid.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  KeyTooLongError: [400, 'Your key is too long'],
  MalformedXML: [400, 'The XML you provided was not well-formed or did not validate against our schema'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  NoSuchCORSConfiguration: [404, 'The CORS configuration does not exist'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchUpload: [404, 'The specified multipart upload does not exist.'],
  NotImplemented: [501, 'A header or query you provided implies functionality that is not implemented.'],
  NotModified: [304, 'Not Modified'],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold'],
  RequestTimeTooSkewed: [403, 'The difference between the request time and the current time is too large.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ],
  XAmzContentSHA256Mismatch: [
    400,
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
  ],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type S3Code = keyof typeof CODES

/** A refusal. Thrown anywhere below `/aws/s3`, answered as `<Error>`. */
export class S3Error extends Error {
  override name = 'S3Error'
  readonly code: S3Code
  /** Further elements of the document. */
  readonly fields: Record<string, string>

  constructor(code: S3Code, message: string = CODES[code][1], fields: Record<string, string> = {}) {
    super(message)
    this.code = code
    this.fields = fields
  }

  get status(): number {
    return CODES[this.code][0]
  }

  body(resource: string, requestId: string): string {
    const children: Children = {
      Code: this.code,
      Message: this.message,
      ...this.fields,
      Resource: resource,
      RequestId: requestId,
      HostId: 'sandbox',
    }
    return document('Error', children, null)
  }
}

const malformed = (detail: string): S3Error =>
  new S3Error('AuthorizationHeaderMalformed', `The authorization header is malformed; ${detail}`)

const REFUSALS: Record<Reason, (refusal: Refusal) => S3Error> = {
  missing: () => new S3Error('AccessDenied'),
  unsupported: ({ detail }) =>
    new S3Error('InvalidArgument', 'Unsupported Authorization Type', {
      ArgumentName: 'Authorization',
      ArgumentValue: detail,
    }),
  malformed: ({ detail }) =>
    detail.startsWith('X-Amz-')
      ? new S3Error('AuthorizationQueryParametersError', `Invalid or missing ${detail}`)
      : malformed(`${detail} is missing or not well-formed.`),
  no_date: () => new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header'),
  unknown_key: ({ detail }) => new S3Error('InvalidAccessKeyId', undefined, { AWSAccessKeyId: detail }),
  bad_token: () => new S3Error('InvalidToken'),
  expired_token: () => new S3Error('ExpiredToken'),
  wrong_region: ({ detail }) =>
    new S3Error(
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${detail}' is wrong; expecting '${REGION}'`,
      { Region: REGION },
    ),
  wrong_service: ({ detail }) => malformed(`incorrect service "${detail}". This endpoint belongs to "s3".`),
  scope_date: () => malformed('Invalid credential date. Date is not the same as X-Amz-Date.'),
  too_old: ({ detail }) => new S3Error('RequestTimeTooSkewed', undefined, { RequestTime: detail }),
  too_early: ({ detail }) => new S3Error('RequestTimeTooSkewed', undefined, { RequestTime: detail }),
  url_expired: () => new S3Error('AccessDenied', 'Request has expired'),
  unsigned_headers: ({ detail }) =>
    new S3Error('AccessDenied', 'There were headers present in the request which were not signed', {
      HeadersNotSigned: detail,
    }),
  bad_api_key: () => new S3Error('AccessDenied'),
  mismatch: ({ detail, evidence }) =>
    new S3Error('SignatureDoesNotMatch', undefined, {
      AWSAccessKeyId: detail,
      StringToSign: evidence?.stringToSign ?? '',
      CanonicalRequest: evidence?.canonicalRequest ?? '',
    }),
}

/** How S3 says that a request is not rightly signed. */
export const refusalError = (refusal: Refusal): S3Error => REFUSALS[refusal.reason](refusal)
