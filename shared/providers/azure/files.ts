/** Azure's files: OpenAI's, but that a file can only be used once it has been processed. */
import * as z from 'zod'
import { ApiError, badRequest } from '../../openai/index.ts'
import { files as openaiFiles, toUpload } from '../openai/files.ts'
import { transfer } from '../openai/transfer.ts'
import { urlOf } from '../openai/url.ts'
import {
  type Channel,
  type NativeFile,
  type Provider,
  ProviderFault,
  type ProviderRequest,
} from '../provider.ts'
import { azurely, onSurface } from './url.ts'

/** The size is null until it is known, says Microsoft's specification. */
const file = z.object({
  id: z.string(),
  filename: z.string(),
  bytes: z.number().nullish(),
  created_at: z.number(),
  purpose: z.string().nullish(),
  status: z.string().nullish(),
  status_details: z.string().nullish(),
})
type FileObject = z.infer<typeof file>

const fromFile = ({ id, filename, bytes, created_at, purpose }: FileObject): NativeFile => ({
  id,
  filename,
  bytes: bytes ?? 0,
  createdAt: created_at,
  purpose: purpose ?? undefined,
})

const fileList = z.object({ data: z.array(file), has_more: z.boolean().default(false) })

/** Native `FileState` → what it means for jobs. Any other word is a state on the way. */
const STATE: ReadonlyMap<string, 'ready' | 'failed' | 'gone'> = new Map([
  ['processed', 'ready'],
  ['error', 'failed'],
  ['deleting', 'gone'],
  ['deleted', 'gone'],
])
export const stateOf = ({ status }: Pick<FileObject, 'status'>): 'pending' | 'ready' | 'failed' | 'gone' =>
  // Without a state there is nothing to wait for.
  status == null ? 'ready' : (STATE.get(status) ?? 'pending')

/** Milliseconds. */
const FIRST_LOOK = 200
const SLOWEST_LOOK = 5000
const LONGEST_WAIT = 300_000

const toOne = ({ settings }: Channel, method: 'GET' | 'DELETE', id: string): ProviderRequest => ({
  method,
  url: urlOf(settings, ['files', id]),
  repeat: 'always',
})

/** Looks until the file can be used. @throws {ApiError} naming the file that never can, or not in time */
const processed = async (channel: Channel, name: string, uploaded: FileObject): Promise<void> => {
  const deadline = channel.now() + LONGEST_WAIT
  let found = uploaded
  for (let delay = FIRST_LOOK; ; delay = Math.min(2 * delay, SLOWEST_LOOK)) {
    const state = stateOf(found)
    if (state === 'ready') return
    if (state !== 'pending') {
      const why = found.status_details ? `: ${found.status_details}` : ''
      throw badRequest(null, `Azure could not process the file '${name}'${why}.`, 'invalid_dataset')
    }
    if (channel.now() + delay > deadline) {
      throw new ApiError({
        status: 504,
        code: 'provider_timeout',
        message: `Azure has not processed the file '${name}' in ${LONGEST_WAIT / 1000} s; it is '${found.status}'.`,
      })
    }
    await channel.sleep(delay)
    found = await channel.read(file, toOne(channel, 'GET', uploaded.id))
  }
}

/** Waits until the file can be used. A resource has room for 100 files: one that never can is not left there. */
const usable = async (azure: Channel, name: string, uploaded: FileObject): Promise<void> => {
  try {
    await processed(azure, name, uploaded)
  } catch (error) {
    await azure
      .call({ ...toOne(azure, 'DELETE', uploaded.id), repeat: 'never', tidies: true })
      .catch(() => undefined)
    throw error
  }
}

export const files: Provider['files'] = {
  async upload(channel, upload) {
    const azure = onSurface(channel)
    const uploaded = await azure.read(file, toUpload(azure, upload, `tunegate-${crypto.randomUUID()}`))
    await usable(azure, upload.name, uploaded)
    return { id: uploaded.id }
  },
  async get(channel, id) {
    const azure = onSurface(channel)
    const found = await azure.read(file, toOne(azure, 'GET', id))
    if (stateOf(found) === 'gone') throw new ProviderFault('azure', GONE)
    const { id: _, ...rest } = fromFile(found)
    return rest
  },
  paging: 'id',
  async list(channel, { after, limit }) {
    const { settings, read } = onSurface(channel)
    const url = urlOf(settings, ['files'], { purpose: 'fine-tune', limit, after })
    const { data, has_more } = await read(fileList, { method: 'GET', url, repeat: 'always' })
    return { items: data.map(fromFile), hasMore: has_more }
  },
  delete: azurely(openaiFiles.delete),
  content: azurely(openaiFiles.content),
  transfer: {
    ...transfer,
    start: azurely(transfer.start),
    part: azurely(transfer.part),
    async finish(channel, session, upload) {
      const azure = onSurface(channel)
      const { id } = await transfer.finish(azure, session, upload)
      await usable(azure, upload.name, await azure.read(file, toOne(azure, 'GET', id)))
      return { id }
    },
    abort: azurely(transfer.abort),
  },
}

/** A file that other things still refer to is told as deleted rather than not found. */
const GONE = {
  status: 404,
  code: 'file_not_found',
  nativeCode: null,
  message: 'The file has been deleted.',
  param: null,
  retryAfter: null,
  refused: true,
} as const
