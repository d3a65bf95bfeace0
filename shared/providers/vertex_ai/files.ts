/** Datasets on Vertex AI: objects of the connection's bucket, told by their `gs://` URIs. */
import * as z from 'zod'
import type { Channel, NativeFile, Provider } from '../provider.ts'
import { ProviderFault } from '../provider.ts'
import { rangeFrom } from '../range.ts'
import { gcsUri, type ObjectName, parseGcsUri } from './gcs-uri.ts'
import { storageUrl } from './hosts.ts'
import { bucketOf, object, otherName, PREFIX, toOne } from './objects.ts'
import { transfer } from './transfer.ts'
import { uploadResumably } from './upload.ts'

/** Objects of one page that Cloud Storage gives at most. */
const LARGEST_PAGE = 1000

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

const isStatus = (error: unknown, status: number) => error instanceof ProviderFault && error.status === status

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
  content: (channel, id, from) =>
    channel.open({
      ...toOne(channel.settings, 'GET', parseGcsUri(id), { alt: 'media' }),
      ...rangeFrom(from),
    }),
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
  transfer,
}
