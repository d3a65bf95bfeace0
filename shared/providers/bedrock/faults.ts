/**
 * What AWS says went wrong → canonical fault. Bedrock names errors in `x-amzn-errortype` or the body's `__type`; S3 in an
 * XML document.
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 * @module
 */
import * as z from 'zod'
import type { ErrorCode } from '../../openai/index.ts'
import { xmlText } from '../../platform/index.ts'
import type { Answer } from '../../transport.ts'
import { parseJson } from '../json.ts'
import type { Fault } from '../provider.ts'
import type { Setting } from './settings.ts'

/** Names by which the connection's own credentials are refused, and the setting that is most likely wrong. */
const CREDENTIALS: Record<string, Setting> = {
  UnrecognizedClientException: 'accessKeyId',
  InvalidClientTokenId: 'accessKeyId',
  InvalidAccessKeyId: 'accessKeyId',
  MissingAuthenticationTokenException: 'accessKeyId',
  MissingAuthenticationToken: 'accessKeyId',
  IncompleteSignatureException: 'accessKeyId',
  InvalidSignatureException: 'secretAccessKey',
  SignatureDoesNotMatch: 'secretAccessKey',
  ExpiredTokenException: 'sessionToken',
  ExpiredToken: 'sessionToken',
  InvalidToken: 'sessionToken',
  AuthorizationHeaderMalformed: 'region',
}

/** A name alone does not tell everything: what AWS adds to it in words. */
const HINTS: readonly { name: RegExp; said: RegExp; setting: Setting }[] = [
  { name: /^InvalidSignatureException$/, said: /\bregion\b/i, setting: 'region' },
  { name: /^(AccessDeniedException|UnrecognizedClientException)$/, said: /\bAPI key\b/i, setting: 'apiKey' },
]

const CODES: Record<string, ErrorCode> = {
  ThrottlingException: 'rate_limit_exceeded',
  TooManyRequestsException: 'rate_limit_exceeded',
  SlowDown: 'slow_down',
  ServiceQuotaExceededException: 'insufficient_quota',
  ModelNotReadyException: 'model_not_available',
  ServiceUnavailableException: 'server_is_overloaded',
  InternalServerException: 'server_error',
  InternalError: 'server_error',
  ModelErrorException: 'server_error',
  ModelStreamErrorException: 'server_error',
  ModelTimeoutException: 'provider_timeout',
  RequestTimeout: 'provider_timeout',
}

/** S3 tells by 400 what others tell by 408: that a connection was idle for too long. */
const STATUSES: Record<string, number> = { RequestTimeout: 408 }

/** Codes that the words of a refusal give it. */
const SAID: readonly { name: RegExp; said: RegExp; code: ErrorCode }[] = [
  {
    name: /^ValidationException$/,
    said: /input is too long|too many (input )?tokens|context (length|window)/i,
    code: 'context_length_exceeded',
  },
  {
    name: /^ValidationException$/,
    said: /model identifier is invalid|invocation of model id .* (isn.t|is not) supported/i,
    code: 'model_not_found',
  },
  { name: /^ResourceNotFoundException$/, said: /\bmodel\b(?! customization)/i, code: 'model_not_found' },
]

/** An unknown outcome is looked up before anything is repeated: a name in use may be our own earlier attempt. */
const ACTED = new Set(['ConflictException'])

const body = z.object({
  message: z.string().optional(),
  Message: z.string().optional(),
  __type: z.string().optional(),
})

/** `aws.prefix#Name`, `Name:http://…` → `Name`. Names are words; whatever else stands there is not told. */
const word = (value: string | null | undefined): string | null =>
  /^(?:[\w.]+#)?(\w{1,64})(?:$|:)/.exec(value ?? '')?.[1] ?? null

const decoder = new TextDecoder()

interface Said {
  name: string | null
  message: string | undefined
}

const read = ({ headers, bytes }: Answer): Said => {
  const json = body.safeParse(parseJson(bytes)).data
  if (json) {
    return {
      name: word(headers.get('x-amzn-errortype')) ?? word(json.__type),
      message: json.message ?? json.Message,
    }
  }
  // Only what is named here is taken: S3 repeats key ids and what was signed.
  const xml = decoder.decode(bytes)
  return {
    name: word(xmlText(xml, 'Code')) ?? word(headers.get('x-amzn-errortype')),
    message: xmlText(xml, 'Message'),
  }
}

/** The setting that is wrong when credentials are refused. */
const settingOf = ({ name, message = '' }: Said): Setting | undefined =>
  HINTS.find(hint => hint.name.test(name ?? '') && hint.said.test(message))?.setting ??
  CREDENTIALS[name ?? '']

const codeOf = ({ name, message = '' }: Said): ErrorCode | null =>
  SAID.find(row => row.name.test(name ?? '') && row.said.test(message))?.code ?? CODES[name ?? ''] ?? null

/** What is told of a model that is still being brought up: a client's retry will find it. */
const toldOf = ({ name, message }: Said): string | undefined =>
  name === 'ModelNotReadyException'
    ? `The model is still being loaded: try again in a moment.${message ? ` (${message})` : ''}`
    : message

/** The fault behind an error's name and words, wherever they came from. */
export const faultOf = (answered: number, said: Said, retryAfter: string | null = null): Fault => {
  const setting = settingOf(said)
  const status = STATUSES[said.name ?? ''] ?? answered
  if (setting !== undefined) {
    return {
      // Told apart from a caller's key by its status alone; AWS has 400 and 403 for it.
      status: 401,
      code: null,
      nativeCode: said.name,
      message: undefined,
      param: setting,
      retryAfter: null,
      refused: true,
    }
  }
  return {
    status,
    code: codeOf(said),
    nativeCode: said.name,
    message: toldOf(said),
    param: null,
    retryAfter,
    // A 4xx was answered before anything was done, but for 408, 409 and 424, which speak of time, state and the model.
    refused:
      status >= 400 && status < 500 && ![408, 409, 424].includes(status) && !ACTED.has(said.name ?? ''),
  }
}

export const toFault = (answer: Answer): Fault =>
  faultOf(answer.status, read(answer), answer.headers.get('retry-after'))
