/** Datasets in S3. A file's id is where it is: `s3://bucket/key`. */
import { notFound } from '../../openai/index.ts'
import type { S3Location } from '../../platform/index.ts'
import type { Channel, NativeFile, Provider, Settings, UploadedFile } from '../provider.ts'
import { parseS3Uri, s3Uri } from './hosts.ts'
import { partsOf } from './parts.ts'
import {
  listingOf,
  toAbort,
  toDelete,
  toGet,
  toHead,
  toList,
  toPart,
  toPut,
  type Upload,
  xmlOf,
} from './s3.ts'
import { transfer } from './transfer.ts'
import { complete, cornerOf, inRegion, newLocation, send, start, tagOf } from './uploads.ts'

/** Where jobs leave what they have made, below the connection's corner. */
export const RESULTS = 'results/'
const isResult = (settings: Settings, { bucket, key }: S3Location): boolean => {
  if (bucket !== settings.bucket) return false
  return key.startsWith(cornerOf(settings).folder + RESULTS)
}

const locationOf = (id: string): S3Location => {
  const location = parseS3Uri(id)
  if (!location) throw notFound('file_not_found', 'file_id', `'${id}' is not a file in S3: s3://bucket/key.`)
  return location
}

const fromObject = (
  { settings, now }: Pick<Channel, 'settings' | 'now'>,
  location: S3Location,
  { bytes, modified }: { bytes: number; modified: string },
): NativeFile => {
  const at = Date.parse(modified)
  return {
    id: s3Uri(location),
    filename: location.key.split('/').at(-1) || location.key,
    bytes,
    createdAt: Math.floor((Number.isNaN(at) ? now() : at) / 1000),
    ...(isResult(settings, location) && { purpose: 'fine-tune-results' }),
  }
}

const assertSize = (sent: number, { size }: UploadedFile) => {
  if (sent !== size) throw new Error(`A dataset of ${size} bytes turned out to have ${sent}.`)
}

/** Uploads in parts, one at a time: memory holds one part, however large the file. */
const uploadParts = async (
  channel: Channel,
  location: S3Location,
  file: UploadedFile,
  parts: AsyncIterable<Uint8Array<ArrayBuffer>>,
): Promise<void> => {
  const { settings } = channel
  const tags: string[] = []
  let upload: Upload | undefined
  let sent = 0
  try {
    for await (const part of parts) {
      upload ??= await start(channel, location)
      tags.push(tagOf(await send(channel, toPart(settings, upload, tags.length + 1, part))))
      sent += part.length
    }
    assertSize(sent, file)
    if (upload) await complete(channel, upload, tags, sent)
  } catch (error) {
    // What went wrong first is what is told.
    if (upload) await channel.call(toAbort(settings, upload)).catch(() => undefined)
    throw error
  }
}

export const files: Provider['files'] = {
  async upload(channel, file) {
    const location = newLocation(channel.settings, file.name)
    const { first, all } = await partsOf(await file.open())
    if (all === undefined) {
      assertSize(first.length, file)
      await send(channel, toPut(channel.settings, location, first))
    } else await uploadParts(channel, location, file, all)
    return { id: s3Uri(location) }
  },
  async get(channel, id) {
    const location = locationOf(id)
    const { headers } = await send(channel, toHead(channel.settings, location))
    const { id: _, ...file } = fromObject(channel, location, {
      bytes: Number(headers.get('content-length') ?? 0),
      modified: headers.get('last-modified') ?? '',
    })
    return file
  },
  async delete(channel, id) {
    await send(channel, toDelete(channel.settings, locationOf(id)))
  },
  content: async (channel, id, from) => inRegion(channel.open(toGet(channel.settings, locationOf(id), from))),
  paging: 'id',
  async list(channel, { after, limit }) {
    const { bucket, folder } = cornerOf(channel.settings)
    const key = after === undefined ? undefined : locationOf(after).key
    // S3 lists up to 1000 at a time.
    const request = toList(channel.settings, bucket, `${folder}files/`, Math.min(limit, 1000), key)
    const { items, hasMore } = listingOf(xmlOf(await send(channel, request)))
    return { items: items.map(({ key, ...item }) => fromObject(channel, { bucket, key }, item)), hasMore }
  },
  transfer,
}
