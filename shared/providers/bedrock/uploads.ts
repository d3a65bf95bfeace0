/** Uploads to S3, as their steps. */
import { isBucketName, type S3Location } from '../../platform/index.ts'
import type { Answer } from '../../transport.ts'
import { type Channel, ProviderFault, type Settings, unansweredFault } from '../provider.ts'
import { toFault } from './faults.ts'
import { isCompleted, toComplete, toHead, toStart, type Upload, uploadIdOf, xmlOf } from './s3.ts'
import { wrongSetting } from './settings.ts'

/** The bucket of the connection, and the gateway's corner in it. */
export const cornerOf = ({ bucket, prefix = '' }: Settings): { bucket: string; folder: string } => {
  if (!bucket)
    throw wrongSetting('bucket', "is missing: datasets and results go to a bucket in the job's region")
  if (!isBucketName(bucket)) throw wrongSetting('bucket', 'is not the name of a bucket')
  const folder = prefix.replace(/^\/+|\/+$/g, '')
  return { bucket, folder: folder === '' ? '' : `${folder}/` }
}

/** A name of its own for each copy: the same dataset in another format must not replace the one a job reads. */
export const newLocation = (settings: Settings, name: string): S3Location => {
  const { bucket, folder } = cornerOf(settings)
  return { bucket, key: `${folder}files/${crypto.randomUUID()}/${name.replace(/[^\w.-]/g, '_')}` }
}

/** S3 answers a call in the wrong region with a redirect, which is never followed. */
export const inRegion = async <T>(sent: Promise<T>): Promise<T> =>
  sent.catch((error: unknown) => {
    if (!(error instanceof ProviderFault) || error.status !== 'redirected') throw error
    throw wrongSetting('region', "is not the bucket's: S3 sends the request elsewhere")
  })

export const send = (channel: Channel, request: Parameters<Channel['call']>[0]): Promise<Answer> =>
  inRegion(channel.call(request))

const garbled = () => unansweredFault('bedrock', 'garbled')

export const tagOf = ({ headers }: Answer): string => {
  const tag = headers.get('etag')
  if (!tag) throw garbled()
  return tag
}

/** Puts the parts together. What a lost answer leaves open is looked up: the name was never used before. */
export const complete = async (
  channel: Channel,
  upload: Upload,
  tags: readonly string[],
  size: number,
): Promise<void> => {
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

/** Begins an upload in parts. */
export const start = async (channel: Channel, location: S3Location): Promise<Upload> => {
  const id = uploadIdOf(xmlOf(await send(channel, toStart(channel.settings, location))))
  if (id === undefined) throw garbled()
  return { ...location, id }
}
