/** Files whose time is over, and bytes that a process which died has left. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Platform } from '../../shared/platform/index.ts'
import { dataset, datasetFile, sandbox, startGateway } from '../support/gateway.ts'
import { ground } from '../support/ground.ts'

const HOUR = 3600
const { keys, records } = ground

beforeEach(async () => {
  await sandbox.reset()
  await ground.createPlatform({}).bucket.delete(...(await keys()))
})

describe('a file that expires', () => {
  const expires_after = { anchor: 'created_at', seconds: 2 * HOUR } as const

  it('goes then, with its bytes and its copies, and not before', async () => {
    const gateway = startGateway()
    const client = await gateway.client()
    const file = await client.files.create({ file: datasetFile(), purpose: 'fine-tune', expires_after })
    const kept = await client.files.create({ file: datasetFile(20), purpose: 'fine-tune' })
    await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini-2025-04-14', training_file: file.id })
    expect(await keys()).toHaveLength(2)
    await gateway.tick(HOUR)
    expect(await keys()).toHaveLength(2)
    await gateway.tick(HOUR + 1)
    const left = await keys()
    expect(left).toHaveLength(1)
    expect(left[0]).toContain(kept.id)
    await expect(client.files.content(file.id)).rejects.toMatchObject({ status: 404 })
    const deleted = (await sandbox.requests()).filter(
      ({ method, path }) => method === 'DELETE' && /files/.test(path),
    )
    expect(deleted).toHaveLength(1)
    expect(await records('leftover')).toEqual([])
  })

  it('may be deleted before', async () => {
    const gateway = startGateway()
    const client = await gateway.client()
    const { id } = await client.files.create({ file: datasetFile(), purpose: 'batch', expires_after })
    await client.files.delete(id)
    await gateway.tick(2 * HOUR + 1)
    expect(await records('leftover')).toEqual([])
    expect(await keys()).toEqual([])
  })

  it('that was sent in parts goes as well', async () => {
    const gateway = startGateway()
    const client = await gateway.client()
    const upload = await client.uploads.create({
      ...{ filename: 'a.bin', purpose: 'batch', bytes: 5, mime_type: 'text/plain', expires_after },
    })
    const part = await client.uploads.parts.create(upload.id, { data: new File(['bytes'], 'part') })
    const { file } = await client.uploads.complete(upload.id, { part_ids: [part.id] })
    expect(await keys()).toHaveLength(1)
    await gateway.tick(2 * HOUR + 1)
    expect(await keys()).toEqual([])
    await expect(client.files.retrieve(file?.id ?? '')).rejects.toMatchObject({ status: 404 })
  })
})

describe('a process that dies between storing a file’s bytes and recording it', () => {
  const CSV = `prompt,completion\n${Array.from({ length: 12 }, (_, index) => `ask ${index},answer`).join('\n')}\n`

  it.each([
    ['JSON lines', dataset(), 'train.jsonl'],
    ['CSV', CSV, 'train.csv'],
  ])('leaves nothing after a day: %s', async (_, text, name) => {
    const gateway = startGateway()
    const client = await gateway.client()
    const { store } = gateway.platform
    const dead = Promise.withResolvers<void>()
    const mortal: Platform['store'] = {
      ...store,
      put(record, expect) {
        if (record.kind !== 'file') return store.put(record, expect)
        dead.resolve()
        return new Promise(() => undefined)
      },
    }
    gateway.platform.store = mortal
    client.files.create({ file: new File([text], name), purpose: 'fine-tune' }).catch(() => undefined)
    await dead.promise
    gateway.platform.store = store
    expect(await keys()).toHaveLength(1)
    await gateway.tick(HOUR)
    expect(await keys()).toHaveLength(1)
    await gateway.tick(24 * HOUR)
    expect(await keys()).toEqual([])
    expect(await records('leftover')).toEqual([])
  })

  it('takes nothing from a file that was recorded after all', async () => {
    const gateway = startGateway()
    const client = await gateway.client()
    const { store } = gateway.platform
    gateway.platform.store = {
      ...store,
      // Its last write, by which the bytes are no longer looked after.
      delete: (kind, id) => (kind === 'leftover' ? new Promise(() => undefined) : store.delete(kind, id)),
    }
    client.files.create({ file: datasetFile(), purpose: 'fine-tune' }).catch(() => undefined)
    const find = async () => (await client.files.list()).data[0]
    while (!(await find())) await new Promise(resolve => setTimeout(resolve, 5))
    gateway.platform.store = store
    await gateway.tick(25 * HOUR)
    const file = await find()
    expect(await (await client.files.content(file?.id ?? '')).text()).toBe(dataset())
    expect(await records('leftover')).toEqual([])
  })
})
