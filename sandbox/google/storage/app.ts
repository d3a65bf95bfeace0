/** Cloud Storage's JSON API: everything below `/google/storage`. */
import { type Context, Hono } from 'hono'
import { newId } from '../../ids.ts'
import { authenticate } from '../auth/bearer.ts'
import { CLOUD_PLATFORM } from '../auth/identity.ts'
import type { AccessTokens } from '../auth/tokens.ts'
import { hashHeader, intentOf, preconditionsOf } from './attributes.ts'
import { type Bucket, type StoredObject, wireObject } from './bucket.ts'
import { mediaResponse } from './download.ts'
import { answerStorageError, invalid, noBucket, noObject, StorageError } from './errors.ts'
import { listObjects } from './listing.ts'
import { relatedParts } from './related.ts'
import { parseContentRange, type Resumables } from './resumable.ts'

const STORAGE_SCOPES = ['full_control', 'read_write'].map(
  name => `https://www.googleapis.com/auth/devstorage.${name}`,
)
const READ_SCOPE = 'https://www.googleapis.com/auth/devstorage.read_only'

export interface StorageOptions {
  bucket: Bucket
  resumables: Resumables
  tokens: AccessTokens
  /** Where this API stands, without a slash at the end. */
  base: () => string
}

/** The routes of the JSON API, for one bucket. */
export function storageRoutes({ bucket, resumables, tokens, base }: StorageOptions): Hono {
  const app = new Hono()
  app.onError(answerStorageError)

  app.use(async (context, next) => {
    context.header('x-guploader-uploadid', newId('', 40))
    const { req } = context
    // The address of an upload session is a secret of its own: whoever has it may write.
    const isSession = req.query('upload_id') !== undefined && ['PUT', 'DELETE'].includes(req.method)
    if (!isSession) {
      const reads = req.method === 'GET' || req.method === 'HEAD'
      await authenticate(req.header('authorization'), tokens, {
        scopes: [CLOUD_PLATFORM, ...STORAGE_SCOPES, ...(reads ? [READ_SCOPE] : [])],
        audience: value => value === 'https://storage.googleapis.com/' || value === `${base()}/`,
        kind: 'serviceAccount',
      })
    }
    await next()
  })
  for (const kind of ['', '/upload', '/download']) {
    app.use(`${kind}/storage/v1/b/:bucket/*`, async ({ req }, next) => {
      if (req.param('bucket') !== bucket.name) throw noBucket()
      await next()
    })
  }

  const answer = (context: Context, object: StoredObject): Response =>
    context.json(wireObject(bucket, object, base()))

  /** The object that the path and the query's `generation` and preconditions mean. */
  const wanted = ({ req }: Context): StoredObject => {
    const name = req.param('object') ?? ''
    const object = bucket.get(name)
    const generation = req.query('generation')
    if (!object || (generation !== undefined && generation !== String(object.generation))) {
      throw noObject(bucket.name, name)
    }
    bucket.demand(name, preconditionsOf(req.query()))
    return object
  }
  const download = (context: Context): Response => mediaResponse(wanted(context), context.req.header('range'))

  const uploadTypes: Record<string, (context: Context, body: Buffer) => Response> = {
    media: (context, body) => {
      const { req } = context
      const intent = intentOf('', req.query(), req.header('content-type'))
      bucket.demand(intent.name, intent.preconditions)
      return answer(
        context,
        bucket.put(intent.name, body, intent, {
          ...intent.announced,
          ...hashHeader(req.header('x-goog-hash')),
        }),
      )
    },
    multipart: (context, body) => {
      const { req } = context
      const [metadata, media, ...more] = relatedParts(body, req.header('content-type') ?? '')
      if (!metadata || !media || more.length > 0) throw invalid('Multipart body must have two parts.')
      const intent = intentOf(metadata.bytes.toString(), req.query(), media.contentType)
      bucket.demand(intent.name, intent.preconditions)
      return answer(context, bucket.put(intent.name, media.bytes, intent, intent.announced))
    },
    resumable: (context, body) => {
      const { req } = context
      const intent = intentOf(body.toString(), req.query(), req.header('x-upload-content-type'))
      bucket.demand(intent.name, intent.preconditions)
      const id = resumables.start(intent)
      const location = new URL(`${base()}/upload/storage/v1/b/${bucket.name}/o`)
      location.search = String(
        new URLSearchParams({ uploadType: 'resumable', name: intent.name, upload_id: id }),
      )
      return context.body(null, 200, { location: location.href })
    },
  }

  return app
    .post('/upload/storage/v1/b/:bucket/o', async context => {
      const upload = uploadTypes[context.req.query('uploadType') ?? '']
      if (!upload) throw invalid('Unknown or missing uploadType.')
      return upload(context, Buffer.from(await context.req.arrayBuffer()))
    })
    .put('/upload/storage/v1/b/:bucket/o', async context => {
      const { req } = context
      const body = Buffer.from(await req.arrayBuffer())
      const range = parseContentRange(req.header('content-range'), body.byteLength)
      const announced = hashHeader(req.header('x-goog-hash'))
      const progress = resumables.write(bucket, req.query('upload_id') ?? '', body, range, announced)
      if ('object' in progress) return answer(context, progress.object)
      const { received } = progress
      // Status 308 means "go on" here, and no redirect follows.
      return new Response(null, {
        status: 308,
        headers: received > 0 ? { range: `bytes=0-${received - 1}` } : {},
      })
    })
    .delete('/upload/storage/v1/b/:bucket/o', context => {
      resumables.cancel(context.req.query('upload_id') ?? '')
      return new Response(null, { status: 499 })
    })
    .get('/storage/v1/b/:bucket/o', context => {
      const { objects, prefixes, nextPageToken } = listObjects(bucket, context.req.query())
      return context.json({
        kind: 'storage#objects',
        ...(nextPageToken !== undefined && { nextPageToken }),
        ...(prefixes.length > 0 && { prefixes }),
        ...(objects.length > 0 && { items: objects.map(object => wireObject(bucket, object, base())) }),
      })
    })
    .get('/storage/v1/b/:bucket/o/:object', context =>
      context.req.query('alt') === 'media' ? download(context) : answer(context, wanted(context)),
    )
    .get('/download/storage/v1/b/:bucket/o/:object', download)
    .delete('/storage/v1/b/:bucket/o/:object', context => {
      bucket.delete(wanted(context).name)
      return context.body(null, 204)
    })
    .all('*', ({ req }) => {
      throw new StorageError(404, 'notFound', `There is no ${req.method} ${req.path}.`)
    })
}
