/** Indexes that lag behind, as DynamoDB's do: what relies on a list must not rely on its being of this moment. */
import { describe, expect, it } from 'vitest'
import { ADMIN, createKey, grantsOf } from '../../shared/access/index.ts'
import { COPIES, type CopyRecord } from '../../shared/datasets/copy-records.ts'
import { resumeCopies } from '../../shared/datasets/copy-work.ts'
import { deleteFile, ensureCopy } from '../../shared/datasets/index.ts'
import { FILES } from '../../shared/datasets/records.ts'
import { claimRequest, forgetAnswers } from '../../shared/idempotency.ts'
import { connect } from '../../shared/providers/index.ts'
import { budgetsFor } from '../../shared/spending/index.ts'
import { budget } from './support/money.ts'
import { addDataset, OWNER } from './support/placing.ts'
import { createWorld } from './support/world.ts'

const start = async () => {
  const world = createWorld(['one'])
  const id = await addDataset(world)
  const file = (await FILES.get(world.platform.store, id))?.value
  if (!file) throw new Error('There is no file.')
  return { world, file }
}
const copiesIn = async (world: Awaited<ReturnType<typeof start>>['world']): Promise<CopyRecord[]> =>
  (await COPIES.list(world.platform.store, 'content', 'owner#file-train', { limit: 10 })).items

describe('a copy that no list shows yet', () => {
  it('is taken away again when its file has been deleted meanwhile', async () => {
    const { world, file } = await start()
    const { fetch, store } = world.platform
    const { list } = store
    let isDeleted = false
    world.platform.fetch = async (input, init) => {
      const request = new Request(input, init)
      if (request.method === 'POST' && !isDeleted) {
        isDeleted = true
        store.list = async query => (query.kind === 'copy' ? [] : list(query))
        await deleteFile(world.process().context, file)
        store.list = list
      }
      return fetch(request)
    }
    const { context } = world.process()
    const connection = await connect(context, 'one')
    await ensureCopy(context, file, connection, {
      format: 'openai',
      dropParams: false,
      param: 'training_file',
    }).catch(() => undefined)
    expect(isDeleted).toBe(true)
    for (const copy of await copiesIn(world)) expect(copy).toMatchObject({ state: 'deleting', files: [] })
  })
})

describe('a failure that a list still shows', () => {
  it('is not forgotten when it has been begun anew', async () => {
    const { world, file } = await start()
    const { context } = world.process()
    await ensureCopy(context, file, await connect(context, 'one'), {
      format: 'openai',
      dropParams: false,
      param: 'training_file',
    })
    const [copy] = await copiesIn(world)
    const stale = JSON.stringify({ ...copy, state: 'failed', due_at: 0 })
    const { store } = world.platform
    const { list } = store
    store.list = async query =>
      query.kind === 'copy' ? [{ id: copy?.id ?? '', version: 1, body: stale }] : list(query)
    await resumeCopies(world.process().context, 10)
    store.list = list
    expect(await copiesIn(world)).toMatchObject([{ state: 'done' }])
  })
})

describe('a key that no list shows yet', () => {
  it('makes no other, rather than one without an end', async () => {
    const world = createWorld(['one'])
    const { context } = world.process()
    const { store } = world.platform
    const { list } = store
    const end = Math.floor(world.platform.clock.time / 1000) + 60
    const { record } = await createKey(
      context,
      { name: 'k', owner: OWNER, scopes: ['admin', 'chat'], expires_at: end },
      ADMIN,
    )
    const maker = { ...grantsOf(record), owner: OWNER, key: record.id, subject: null }
    store.list = async query => (query.kind === 'key' ? [] : list(query))
    await expect(createKey(context, { name: 'more' }, maker)).rejects.toMatchObject({ status: 409 })
    store.list = list
    expect((await createKey(context, { name: 'more' }, maker)).record.expires_at).toBe(end)
  })
})

describe('a budget that no list shows yet', () => {
  it('is not told before jobs find it', async () => {
    const world = createWorld(['one'])
    const { store } = world.platform
    const { list } = store
    let empty = 3
    store.list = async query => (query.kind === 'budget' && empty-- > 0 ? [] : list(query))
    const { id } = await budget(world, { monthly_limit_usd: 1 })
    expect(await budgetsFor(world.process().context, { owner: OWNER, key: null })).toMatchObject([{ id }])
  })
})

describe('an Idempotency-Key whose end a list still shows', () => {
  it('is not forgotten when it has been taken anew', async () => {
    const world = createWorld(['one'])
    const { context } = world.process()
    const { store } = world.platform
    const { list } = store
    const keyed = { caller: { ...ADMIN, owner: OWNER }, key: 'k', target: 'POST /', body: null }
    await claimRequest(context, keyed, false)
    world.wait(2 * 86_400)
    const query = { kind: 'idempotency', slot: 'b', partition: 'expired', order: 'asc', limit: 9 } as const
    const shown = await list(query)
    expect(shown).toHaveLength(1)
    await claimRequest(context, keyed, false)
    store.list = async () => shown
    await forgetAnswers(context, 10)
    store.list = list
    expect(await list(query)).toHaveLength(1)
  })
})
