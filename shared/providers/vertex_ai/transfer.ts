/**
 * A resumable upload of Cloud Storage across processes: its address is all there is to know, and is a secret, since it takes bytes
 * without any other authorisation.
 * @see https://docs.cloud.google.com/storage/docs/performing-resumable-uploads
 * @module
 */
import * as z from 'zod'
import { type Channel, ProviderFault, TransferLost, type Transfers } from '../provider.ts'
import { gcsUri, type ObjectName } from './gcs-uri.ts'
import { bucketOf, object, otherName, PREFIX, toOne } from './objects.ts'
import { CHUNK_UNIT, openSession, progressOf, sendChunk, toQuestion } from './upload.ts'

const session = z.object({ url: z.url(), bucket: z.string(), object: z.string() })

/** How a deletion of a session is answered. */
const CLIENT_CLOSED = 499

const GONE: readonly unknown[] = [404, 410]
const lost = (error: unknown): never => {
  throw error instanceof ProviderFault && GONE.includes(error.status) ? new TransferLost(error) : error
}
const unlessGone = (error: unknown): void => {
  if (!(error instanceof ProviderFault && GONE.includes(error.status))) throw error
}

const remove = async (channel: Channel, name: ObjectName): Promise<void> => {
  await channel.call({ ...toOne(channel.settings, 'DELETE', name), tidies: true }).catch(unlessGone)
}

export const transfer: Transfers = {
  partBytes: { least: CHUNK_UNIT, most: 1024 ** 3, unit: CHUNK_UNIT },
  proof: 'whole',
  async start(channel, { name, size }) {
    const target = { bucket: bucketOf(channel.settings), object: `${PREFIX}${otherName(name)}` }
    const url = await openSession(channel, target, size)
    return { url: url.href, ...target }
  },
  async part(channel, held, { size }, { offset, bytes, isRepeat }) {
    const url = new URL(session.parse(held).url)
    const end = offset + bytes.length
    try {
      const at = isRepeat ? progressOf(await channel.call(toQuestion(url, size)), size) : offset
      // What came before this part was told as arrived: a service that has less has lost it.
      if (at < offset) throw new TransferLost()
      if (at < end) await sendChunk(channel, url, bytes.subarray(at - offset), at, size)
      return held
    } catch (error) {
      return lost(error)
    }
  },
  async finish(channel, held, { size, md5 }) {
    const name = session.parse(held)
    const found = await channel.read(object, toOne(channel.settings, 'GET', name)).catch(lost)
    const sum = md5 === null ? undefined : Buffer.from(md5, 'hex').toString('base64')
    if (found.size === size && (sum === undefined || found.md5Hash === undefined || found.md5Hash === sum))
      return { id: gcsUri(name) }
    await remove(channel, name)
    throw new TransferLost()
  },
  async abort(channel, held) {
    const { url, ...name } = session.parse(held)
    await channel
      .call({ method: 'DELETE', url: new URL(url), repeat: 'always', accept: [CLIENT_CLOSED], tidies: true })
      .catch(unlessGone)
    // A session whose last part arrived is an object already.
    await remove(channel, name)
  },
}
