/** `/files`: uploads, listing, download. */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import * as z from 'zod'
import { newId, nowInSeconds } from '../ids.ts'
import { Ledger } from '../ledger.ts'
import { Readiness, type Stage } from '../readiness.ts'
import { type FileDialect, OPENAI_FILES } from './dialect.ts'
import { ApiError, check, notFound } from './errors.ts'
import { fileIn, readForm } from './form.ts'
import { jsonlFault } from './jsonl.ts'
import { listPage } from './paging.ts'

export interface StoredFile {
  id: string
  filename: string
  purpose: string
  createdAt: number
  expiresAt: number | undefined
  bytes: Uint8Array<ArrayBuffer>
  readiness: Readiness
}

const PURPOSES = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const

const MAX_MEGABYTES = 512

/** The form's fields, beside the file itself. Bracketed names arrive as OpenAI's SDKs send them. */
const uploadFields = ({ lifetime: { min, max } }: FileDialect) =>
  z
    .strictObject({
      purpose: z.enum(PURPOSES),
      'expires_after[anchor]': z.literal('created_at').optional(),
      'expires_after[seconds]': z
        .string()
        .regex(/^\d+$/)
        .transform(Number)
        .pipe(z.int().min(min).max(max))
        .optional(),
    })
    .refine(
      fields =>
        (fields['expires_after[anchor]'] === undefined) === (fields['expires_after[seconds]'] === undefined),
      { path: ['expires_after'], message: 'anchor and seconds belong together.' },
    )

export class Files {
  readonly ledger = new Ledger<StoredFile>()

  /**
   * @param lifetime seconds until it expires
   * @param looks see {@link Readiness}
   */
  add(
    file: Pick<StoredFile, 'filename' | 'purpose' | 'bytes'>,
    { lifetime, looks = 0 }: { lifetime?: number | undefined; looks?: number } = {},
  ): StoredFile {
    const createdAt = nowInSeconds()
    return this.ledger.add({
      id: newId('file-'),
      createdAt,
      expiresAt: lifetime === undefined ? undefined : createdAt + lifetime,
      readiness: new Readiness(looks),
      ...file,
    })
  }
}

const STATUSES: Record<Stage, string> = { accepted: 'pending', working: 'running', ready: 'processed' }

export const wireFile = (file: StoredFile) => ({
  object: 'file',
  id: file.id,
  purpose: file.purpose,
  filename: file.filename,
  bytes: file.bytes.byteLength,
  created_at: file.createdAt,
  ...(file.expiresAt !== undefined && { expires_at: file.expiresAt }),
  status: STATUSES[file.readiness.stage],
})

/** A file as the control surface tells it. */
export const storedFile = ({ id, filename, purpose, bytes }: StoredFile) => ({
  id,
  filename,
  purpose,
  bytes: bytes.byteLength,
  sha256: createHash('sha256').update(bytes).digest('hex'),
})

function look(file: StoredFile): StoredFile {
  file.readiness.look()
  return file
}

/**
 * Files for training must be JSONL.
 *
 * @throws {ApiError} 400
 */
export async function checkContent(
  { purpose, bytes }: Pick<StoredFile, 'purpose' | 'bytes'>,
  { byteOrderMark }: FileDialect,
): Promise<void> {
  const fault = purpose === 'fine-tune' && (await jsonlFault(bytes, byteOrderMark))
  if (fault) throw new ApiError(400, fault, { param: 'file', code: 'invalid_jsonl' })
}

/**
 * @param isBusy whether a job is reading the file right now
 */
export function fileRoutes(
  files: Files,
  isBusy: (id: string) => boolean,
  dialect: FileDialect = OPENAI_FILES,
): Hono {
  const fieldsOf = uploadFields(dialect)
  const find = (id: string): StoredFile => {
    const file = files.ledger.get(id)
    if (!file) throw notFound(`No such File object: ${id}`)
    return file
  }

  return new Hono()
    .post('/', async context => {
      const form = await readForm(context.req.raw, 'file', MAX_MEGABYTES)
      const { purpose, 'expires_after[seconds]': lifetime } = check(fieldsOf, form.fields)
      const content = { ...fileIn(form, 'file'), purpose }
      await checkContent(content, dialect)
      const file = files.add(content, { lifetime, looks: dialect.looks() })
      return context.json(wireFile(file), dialect.created)
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
        data: data.map(file => wireFile(look(file))),
        first_id: data.at(0)?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
      })
    })
    .get('/:id', context => context.json(wireFile(look(find(context.req.param('id'))))))
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
