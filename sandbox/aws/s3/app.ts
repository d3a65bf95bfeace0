/** S3's wire, path style: `/aws/s3/{bucket}/{key}`. */
import { Hono } from 'hono'
import { PREFIXES } from '../account.ts'
import { refusalOf, type Wire } from '../authentication.ts'
import { type Env, rawRequest } from '../raw-request.ts'
import { ALGORITHM, decode, parseQuery, type RawRequest } from '../sigv4.ts'
import type { Call } from './call.ts'
import { corsHeaders, deleteCors, getCors, preflight, putCors } from './cors.ts'
import { refusalError, S3Error } from './errors.ts'
import { bucketLocation, headBucket, listBuckets, listObjects } from './listing.ts'
import { abortUpload, completeUpload, createUpload, listParts, listUploads, uploadPart } from './multipart.ts'
import { deleteObject, getObject, headObject, putObject } from './objects.ts'
import { payloadOf, signedPayload } from './payload.ts'
import type { Store } from './store.ts'

const WIRE: Wire = { service: 's3', encodePath: 'once', apiKeys: false, payloadHash: signedPayload }

interface Operation {
  method: string
  on: 'service' | 'bucket' | 'object'
  /** The query parameter that makes it this operation. */
  marker?: string
  run: (store: Store, call: Call) => Response
}

/** The first that fits; those with a marker come before those without. */
const OPERATIONS: readonly Operation[] = [
  { method: 'GET', on: 'service', run: listBuckets },
  { method: 'GET', on: 'bucket', marker: 'uploads', run: listUploads },
  { method: 'GET', on: 'bucket', marker: 'location', run: bucketLocation },
  { method: 'PUT', on: 'bucket', marker: 'cors', run: putCors },
  { method: 'GET', on: 'bucket', marker: 'cors', run: getCors },
  { method: 'DELETE', on: 'bucket', marker: 'cors', run: deleteCors },
  { method: 'GET', on: 'bucket', run: listObjects },
  { method: 'HEAD', on: 'bucket', run: headBucket },
  { method: 'POST', on: 'object', marker: 'uploads', run: createUpload },
  { method: 'POST', on: 'object', marker: 'uploadId', run: completeUpload },
  { method: 'PUT', on: 'object', marker: 'uploadId', run: uploadPart },
  { method: 'DELETE', on: 'object', marker: 'uploadId', run: abortUpload },
  { method: 'GET', on: 'object', marker: 'uploadId', run: listParts },
  { method: 'PUT', on: 'object', run: putObject },
  { method: 'GET', on: 'object', run: getObject },
  { method: 'HEAD', on: 'object', run: headObject },
  { method: 'DELETE', on: 'object', run: deleteObject },
]

/** Parts of S3 that are asked for in the query (or a header) and that the sandbox does not have. */
const ABSENT_QUERIES = [
  'acl',
  'delete',
  'lifecycle',
  'policy',
  'restore',
  'select',
  'tagging',
  'versioning',
  'versions',
]
const ABSENT_HEADERS = ['x-amz-copy-source']

export function s3Routes(store: Store): Hono<Env> {
  const app = new Hono<Env>()
  app.all('*', async context => {
    const request = await rawRequest(context)
    const requestId = crypto.randomUUID().replaceAll('-', '').slice(0, 16).toUpperCase()
    const response = answer(store, request, requestId)
    response.headers.set('x-amz-request-id', requestId)
    response.headers.set('x-amz-id-2', 'sandbox')
    for (const [name, value] of Object.entries(corsHeaders(store, bucketIn(request), request)))
      response.headers.set(name, value)
    return response
  })
  return app
}

const resourceOf = ({ path }: RawRequest): string => path.slice(PREFIXES.s3.length) || '/'
const bucketIn = (request: RawRequest): string => resourceOf(request).split('/')[1] ?? ''

function answer(store: Store, request: RawRequest, requestId: string): Response {
  const resource = resourceOf(request)
  try {
    if (request.method === 'OPTIONS') return preflight(store, bucketIn(request), request)
    return run(store, request, resource)
  } catch (error) {
    const refusal = errorOf(error)
    // A HEAD has no room for a document: the status is all that the client learns.
    const bare = request.method === 'HEAD' || refusal.status === 304
    return new Response(bare ? null : refusal.body(resource, requestId), {
      status: refusal.status,
      headers: { 'content-type': 'application/xml' },
    })
  }
}

function errorOf(error: unknown): S3Error {
  if (error instanceof S3Error) return error
  if (error instanceof URIError) return new S3Error('InvalidURI')
  return new S3Error('InternalError', `The sandbox failed: ${error instanceof Error ? error.message : error}`)
}

function run(store: Store, request: RawRequest, resource: string): Response {
  const refusal = refusalOf(request, WIRE, Date.now())
  // Without the hash in the header no signature can be right; S3 says the cause.
  if (refusal?.reason === 'mismatch' && isSigned(request) && !('x-amz-content-sha256' in request.headers)) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  }
  if (refusal) throw refusalError(refusal)
  const query = new Map(parseQuery(request.query).map(({ name, value }) => [name, value]))
  const absent =
    ABSENT_QUERIES.find(name => query.has(name)) ?? ABSENT_HEADERS.find(name => name in request.headers)
  if (absent !== undefined) throw new S3Error('NotImplemented', `The sandbox has no ${absent}.`)

  checkLength(request)

  const [, bucket = '', ...rest] = resource.split('/')
  const call: Call = {
    bucket: decode(bucket),
    key: rest.map(decode).join('/'),
    query,
    headers: request.headers,
    payload: payloadOf(request),
  }
  const on = call.bucket === '' ? 'service' : call.key === '' ? 'bucket' : 'object'
  const operation = OPERATIONS.find(
    each =>
      each.on === on &&
      each.method === request.method &&
      (each.marker === undefined || query.has(each.marker)),
  )
  if (!operation) throw new S3Error('MethodNotAllowed', undefined, { Method: request.method })
  return operation.run(store, call)
}

const isSigned = ({ headers }: RawRequest): boolean =>
  headers.authorization?.startsWith(`${ALGORITHM} `) ?? false

/**
 * S3 wants to know how much is coming. A body of unknown length is only taken as `aws-chunked`, with its length in another
 * header.
 */
function checkLength({ method, headers }: RawRequest): void {
  if (method !== 'PUT' || 'x-amz-decoded-content-length' in headers) return
  if ('transfer-encoding' in headers) {
    throw new S3Error(
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
      {
        Header: 'Transfer-Encoding',
      },
    )
  }
  if (!('content-length' in headers)) throw new S3Error('MissingContentLength')
}
