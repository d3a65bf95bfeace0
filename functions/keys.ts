/** `/v1/keys`: gateway keys, managed with the admin key. */
import { Hono } from 'hono'
import { createKey, type KeyRecord, listKeys, revokeKey } from '../shared/access/index.ts'
import { endedList, keyRequest, keysQuery } from '../shared/openai/index.ts'
import { type AppEnv, json, jsonOnly, query } from './http.ts'

const toKeyObject = ({ id, owner, name, hint, created_at, revoked_at }: KeyRecord) => ({
  id,
  object: 'tunegate.key' as const,
  name,
  owner,
  redacted_value: `tg-…${hint}`,
  created_at,
  revoked_at,
})

export const keys = new Hono<AppEnv>()
  .post('/', jsonOnly, json(keyRequest), async c => {
    const { record, key } = await createKey(c.var.context, c.req.valid('json'))
    return c.json({ ...toKeyObject(record), key })
  })
  .get('/', query(keysQuery), async c => {
    const { items, hasMore } = await listKeys(c.var.context, c.req.valid('query'))
    return c.json(endedList(items.map(toKeyObject), hasMore))
  })
  .delete('/:id', async c => {
    const { id } = await revokeKey(c.var.context, c.req.param('id'))
    return c.json({ id, object: 'tunegate.key' as const, deleted: true })
  })
