/** What DynamoDB's own ways ask of the Store: lost answers, long bodies, pages, a busy table. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDynamoStore } from '../../shared/platform/aws/store.ts'
import { type Bucket, collection, createS3Bucket, dueEntry, type Store } from '../../shared/platform/index.ts'
import { type AwsBench, clientOf, hastyClock, startAwsBench } from './support.ts'

let bench: AwsBench
let store: Store
let bucket: Bucket
beforeAll(async () => {
  bench = await startAwsBench()
  const { s3Url: url, ...access } = bench.sandbox.aws
  bucket = createS3Bucket({ settings: async () => ({ url, ...access }), fetch, clock: hastyClock })
  store = createDynamoStore({
    client: clientOf(bench),
    bucket,
    table: () => bench.services.table,
    clock: hastyClock,
  })
})
afterAll(() => Promise.all([bench.sandbox.close(), bench.services.close()]))

const record = (kind: string, id: string, body = '{}') => ({
  kind,
  id,
  body,
  indexes: { a: { partition: 'p', sort: id } },
})

describe('a write whose answer is lost', () => {
  it.each(['lost', 'lost-500'] as const)('has been made once, and its maker knows (%s)', async kind => {
    const name = `unsure-${kind}`
    bench.services.fault({ action: 'UpdateItem', kind })
    expect(await store.put(record(name, '1', '"first"'), 'absent')).toBe(1)
    bench.services.fault({ action: 'UpdateItem', kind })
    expect(await store.put(record(name, '1', '"second"'), 1)).toBe(2)
    expect(await store.get(name, '1')).toEqual({ id: '1', version: 2, body: '"second"' })
  })

  it('is made, where it had no effect', async () => {
    bench.services.fault({ action: 'UpdateItem', kind: 'broken' })
    expect(await store.put(record('broken', '1', '"first"'), 'absent')).toBe(1)
    bench.services.fault({ action: 'UpdateItem', kind: 'throttled', times: 3 })
    expect(await store.put(record('broken', '1', '"second"'), 1)).toBe(2)
    expect(await store.get('broken', '1')).toMatchObject({ version: 2, body: '"second"' })
  })

  it('is known for what it was though others have written since', async () => {
    await store.put(record('late', '1', '0'), 'absent')
    bench.services.fault({ action: 'UpdateItem', kind: 'lost' })
    const slow = createDynamoStore({
      client: clientOf(bench, {
        now: () => Date.now(),
        // While the writer waits for its second attempt, others write.
        sleep: async () => {
          for (let version = 2; version < 5; version++)
            expect(await store.put(record('late', '1', String(version)), version)).toBe(version + 1)
        },
      }),
      bucket,
      table: () => bench.services.table,
      clock: hastyClock,
    })
    expect(await slow.put(record('late', '1', '1'), 1)).toBe(2)
    expect(await store.get('late', '1')).toMatchObject({ version: 5, body: '4' })
  })

  it('is an error, not a guess, when too many have written since', async () => {
    await store.put(record('later', '1', '0'), 'absent')
    bench.services.fault({ action: 'UpdateItem', kind: 'lost' })
    const slow = createDynamoStore({
      client: clientOf(bench, {
        now: () => Date.now(),
        sleep: async () => {
          for (let version = 2; version < 12; version++)
            await store.put(record('later', '1', String(version)), version)
        },
      }),
      bucket,
      table: () => bench.services.table,
      clock: hastyClock,
    })
    await expect(slow.put(record('later', '1', '1'), 1)).rejects.toThrow('ConditionalCheckFailedException')
  })

  it('that another has won is lost, whatever became of its answer', async () => {
    await store.put(record('won', '1', '0'), 'absent')
    bench.services.fault({ action: 'UpdateItem', kind: 'broken' })
    const slow = createDynamoStore({
      client: clientOf(bench, {
        now: () => Date.now(),
        sleep: async () => void (await store.put(record('won', '1', '"theirs"'), 1)),
      }),
      bucket,
      table: () => bench.services.table,
      clock: hastyClock,
    })
    expect(await slow.put(record('won', '1', '"ours"'), 1)).toBeUndefined()
    expect(await store.get('won', '1')).toMatchObject({ version: 2, body: '"theirs"' })
  })

  it('changes a count by one, through every kind of trouble', async () => {
    const counts = collection<{ id: string; n: number }>('count-test', ({ id }) => id, {})
    await counts.create(store, { id: 'x', n: 0 })
    const kinds = ['lost', 'lost-500', 'broken', 'throttled'] as const
    // One behind the other, each some writes after the one before.
    for (const [index, kind] of [...kinds, ...kinds].entries())
      bench.services.fault({ action: 'UpdateItem', kind, after: index * 3 })
    for (let n = 0; n < 30; n++) await counts.update(store, 'x', value => ({ ...value, n: value.n + 1 }))
    expect((await counts.get(store, 'x'))?.value.n).toBe(30)
  })

  it('is an error when the service stays away, and the name of it says no more than which call', async () => {
    bench.services.fault({ action: 'GetItem', kind: 'broken', times: 5 })
    const error = await store.get('away', 'secret-id').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'AwsError dynamodb GetItem InternalServerError' })
    expect(String(error)).not.toContain('secret-id')
    expect(await store.get('away', 'secret-id')).toBeUndefined()
  })
})

/** Text that no compression makes short. */
const noise = (bytes: number, seed: string): string => {
  let text = ''
  for (let block = 0; text.length < bytes; block++)
    text += createHash('sha512').update(`${seed}${block}`).digest('base64url')
  return JSON.stringify(text.slice(0, bytes))
}

