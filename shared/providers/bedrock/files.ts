/** Datasets in S3. A file's id is where it is: `s3://bucket/key`. */
import { notFound } from '../../openai/index.ts'
import type { Answer } from '../../transport.ts'
import {
  type Channel,
  type NativeFile,
  type Provider,
  ProviderFault,
  type Settings,
  type UploadedFile,
  unansweredFault,
} from '../provider.ts'
import { toFault } from './faults.ts'
import { isBucket, parseS3Uri, type S3Location, s3Uri } from './hosts.ts'
import { partsOf } from './parts.ts'
import {
  isCompleted,
  listingOf,
  toAbort,
  toComplete,
  toDelete,
  toGet,
  toHead,
  toList,
  toPart,
  toPut,
  toStart,
  type Upload,
  uploadIdOf,
  xmlOf,
} from './s3.ts'
import { wrongSetting } from './settings.ts'

/** The bucket of the connection, and the gateway's corner in it. */
export const cornerOf = ({ bucket, prefix = '' }: Settings): { bucket: string; folder: string } => {
  if (!bucket)
    throw wrongSetting('bucket', "is missing: datasets and results go to a bucket in the job's region")
  if (!isBucket(bucket)) throw wrongSetting('bucket', 'is not the name of a bucket')
  const folder = prefix.replace(/^\/+|\/+$/g, '')
  return { bucket, folder: folder === '' ? '' : `${folder}/` }
}

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

/** A name of its own for each copy: the same dataset in another format must not replace the one a job reads. */
const newLocation = (settings: Settings, { name }: UploadedFile): S3Location => {
  const { bucket, folder } = cornerOf(settings)
  return { bucket, key: `${folder}files/${crypto.randomUUID()}/${name.replace(/[^\w.-]/g, '_')}` }
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

/** S3 answers a call in the wrong region with a redirect, which is never followed. */
const inRegion = async <T>(sent: Promise<T>): Promise<T> =>
  sent.catch((error: unknown) => {
    if (!(error instanceof ProviderFault) || error.status !== 'redirected') throw error
    throw wrongSetting('region', "is not the bucket's: S3 sends the request elsewhere")
  })

const send = (channel: Channel, request: Parameters<Channel['call']>[0]): Promise<Answer> =>
  inRegion(channel.call(request))

const garbled = () => unansweredFault('bedrock', 'garbled')

const tagOf = ({ headers }: Answer): string => {
  const tag = headers.get('etag')
  if (!tag) throw garbled()
  return tag
}

/** Puts the parts together. What a lost answer leaves open is looked up: the name was never used before. */
const complete = async (channel: Channel, upload: Upload, tags: string[], size: number): Promise<void> => {
  const { settings } = channel
  try {
    const answer = await send(channel, toComplete(settings, upload, tags))
    const xml = xmlOf(answer)
    if (!isCompleted(xml)) throw new ProviderFault('bedrock', toFault({ ...answer, status: 500 }))
  } catch (error) {
    const head = await channel.call(toHead(settings, upload)).catch(() => undefined)
    if (Number(head?.headers.get('content-length')) !== size) throw error
  }
}

const assertSize = (sent: number, { size }: UploadedFile) => {
  if (sent !== size) throw new Error(`A dataset of ${size} bytes turned out to have ${sent}.`)
}

/** Begins an upload in parts. */
const start = async (channel: Channel, location: S3Location): Promise<Upload> => {
  const id = uploadIdOf(xmlOf(await send(channel, toStart(channel.settings, location))))
  if (id === undefined) throw garbled()
  return { ...location, id }
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
    const location = newLocation(channel.settings, file)
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
  content: async (channel, id) => inRegion(channel.open(toGet(channel.settings, locationOf(id)))),
  paging: 'id',
  async list(channel, { after, limit }) {
    const { bucket, folder } = cornerOf(channel.settings)
    const key = after === undefined ? undefined : locationOf(after).key
    // S3 lists up to 1000 at a time.
    const request = toList(channel.settings, bucket, `${folder}files/`, Math.min(limit, 1000), key)
    const { items, hasMore } = listingOf(xmlOf(await send(channel, request)))
    return { items: items.map(({ key, ...item }) => fromObject(channel, { bucket, key }, item)), hasMore }
  },
}
