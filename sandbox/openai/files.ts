/** `/files`: uploads, listing, download. */
import { Hono } from 'hono'
import * as z from 'zod'
import { newId, nowInSeconds } from '../ids.ts'
import { Ledger } from '../ledger.ts'
import { ApiError, check, notFound } from './errors.ts'
import { listPage } from './paging.ts'
import { readUpload } from './upload.ts'

export interface StoredFile {
  id: string
  filename: string
  purpose: string
  createdAt: number
  expiresAt: number | undefined
  bytes: Uint8Array<ArrayBuffer>
}

const PURPOSES = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const

const seconds = z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(3600).max(2_592_000))

/** The form's fields, beside the file itself. Bracketed names arrive as OpenAI's SDKs send them. */
const uploadFields = z
  .strictObject({
    purpose: z.enum(PURPOSES),
    'expires_after[anchor]': z.literal('created_at').optional(),
    'expires_after[seconds]': seconds.optional(),
  })
  .refine(
    fields =>
      (fields['expires_after[anchor]'] === undefined) === (fields['expires_after[seconds]'] === undefined),
    { path: ['expires_after'], message: 'anchor and seconds belong together.' },
  )

export class Files {
  readonly ledger = new Ledger<StoredFile>()

  add(file: Pick<StoredFile, 'filename' | 'purpose' | 'bytes'>, lifetime?: number): StoredFile {
    const createdAt = nowInSeconds()
    return this.ledger.add({
      id: newId('file-'),
      createdAt,
      expiresAt: lifetime === undefined ? undefined : createdAt + lifetime,
      ...file,
    })
  }
}

const wireFile = (file: StoredFile) => ({
  object: 'file',
  id: file.id,
  purpose: file.purpose,
  filename: file.filename,
  bytes: file.bytes.byteLength,
  created_at: file.createdAt,
  ...(file.expiresAt !== undefined && { expires_at: file.expiresAt }),
  status: 'processed',
})

/**
 * @param isBusy whether a job is reading the file right now
 */
export function fileRoutes(files: Files, isBusy: (id: string) => boolean): Hono {
  const find = (id: string): StoredFile => {
    const file = files.ledger.get(id)
    if (!file) throw notFound(`No such File object: ${id}`)
    return file
  }

  return new Hono()
    .post('/', async context => {
      const upload = await readUpload(context.req.raw)
      const fields = check(uploadFields, upload.fields)
      if (!upload.file) {
        throw new ApiError(400, "Missing required parameter: 'file'.", {
          param: 'file',
          code: 'missing_required_parameter',
        })
      }
      const { filename, bytes, jsonlFault } = upload.file
      if (bytes.byteLength === 0)
        throw new ApiError(400, 'File is empty.', { param: 'file', code: 'empty_file' })
      if (fields.purpose === 'fine-tune' && jsonlFault) {
        throw new ApiError(400, jsonlFault, { param: 'file', code: 'invalid_jsonl' })
      }
      const file = files.add({ filename, bytes, purpose: fields.purpose }, fields['expires_after[seconds]'])
      return context.json(wireFile(file))
    })
    .get('/', context => {
      const query = context.req.query()
      const { order } = check(z.object({ order: z.enum(['asc', 'desc']).default('desc') }), query)
      const { data, ...envelope } = listPage(files.ledger, query, {
        defaultLimit: 10_000,
        maxLimit: 10_000,
        order,
        where: file => query.purpose === undefined || file.purpose === query.purpose,
      })
      return context.json({
        ...envelope,
        data: data.map(wireFile),
        first_id: data.at(0)?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
      })
    })
    .get('/:id', context => context.json(wireFile(find(context.req.param('id')))))
    .get('/:id/content', context => {
      const file = find(context.req.param('id'))
      return context.body(file.bytes, 200, {
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename="${encodeURIComponent(file.filename)}"`,
      })
    })
    .delete('/:id', context => {
      const { id } = find(context.req.param('id'))
      if (isBusy(id)) {
        throw new ApiError(409, `File ${id} is being validated for a fine-tuning job.`, {
          code: 'file_in_use',
        })
      }
      files.ledger.delete(id)
      return context.json({ id, object: 'file', deleted: true })
    })
}
