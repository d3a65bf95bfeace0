/** `/uploads`: a large file in parts. */
import { createHash } from 'node:crypto'
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import { newId, nowInSeconds } from '../ids.ts'
import { Ledger } from '../ledger.ts'
import { readJson } from './body.ts'
import { type FileDialect, OPENAI_FILES } from './dialect.ts'
import { ApiError, check, notFound } from './errors.ts'
import { checkContent, type Files, type StoredFile, wireFile } from './files.ts'
import { fileIn, readForm } from './form.ts'

interface Upload {
  id: string
  createdAt: number
  request: z.infer<ReturnType<typeof uploadRequest>>
  status: 'pending' | 'completed' | 'cancelled'
  parts: Map<string, Uint8Array>
  file: StoredFile | undefined
}

const MAX_BYTES = 8 * 2 ** 30
const MAX_PART_MEGABYTES = 64
const LIFETIME_SECONDS = 3600

const uploadRequest = ({ lifetime: { min, max } }: FileDialect) =>
  z.strictObject({
    filename: z.string().min(1),
    purpose: z.enum(['assistants', 'batch', 'fine-tune', 'vision']),
    bytes: z.int().min(1).max(MAX_BYTES),
    mime_type: z.string().min(1),
    expires_after: z
      .strictObject({ anchor: z.literal('created_at'), seconds: z.int().min(min).max(max) })
      .optional(),
  })

const completion = z.strictObject({
  part_ids: z.array(z.string()).min(1),
  md5: z
    .string()
    .regex(/^[0-9a-f]{32}$/i)
    .optional(),
})

export class Uploads {
  readonly ledger = new Ledger<Upload>()

  /** Uploads that wait for more parts. */
  get open(): number {
    return Array.from(this.ledger).filter(upload => statusOf(upload) === 'pending').length
  }
}

const expiresAt = ({ createdAt }: Upload): number => createdAt + LIFETIME_SECONDS

const statusOf = (upload: Upload): Upload['status'] | 'expired' =>
  upload.status === 'pending' && nowInSeconds() >= expiresAt(upload) ? 'expired' : upload.status

const wireUpload = (upload: Upload) => ({
  id: upload.id,
  object: 'upload',
  bytes: upload.request.bytes,
  created_at: upload.createdAt,
  expires_at: expiresAt(upload),
  filename: upload.request.filename,
  purpose: upload.request.purpose,
  status: statusOf(upload),
  file: upload.file ? wireFile(upload.file) : null,
})

export function uploadRoutes(uploads: Uploads, files: Files, dialect: FileDialect = OPENAI_FILES): Hono {
  const requestSchema = uploadRequest(dialect)
  const findPending = (context: Context): Upload => {
    const id = context.req.param('id') ?? ''
    const upload = uploads.ledger.get(id)
    if (!upload) throw notFound(`No such Upload object: ${id}`)
    const status = statusOf(upload)
    if (status === 'pending') return upload
    throw new ApiError(400, `Upload ${id} is ${status}.`, { code: 'invalid_upload_state' })
  }

  return new Hono()
    .post('/', async context => {
      const request = check(requestSchema, await readJson(context))
      const upload = uploads.ledger.add({
        id: newId('upload_'),
        createdAt: nowInSeconds(),
        request,
        status: 'pending',
        parts: new Map(),
        file: undefined,
      })
      return context.json(wireUpload(upload))
    })
    .post('/:id/parts', async context => {
      findPending(context)
      const form = await readForm(context.req.raw, 'data', MAX_PART_MEGABYTES)
      check(z.strictObject({}), form.fields)
      const { bytes } = fileIn(form, 'data')
      // Looked up again: it may have been cancelled while the part arrived.
      const upload = findPending(context)
      const id = newId('part_')
      upload.parts.set(id, bytes)
      return context.json({ id, object: 'upload.part', created_at: nowInSeconds(), upload_id: upload.id })
    })
    .post('/:id/complete', async context => {
      const request = check(completion, await readJson(context))
      const { request: asked, parts } = findPending(context)
      const content = { ...asked, bytes: joined(request, parts, asked.bytes) }
      await checkContent(content, dialect)
      const upload = findPending(context)
      upload.file = files.add(
        { filename: asked.filename, purpose: asked.purpose, bytes: content.bytes },
        { lifetime: asked.expires_after?.seconds, looks: dialect.looks() },
      )
      upload.status = 'completed'
      upload.parts.clear()
      return context.json(wireUpload(upload))
    })
    .post('/:id/cancel', context => {
      const upload = findPending(context)
      upload.status = 'cancelled'
      upload.parts.clear()
      return context.json(wireUpload(upload))
    })
}

/** The file that the named parts make, in the order in which they are named. */
function joined(
  { part_ids: ids, md5 }: z.infer<typeof completion>,
  parts: ReadonlyMap<string, Uint8Array>,
  expected: number,
): Uint8Array<ArrayBuffer> {
  if (new Set(ids).size < ids.length) throw invalid('part_ids', 'a part may appear only once.')
  const chunks = ids.map(id => {
    const part = parts.get(id)
    if (!part) throw invalid('part_ids', `the upload has no part ${id}.`)
    return part
  })
  const bytes = new Uint8Array(Buffer.concat(chunks))
  if (bytes.byteLength !== expected) {
    throw invalid('part_ids', `the parts have ${bytes.byteLength} bytes, ${expected} were announced.`)
  }
  if (md5 !== undefined && createHash('md5').update(bytes).digest('hex') !== md5.toLowerCase()) {
    throw invalid('md5', 'the parts have another checksum.')
  }
  return bytes
}

const invalid = (param: string, message: string): ApiError =>
  new ApiError(400, `Invalid '${param}': ${message}`, { param, code: 'invalid_value' })
