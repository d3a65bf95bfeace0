/** A bucket's rules for pages of other origins, and what a browser is told of them. */
import type { RawRequest } from '../sigv4.ts'
import { type Call, xmlResponse } from './call.ts'
import { verifiedChecksums } from './checksums.ts'
import { S3Error } from './errors.ts'
import { bucketOf } from './objects.ts'
import type { CorsRule, Store } from './store.ts'
import { innerOf } from './xml.ts'

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']
const MOST_RULES = 100

export function putCors(store: Store, { bucket, headers, payload }: Call): Response {
  bucketOf(store, bucket)
  // S3 takes no settings without a checksum of the document.
  const checksums = verifiedChecksums(payload.bytes, { ...headers, ...payload.trailers })
  if (headers['content-md5'] === undefined && Object.keys(checksums).length === 0) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5')
  }
  const rules = innerOf(new TextDecoder().decode(payload.bytes), 'CORSRule').map(ruleOf)
  if (rules.length === 0 || rules.length > MOST_RULES) throw new S3Error('MalformedXML')
  store.cors.set(bucket, rules)
  return new Response(null)
}

function ruleOf(xml: string): CorsRule {
  const texts = (name: string) => innerOf(xml, name).map(text => text.trim())
  const [origins, methods, headers] = ['AllowedOrigin', 'AllowedMethod', 'AllowedHeader'].map(texts)
  const age = texts('MaxAgeSeconds')[0]
  if (!origins?.length || !methods?.length || !headers) throw new S3Error('MalformedXML')
  const unknown = methods.find(method => !METHODS.includes(method))
  if (unknown !== undefined) {
    throw new S3Error(
      'InvalidRequest',
      `Found unsupported HTTP method in CORS config. Unsupported method is ${unknown}`,
    )
  }
  for (const pattern of [...origins, ...headers]) {
    if (pattern.split('*').length > 2) {
      throw new S3Error('InvalidRequest', `"${pattern}" can not have more than one wildcard.`)
    }
  }
  return {
    origins,
    methods,
    headers,
    exposed: texts('ExposeHeader'),
    maxAge: age === undefined ? undefined : Number(age),
  }
}

export function getCors(store: Store, { bucket }: Call): Response {
  bucketOf(store, bucket)
  const rules = store.cors.get(bucket)
  if (!rules) throw new S3Error('NoSuchCORSConfiguration', undefined, { BucketName: bucket })
  return xmlResponse('CORSConfiguration', {
    CORSRule: rules.map(({ origins, methods, headers, exposed, maxAge }) => ({
      AllowedOrigin: origins,
      AllowedMethod: methods,
      AllowedHeader: headers,
      ExposeHeader: exposed,
      MaxAgeSeconds: maxAge,
    })),
  })
}

export function deleteCors(store: Store, { bucket }: Call): Response {
  bucketOf(store, bucket)
  store.cors.delete(bucket)
  return new Response(null, { status: 204 })
}

const escaped = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')

const fits = (pattern: string, text: string, flags = ''): boolean =>
  new RegExp(`^${pattern.split('*').map(escaped).join('.*')}$`, flags).test(text)

interface Asked {
  origin: string
  method: string
  headers: readonly string[]
}

/** The first rule that allows all that is asked for. */
const ruleFor = (rules: readonly CorsRule[], { origin, method, headers }: Asked): CorsRule | undefined =>
  rules.find(
    rule =>
      rule.origins.some(pattern => fits(pattern, origin)) &&
      rule.methods.includes(method) &&
      headers.every(header => rule.headers.some(pattern => fits(pattern, header, 'i'))),
  )

const VARY = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'

const allowed = (rule: CorsRule, { origin }: Asked): Record<string, string> => ({
  ...(rule.origins.includes('*')
    ? { 'access-control-allow-origin': '*' }
    : { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' }),
  'access-control-allow-methods': rule.methods.join(', '),
  ...(rule.exposed.length > 0 && { 'access-control-expose-headers': rule.exposed.join(', ') }),
  ...(rule.maxAge !== undefined && { 'access-control-max-age': String(rule.maxAge) }),
  vary: VARY,
})

const namesIn = (list: string | undefined): string[] =>
  (list ?? '')
    .split(',')
    .map(name => name.trim().toLowerCase())
    .filter(name => name !== '')

/**
 * Answers a browser that asks before it sends; nobody signs that question.
 *
 * @throws {S3Error} AccessForbidden
 */
export function preflight(store: Store, bucket: string, { headers }: RawRequest): Response {
  const { origin, 'access-control-request-method': method } = headers
  if (origin === undefined || method === undefined) {
    throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.')
  }
  bucketOf(store, bucket)
  const rules = store.cors.get(bucket)
  if (!rules) throw new S3Error('AccessForbidden', 'CORSResponse: CORS is not enabled for this bucket.')
  const asked: Asked = { origin, method, headers: namesIn(headers['access-control-request-headers']) }
  const rule = ruleFor(rules, asked)
  if (!rule) throw new S3Error('AccessForbidden')
  return new Response(null, {
    headers: {
      ...allowed(rule, asked),
      ...(asked.headers.length > 0 && { 'access-control-allow-headers': asked.headers.join(', ') }),
    },
  })
}

/** What an answer to a page of another origin says besides: without it the browser keeps the answer from the page. */
export function corsHeaders(store: Store, bucket: string, request: RawRequest): Record<string, string> {
  const { origin } = request.headers
  if (origin === undefined) return {}
  const asked: Asked = { origin, method: request.method, headers: [] }
  const rule = ruleFor(store.cors.get(bucket) ?? [], asked)
  return rule ? allowed(rule, asked) : {}
}