describe('a body longer than an item', () => {
  const far = async () => (await bucket.list('records/')).objects.length

  it.each([
    ['that is short', 1000],
    ['that is compressed', 60_000],
    ['that fits after compression', 420_000],
    ['that lies in the bucket', 900_000],
    ['that is 3 MB', 3_000_000],
  ])('%s comes back as it was', async (_, bytes) => {
    const body = noise(bytes, 'a')
    expect(await store.put(record('long', String(bytes), body), 'absent')).toBe(1)
    expect((await store.get('long', String(bytes)))?.body).toBe(body)
  })

  it('is listed with the others', async () => {
    const listed = await store.list({ kind: 'long', slot: 'a', partition: 'p', order: 'asc', limit: 10 })
    expect(listed.map(({ id, body }) => [id, body.length])).toEqual([
      ['1000', 1002],
      ['3000000', 3_000_002],
      ['420000', 420_002],
      ['60000', 60_002],
      ['900000', 900_002],
    ])
  })

  it('leaves nothing in the bucket when it is written anew, refused, or deleted', async () => {
    const before = await far()
    await store.put(record('gone', '1', noise(900_000, 'b')), 'absent')
    expect(await far()).toBe(before + 1)
    expect(await store.put(record('gone', '1', noise(900_000, 'c')), 'absent')).toBeUndefined()
    expect(await far()).toBe(before + 1)
    expect(await store.put(record('gone', '1', noise(900_000, 'd')), 1)).toBe(2)
    expect(await far()).toBe(before + 1)
    expect((await store.get('gone', '1'))?.body).toBe(noise(900_000, 'd'))
    expect(await store.put(record('gone', '1', '"short"'), 2)).toBe(3)
    expect(await far()).toBe(before)
    await store.put(record('gone', '1', noise(900_000, 'e')), 3)
    await store.delete('gone', '1')
    expect(await far()).toBe(before)
    expect(await store.get('gone', '1')).toBeUndefined()
  })

  it('is still there when the answer to an unconditional write is lost', async () => {
    const body = noise(900_000, 'l')
    // The first is that of the body's note.
    bench.services.fault({ action: 'UpdateItem', kind: 'lost', after: 1 })
    await store.putAll([record('lost', '1', body)])
    expect((await store.get('lost', '1'))?.body).toBe(body)
  })

  it.each<[string, 'absent' | undefined, (id: string) => Promise<unknown>]>([
    ['deleted', 'absent', id => store.delete('regained', id)],
    ['deleted', undefined, id => store.delete('regained', id)],
    ['written anew', undefined, id => store.putAll([record('regained', id, '"theirs"')])],
  ])(
    'is there when its record, of which nobody has heard, is %s before it is repeated (%s)',
    async (what, expect_, meanwhile) => {
      const id = `${what} ${expect_}`
      const body = noise(900_000, id)
      const before = await far()
      let isDone = false
      const clock = {
        now: () => Date.now(),
        async sleep() {
          if (!isDone) await meanwhile(id)
          isDone = true
        },
      }
      const slow = createDynamoStore({
        client: clientOf(bench, clock),
        bucket,
        table: () => bench.services.table,
        clock,
      })
      bench.services.fault({ action: 'UpdateItem', kind: 'lost', after: 1 })
      if (expect_ === undefined) await slow.putAll([record('regained', id, body)])
      else expect(await slow.put(record('regained', id, body), expect_)).toBe(1)
      expect(isDone).toBe(true)
      expect((await store.get('regained', id))?.body).toBe(body)
      expect(await far()).toBe(before + 1)
    },
  )

  it('is read whole while it is being written all the time', async () => {
    const bodies = ['f', 'g', 'h', 'i', 'j', 'k'].map(seed => noise(700_000, seed))
    await store.put(record('busy', '1', bodies[0]), 'absent')
    const write = async () => {
      for (const [index, body] of bodies.slice(1).entries())
        await store.put(record('busy', '1', body), index + 1)
    }
    const read = async () => {
      for (let reads = 0; reads < 20; reads++) {
        expect(bodies).toContain((await store.get('busy', '1'))?.body)
        const [listed] = await store.list({ kind: 'busy', slot: 'a', partition: 'p', order: 'asc', limit: 1 })
        expect(bodies).toContain(listed?.body)
      }
    }
    await Promise.all([write(), read(), read()])
  })
})

