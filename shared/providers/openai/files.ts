/** OpenAI's files: multipart upload (`file`, `purpose`), object, bytes. */
import * as z from 'zod'
import type { Channel, NativeFile, Provider, ProviderRequest, Settings, UploadedFile } from '../provider.ts'
import { rangeFrom } from '../range.ts'
import { formAround } from './form.ts'
import { transfer } from './transfer.ts'
import { urlOf } from './url.ts'

const file = z.object({
  id: z.string(),
  filename: z.string(),
  bytes: z.number(),
  created_at: z.number(),
  purpose: z.string().optional(),
})

const fileList = z.object({ data: z.array(file), has_more: z.boolean() })

const fromFile = ({ id, filename, bytes, created_at, purpose }: z.infer<typeof file>): NativeFile => ({
  id,
  filename,
  bytes,
  createdAt: created_at,
  purpose,
})

/** What stands before and after the bytes in a `multipart/form-data` body. */
export const envelope = ({ name, purpose }: Pick<UploadedFile, 'name' | 'purpose'>, boundary: string) =>
  formAround({ purpose }, { field: 'file', name, type: 'application/jsonl' }, boundary)

export const toUpload = (channel: Channel, upload: UploadedFile, boundary: string): ProviderRequest => {
  const { head, tail } = envelope(upload, boundary)
  return {
    method: 'POST',
    url: urlOf(channel.settings, ['files']),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: async () =>
      channel.sizedBody([head, await upload.open(), tail], head.length + upload.size + tail.length),
    // A copy too many is harmless; a dataset that did not arrive is not.
    repeat: 'always',
  }
}

const toOne = (settings: Settings, method: 'GET' | 'DELETE', id: string): ProviderRequest => ({
  method,
  url: urlOf(settings, ['files', id]),
  repeat: 'always',
})

export const files: Provider['files'] = {
  async upload(channel, upload) {
    return channel.read(file, toUpload(channel, upload, `tunegate-${crypto.randomUUID()}`))
  },
  async get(channel, id) {
    const { id: _, ...found } = fromFile(await channel.read(file, toOne(channel.settings, 'GET', id)))
    return found
  },
  async delete(channel, id) {
    await channel.call(toOne(channel.settings, 'DELETE', id))
  },
  paging: 'id',
  async list({ settings, read }, { after, limit }) {
    const url = urlOf(settings, ['files'], { purpose: 'fine-tune', limit, after })
    const { data, has_more } = await read(fileList, { method: 'GET', url, repeat: 'always' })
    return { items: data.map(fromFile), hasMore: has_more }
  },
  content: (channel, id, from) =>
    channel.open({
      method: 'GET',
      url: urlOf(channel.settings, ['files', id, 'content']),
      repeat: 'always',
      ...rangeFrom(from),
    }),
  transfer,
}
