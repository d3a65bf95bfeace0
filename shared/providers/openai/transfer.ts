/**
 * OpenAI's uploads: a file in parts, of which nothing is a file until the upload is completed.
 * @see https://platform.openai.com/docs/api-reference/uploads
 * @module
 */
import * as z from 'zod'
import {
  type Channel,
  ProviderFault,
  type ProviderRequest,
  TransferLost,
  type Transfers,
} from '../provider.ts'
import { formAround } from './form.ts'
import { urlOf } from './url.ts'

/** Seconds before its end from which an upload (it lives an hour) is taken as gone: a part takes its time. */
const LAST_SECONDS = 60
/** Files looked through for one whose completion was not confirmed. */
const LOOKED_THROUGH = 100

const upload = z.object({ id: z.string(), expires_at: z.number() })
const part = z.object({ id: z.string() })
const completed = z.object({ file: z.object({ id: z.string() }) })
const session = z.object({ upload: z.string(), expires_at: z.number(), parts: z.array(z.string()) })
type Session = z.infer<typeof session>

const fileList = z.object({
  data: z.array(z.object({ id: z.string(), filename: z.string(), bytes: z.number().nullish() })),
})

const post = (
  { settings }: Pick<Channel, 'settings'>,
  segments: string[],
  body: object,
  repeat: ProviderRequest['repeat'],
): ProviderRequest => ({
  method: 'POST',
  url: urlOf(settings, ['uploads', ...segments]),
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
  repeat,
})

const toPart = (
  channel: Pick<Channel, 'settings' | 'sizedBody'>,
  id: string,
  bytes: Uint8Array<ArrayBuffer>,
  boundary: string,
): ProviderRequest => {
  const { head, tail } = formAround(
    {},
    { field: 'data', name: 'part', type: 'application/octet-stream' },
    boundary,
  )
  return {
    method: 'POST',
    url: urlOf(channel.settings, ['uploads', id, 'parts']),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: async () => channel.sizedBody([head, bytes, tail], head.length + bytes.length + tail.length),
    // A part that is not named in the completion goes with the upload.
    repeat: 'always',
  }
}

const isGone = (channel: Channel, { expires_at }: Session) => channel.now() / 1000 > expires_at - LAST_SECONDS

const lost = (error: unknown): never => {
  throw error instanceof ProviderFault && error.status === 404 ? new TransferLost(error) : error
}

/** The file that a completion made whose answer did not arrive: nothing else has its name and size. */
const find = async (channel: Channel, name: string, size: number): Promise<string | undefined> => {
  const url = urlOf(channel.settings, ['files'], { purpose: 'fine-tune', limit: LOOKED_THROUGH })
  const { data } = await channel.read(fileList, { method: 'GET', url, repeat: 'always' })
  return data.find(({ filename, bytes }) => filename === name && (bytes == null || bytes === size))?.id
}

export const transfer: Transfers = {
  partBytes: { least: 1, most: 64_000_000, unit: 1 },
  proof: 'whole',
  async start(channel, { name, purpose, size }) {
    // An upload that nobody completes expires, and nothing is left of it.
    const body = { filename: name, purpose, bytes: size, mime_type: 'text/jsonl' }
    const { id, expires_at } = await channel.read(upload, post(channel, [], body, 'always'))
    return { upload: id, expires_at, parts: [] }
  },
  async part(channel, held, _file, { number, bytes }) {
    const known = session.parse(held)
    if (isGone(channel, known)) throw new TransferLost()
    const { id } = await channel
      .read(part, toPart(channel, known.upload, bytes, `tunegate-${crypto.randomUUID()}`))
      .catch(lost)
    return { ...known, parts: [...known.parts.slice(0, number - 1), id] }
  },
  async finish(channel, held, { name, size, md5 }) {
    const known = session.parse(held)
    const body = { part_ids: known.parts, ...(md5 !== null && { md5 }) }
    try {
      const { file } = await channel.read(
        completed,
        post(channel, [known.upload, 'complete'], body, 'if-refused'),
      )
      return file
    } catch (error) {
      if (!(error instanceof ProviderFault)) throw error
      // Completed before, it is refused: whatever was said, the file tells whether there is one.
      const id = await find(channel, name, size).catch(() => undefined)
      if (id !== undefined) return { id }
      if (isGone(channel, known)) throw new TransferLost(error)
      return lost(error)
    }
  },
  async abort(channel, held) {
    const known = session.parse(held)
    await channel
      .call({ ...post(channel, [known.upload, 'cancel'], {}, 'always'), tidies: true })
      .catch(error => {
        // Completed, cancelled or expired: there is nothing to cancel.
        if (!(error instanceof ProviderFault) || !error.refused || error.status === 429) throw error
      })
  },
}