describe('a key longer than DynamoDB takes', () => {
  const long = 'x'.repeat(3000)
  const list = async (order: 'asc' | 'desc', bounds: object, partition = 'p') =>
    (await store.list({ kind: 'keys', slot: 'a', partition, order, limit: 10, ...bounds })).map(
      ({ id }) => id,
    )

  it('is of nothing', async () => {
    expect(await store.get('keys', long)).toBeUndefined()
    expect(await store.get('keys', 'ü'.repeat(1500))).toBeUndefined()
    expect(await list('desc', {}, long)).toEqual([])
  })

  it('bounds a list all the same', async () => {
    await store.putAll(['w', 'x', 'y'].map(id => record('keys', id)))
    expect(await list('asc', { after: long })).toEqual(['y'])
    expect(await list('desc', { after: long })).toEqual(['x', 'w'])
    expect(await list('asc', { below: long })).toEqual(['w', 'x'])
    expect(await list('desc', { after: `x${'ü'.repeat(1500)}` })).toEqual(['x', 'w'])
  })
})

describe('a record that expires', () => {
  it('is named to DynamoDB too, a day after the schedule removes it', async () => {
    const entry = dueEntry(1_800_000_000, '1', 'expired')
    await store.put({ kind: 'old', id: '1', body: '{}', indexes: entry ? { b: entry } : {} }, 'absent')
    await store.put(record('old', '2'), 'absent')
    const ttl = async (id: string) => {
      const answer = await bench.services.direct('DynamoDB_20120810.GetItem', {
        TableName: bench.services.table,
        Key: { pk: { S: `old#${id}` } },
      })
      return (answer as { Item: { ttl?: { N: string } } }).Item.ttl
    }
    expect([await ttl('1'), await ttl('2')]).toEqual([{ N: String(1_800_000_000 + 86_400) }, undefined])
  })
})

describe('a list longer than a page of DynamoDB', () => {
  it('is filled up to its limit, from either end', async () => {
    // 30 records of 100 KB: a page is 1 MB.
    const body = noise(100_000, 'z')
    const ids = Array.from({ length: 30 }, (_, index) => String(index).padStart(2, '0'))
    await store.putAll(ids.map(id => record('pages', id, body)))
    const list = async (order: 'asc' | 'desc', limit: number, more: object = {}) =>
      (await store.list({ kind: 'pages', slot: 'a', partition: 'p', order, limit, ...more })).map(
        ({ id }) => id,
      )
    expect(await list('asc', 100)).toEqual(ids)
    expect(await list('desc', 25)).toEqual(ids.toReversed().slice(0, 25))
    expect(await list('asc', 20, { after: '03', below: '28' })).toEqual(ids.slice(4, 24))
    expect(await list('asc', 100, { after: '03', below: '28' })).toEqual(ids.slice(4, 28))
    expect(await list('asc', 5, { after: '', below: '28' })).toEqual(ids.slice(0, 5))
    expect(await list('asc', 5, { after: '28', below: '28' })).toEqual([])
    expect(await list('desc', 5, { below: '' })).toEqual([])
  })
})
