/**
 * S3's multipart upload across processes. Each part is checked by S3 against its MD5, and the parts are put together in the order
 * that is named.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
 * @module
 */
import * as z from 'zod'
import { ProviderFault, TransferLost, type Transfers } from '../provider.ts'
import { s3Uri } from './hosts.ts'
import { toAbort, toDelete, toPart } from './s3.ts'
import { complete, newLocation, send, start, tagOf } from './uploads.ts'

const MEBIBYTE = 1024 * 1024

const session = z.object({ bucket: z.string(), key: z.string(), id: z.string(), tags: z.array(z.string()) })

const lost = (error: unknown): never => {
  throw error instanceof ProviderFault && error.status === 404 ? new TransferLost(error) : error
}

export const transfer: Transfers = {
  partBytes: { least: 5 * MEBIBYTE, most: 5 * 1024 * MEBIBYTE, unit: 1 },
  proof: 'parts',
  async start(channel, { name }) {
    return { ...(await start(channel, newLocation(channel.settings, name))), tags: [] }
  },
  async part(channel, held, _file, { number, bytes, md5 }) {
    const known = session.parse(held)
    const answer = await send(channel, toPart(channel.settings, known, number, bytes, md5)).catch(lost)
    return { ...known, tags: [...known.tags.slice(0, number - 1), tagOf(answer)] }
  },
  async finish(channel, held, { size }) {
    const known = session.parse(held)
    await complete(channel, known, known.tags, size).catch(lost)
    return { id: s3Uri(known) }
  },
  async abort(channel, held) {
    const known = session.parse(held)
    await send(channel, toAbort(channel.settings, known)).catch((error: unknown) => {
      if (!(error instanceof ProviderFault) || error.status !== 404) throw error
    })
    // The upload may have been completed without that being heard of.
    await send(channel, { ...toDelete(channel.settings, known), tidies: true })
  },
}
