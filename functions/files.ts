/** `/v1/files` */
import { Hono } from 'hono'
import {
  deleteFile,
  findFile,
  listFiles,
  listNativeFiles,
  readFile,
  toFileObject,
  uploadFile,
} from '../shared/datasets/index.ts'
import { endedList, filesQuery } from '../shared/openai/index.ts'
import { type AppEnv, query } from './http.ts'

export const files = new Hono<AppEnv>()
  .post('/', async c => c.json(toFileObject(await uploadFile(c.var.context, c.var.owner, c.req.raw))))
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
