/** Datasets on Vertex AI: objects of the connection's bucket, told by their `gs://` URIs. */
import * as z from 'zod'
import { ApiError } from '../../openai/index.ts'
import type { Channel, NativeFile, Provider, ProviderRequest, Settings } from '../provider.ts'
import { ProviderFault } from '../provider.ts'
import { gcsUri, type ObjectName, parseGcsUri } from './gcs-uri.ts'
import { storageUrl } from './hosts.ts'
import { uploadResumably } from './upload.ts'

/** What the gateway puts into a bucket is together, apart from what else is there. */
const PREFIX = 'tunegate/'
/** Objects of one page that Cloud Storage gives at most. */
const LARGEST_PAGE = 1000

/** 64-bit integers are strings in Google's JSON. */
const size = z.string().regex(/^\d+$/).transform(Number)
const object = z.object({ name: z.string(), bucket: z.string(), size, timeCreated: z.string() })
const objectList = z.object({
  items: z.array(object).default([]),
  nextPageToken: z.string().optional(),
})

const fromObject = ({ name, bucket, size: bytes, timeCreated }: z.infer<typeof object>): NativeFile => ({
  id: gcsUri({ bucket, object: name }),
  filename: name.split('/').at(-1) ?? name,
  bytes,
  createdAt: Math.floor(Date.parse(timeCreated) / 1000),
})

const bucketOf = ({ bucket }: Settings): string => {
  if (bucket) return bucket
  throw new ApiError({
    status: 400,
    code: 'connection_unconfigured',
    message:
      'The connection has no bucket for datasets: set VERTEX_BUCKET, or bucket in tunegate.config.ts, or name files by their gs:// URIs.',
  })
}

const toOne = (
  settings: Settings,
  method: 'GET' | 'DELETE',
  { bucket, object: name }: ObjectName,
  query: Record<string, string> = {},
): ProviderRequest => ({
  method,
  url: storageUrl(settings, 'objects', bucket, name, query),
  repeat: 'always',
})

const isStatus = (error: unknown, status: number) => error instanceof ProviderFault && error.status === status

/** `train.jsonl` → `train-1f0c….jsonl`: for a name that other bytes have. */
const otherName = (name: string): string =>
  name.replace(/(\.[^./]*)?$/, extension => `-${crypto.randomUUID().slice(0, 8)}${extension}`)

const exists = async (channel: Channel, name: ObjectName, bytes: number): Promise<boolean> => {
  const found = await channel.read(object, toOne(channel.settings, 'GET', name))
  return found.size === bytes
}

export const files: Provider['files'] = {
  async upload(channel, upload) {
    const name = { bucket: bucketOf(channel.settings), object: `${PREFIX}${upload.name}` }
    try {
      await uploadResumably(channel, name, upload)
      return { id: gcsUri(name) }
    } catch (error) {
      if (!isStatus(error, 412)) throw error
    }
    // An upload of the same file whose end was not heard of; or another file, which a job may be reading.
    if (await exists(channel, name, upload.size)) return { id: gcsUri(name) }
    const other = { ...name, object: otherName(name.object) }
    await uploadResumably(channel, other, upload)
    return { id: gcsUri(other) }
  },
  async get(channel, id) {
    const found = await channel.read(object, toOne(channel.settings, 'GET', parseGcsUri(id)))
    const { id: _, ...file } = fromObject(found)
    return file
  },
  async delete(channel, id) {
    await channel.call(toOne(channel.settings, 'DELETE', parseGcsUri(id)))
  },
  content: (channel, id) => channel.open(toOne(channel.settings, 'GET', parseGcsUri(id), { alt: 'media' })),
  paging: 'token',
  async list(channel, { after, limit }) {
    const { settings } = channel
    const { items, nextPageToken } = await channel.read(objectList, {
      method: 'GET',
      url: storageUrl(settings, 'objects', bucketOf(settings), undefined, {
        prefix: PREFIX,
        maxResults: Math.min(limit, LARGEST_PAGE),
        pageToken: after,
      }),
      repeat: 'always',
    })
    return {
      items: items.map(fromObject),
      hasMore: Boolean(nextPageToken),
      ...(nextPageToken && { next: nextPageToken }),
    }
  },
}
