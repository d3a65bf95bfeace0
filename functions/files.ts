/** `/v1/files` */
import { type Handler, Hono } from 'hono'
import {
  deleteFile,
  findFile,
  listFiles,
  listNativeFiles,
  readFile,
  toFileObject,
  uploadFile,
  validateBody,
  validateFile,
  validateForm,
} from '../shared/datasets/index.ts'
import {
  badRequest,
  check,
  endedList,
  filesQuery,
  validateFields,
  validateRequest,
} from '../shared/openai/index.ts'
import { type AppEnv, json, jsonLimit, query } from './http.ts'
import { once } from './idempotency.ts'

/** Bytes of a request that only names files. */
const LONGEST_REQUEST = 128 * 1024
/** Bodies that are a dataset; what it is in particular is seen from how it begins. */
const DATASET_TYPES =
  /^(text\/(csv|plain|tab-separated-values)|application\/(jsonl|x-jsonlines|x-ndjson|jsonlines|octet-stream))\b/i

/** The report on a dataset that is the body itself, or a form's file. */
const validateHere: Handler<AppEnv> = async (c, next) => {
  const { context, owner } = c.var
  const type = c.req.header('content-type') ?? ''
  const { format, ...rest } = c.req.query()
  if (/^multipart\/form-data\b/i.test(type)) return c.json(await validateForm(context, owner, c.req.raw))
  // JSON that says of itself what it is, is a dataset; else it is a request about one.
  const isDataset = DATASET_TYPES.test(type) || format !== undefined
  if (isDataset) {
    const fields = check(validateFields, { ...rest, format })
    return c.json(await validateBody(context, owner, c.req.raw.body, fields))
  }
  if (!/^application\/json\b/i.test(type))
    throw badRequest(
      null,
      'The content type must be application/json (a request about a file), multipart/form-data, text/csv or application/jsonl.',
    )
  return next()
}

export const files = new Hono<AppEnv>()
  .post('/', once({ isForm: true }), async c => {
    const { context, owner, form } = c.var
    return c.json(toFileObject(await uploadFile(context, owner, c.req.raw, form)))
  })
  .post('/validate', validateHere, jsonLimit(LONGEST_REQUEST), json(validateRequest), async c =>
    c.json(await validateFile(c.var.context, c.var.owner, c.req.valid('json'))),
  )
  .get('/', query(filesQuery), async c => {
    const { context, owner } = c.var
    const page = c.req.valid('query')
    const provider = page.provider ?? page.custom_llm_provider
    if (provider !== undefined) {
      const native = await listNativeFiles(context, owner, { ...page, provider })
      return c.json(endedList(native.items, native.hasMore))
    }
    const { items, hasMore } = await listFiles(context, owner, page)
    return c.json(endedList(items.map(toFileObject), hasMore))
  })
  .get('/:id', async c => c.json(toFileObject(await findFile(c.var.context, c.var.owner, c.req.param('id')))))
  .delete('/:id', async c => {
    const file = await findFile(c.var.context, c.var.owner, c.req.param('id'))
    const left = await deleteFile(c.var.context, file)
    return c.json({
      id: file.id,
      object: 'file' as const,
      deleted: true,
      ...(left.length > 0 && { tunegate: { copies_left: left } }),
    })
  })
  .get('/:id/content', async c => {
    const file = await findFile(c.var.context, c.var.owner, c.req.param('id'))
    const { body, size } = await readFile(c.var.context, file)
    return c.body(body, 200, {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
      ...(size !== undefined && { 'content-length': String(size) }),
    })
  })
