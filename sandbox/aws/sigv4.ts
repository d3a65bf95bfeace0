/**
 * Signature Version 4, from AWS's description of the algorithm: what a request looks like in canonical form, and what
 * signature follows from it.
 *
 * @module
 */
import { createHash, createHmac } from 'node:crypto'

/** A request as it came over the wire: nothing decoded, nothing normalised. */
export interface RawRequest {
  method: string
  path: string
  /** Without the `?`. */
  query: string
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>
  body: Uint8Array<ArrayBuffer>
}

/** What a signature is good for. */
export interface CredentialScope {
  /** `YYYYMMDD` */
  date: string
  region: string
  service: string
}

export interface Signing {
  scope: CredentialScope
  /** `YYYYMMDDTHHMMSSZ` */
  timestamp: string
  signedHeaders: readonly string[]
  payloadHash: string
  /** S3 signs the path encoded once; all others encode once more what is in the request line. */
  encodePath: 'once' | 'twice'
}

export const ALGORITHM = 'AWS4-HMAC-SHA256'
const TERMINATOR = 'aws4_request'
/** The one query parameter that is never part of what is signed. */
const SIGNATURE_PARAMETER = 'X-Amz-Signature'

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

const hmac = (key: string | Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest()

/** Percent-encodes all but unreserved characters (RFC 3986). */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, sign => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

/** @throws {URIError} if it is not well-formed */
export const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '))

const PATHS: Record<Signing['encodePath'], (path: string) => string> = {
  once: path => path.split('/').map(decode).map(encode).join('/'),
  twice: path => withoutDots(path).map(encode).join('/'),
}

/** The path's segments after `.` and `..` and doubled slashes are resolved (RFC 3986, 5.2.4). */
function withoutDots(path: string): string[] {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const end = path.endsWith('/') && kept.length > 0 ? '/' : ''
  return `/${kept.join('/')}${end}`.split('/')
}

export function parseQuery(query: string): { name: string; value: string }[] {
  return query
    .split('&')
    .filter(pair => pair !== '')
    .map(pair => {
      const [name = '', ...value] = pair.split('=')
      return { name: decode(name), value: decode(value.join('=')) }
    })
}

function canonicalQuery(query: string): string {
  return parseQuery(query)
    .filter(({ name }) => name !== SIGNATURE_PARAMETER)
    .map(({ name, value }) => ({ name: encode(name), value: encode(value) }))
    .sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value))
    .map(({ name, value }) => `${name}=${value}`)
    .join('&')
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export function canonicalRequest(request: RawRequest, signing: Signing): string {
  const { signedHeaders, payloadHash, encodePath } = signing
  const headerValue = (name: string): string => (request.headers[name] ?? '').trim().replace(/ +/g, ' ')
  return [
    request.method,
    PATHS[encodePath](request.path),
    canonicalQuery(request.query),
    ...signedHeaders.map(name => `${name}:${headerValue(name)}`),
    '',
    signedHeaders.join(';'),
    payloadHash,
  ].join('\n')
}

const scopeText = ({ date, region, service }: CredentialScope): string =>
  [date, region, service, TERMINATOR].join('/')

export const stringToSign = (request: RawRequest, signing: Signing): string =>
  [ALGORITHM, signing.timestamp, scopeText(signing.scope), sha256(canonicalRequest(request, signing))].join(
    '\n',
  )

/** The signature that whoever knows the secret gives the request, in hex. */
export function signatureOf(request: RawRequest, signing: Signing, secretAccessKey: string): string {
  const { date, region, service } = signing.scope
  const key = [date, region, service, TERMINATOR].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`)
  return hmac(key, stringToSign(request, signing)).toString('hex')
}

/** `AKIA…/20261120/us-east-1/s3/aws4_request`, or undefined if it is none. */
export function parseCredential(text: string): { accessKeyId: string; scope: CredentialScope } | undefined {
  const match = /^([^/]+)\/(\d{8})\/([^/]*)\/([^/]*)\/aws4_request$/.exec(text)
  if (!match) return undefined
  const [, accessKeyId = '', date = '', region = '', service = ''] = match
  return { accessKeyId, scope: { date, region, service } }
}

/** `20261120T153623Z` → milliseconds since 1970, or NaN. */
export function parseTimestamp(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (!match) return Number.NaN
  const [, year, month, day, hour, minute, second] = match
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}
