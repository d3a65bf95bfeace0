/** `/v1/keys`: gateway keys, managed with the admin key, or by keys with the scope `admin` for their own owner. */
import { Hono } from 'hono'
import { createKey, grantsOf, type KeyRecord, listKeys, revokeKey } from '../shared/access/index.ts'
import type { Caller, Context } from '../shared/context.ts'
import { badRequest, endedList, type KeyRequest, keyRequest, keysQuery } from '../shared/openai/index.ts'
import { PROVIDERS } from '../shared/providers/index.ts'
import { type AppEnv, json, jsonOnly, query } from './http.ts'
import { once } from './idempotency.ts'

const toKeyObject = (key: KeyRecord) => ({
  id: key.id,
  object: 'tunegate.key' as const,
  name: key.name,
  owner: key.owner,
  redacted_value: `tg-…${key.hint}`,
  created_at: key.created_at,
  revoked_at: key.revoked_at,
  ...grantsOf(key),
})

/** A provider that is not there lets nothing through: it is more likely a slip. */
const assertKnown = ({ config: { connections } }: Context, { providers }: KeyRequest): void => {
  const at = providers?.findIndex(
    name => !Object.hasOwn(connections, name) && !Object.hasOwn(PROVIDERS, name),
  )
  if (at === undefined || at === -1) return
  throw badRequest(
    `providers[${at}]`,
    `'${providers?.[at]}' is neither a connection nor a provider. Configured: ${Object.keys(connections).join(', ')}.`,
  )
}

const managerOf = ({ caller }: Context): Caller => {
  if (!caller) throw new Error('The door has let no one in.')
  return caller
}

export const keys = new Hono<AppEnv>()
  .post('/', jsonOnly, json(keyRequest), once({ isSecret: true }), async c => {
    const { context } = c.var
    const request = c.req.valid('json')
    assertKnown(context, request)
    const { record, key } = await createKey(context, request, managerOf(context))
    return c.json({ ...toKeyObject(record), key })
  })
  .get('/', query(keysQuery), async c => {
    const { items, hasMore } = await listKeys(c.var.context, c.req.valid('query'), managerOf(c.var.context))
    return c.json(endedList(items.map(toKeyObject), hasMore))
  })
  .delete('/:id', async c => {
    const { id } = await revokeKey(c.var.context, c.req.param('id'), managerOf(c.var.context))
    return c.json({ id, object: 'tunegate.key' as const, deleted: true })
  })
