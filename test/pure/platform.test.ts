import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bytesToBase62,
  collection,
  createIds,
  openBucketWriter,
  toBase62,
} from '../../shared/platform/index.ts'
import { cutAt, cuts, readAll, streamOf } from './support/bytes.ts'
import { fakeClock, memoryBucket, memoryStore } from './support/memory.ts'

describe('base 62', () => {
  it.each([
    [0, 1, '0'],
    [0, 4, '0000'],
    [61, 1, 'z'],
    [62, 2, '10'],
    [62 ** 4 - 1, 4, 'zzzz'],
    [62 ** 8 - 1, 8, 'zzzzzzzz'],
  ])('%i in %i digits is %s', (value, width, digits) => {
    expect(toBase62(value, width)).toBe(digits)
  })

  it('sorts as its numbers do', () => {
    const numbers = fc.nat({ max: 62 ** 8 - 1 })
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const [first, second] = [toBase62(a, 8), toBase62(b, 8)]
        expect(first).toMatch(/^[0-9A-Za-z]{8}$/)
        expect(first < second).toBe(a < b)
        expect(first === second).toBe(a === b)
      }),
    )
  })

  it('has a digit for each byte', () => {
    expect(bytesToBase62(Uint8Array.of(0, 9, 10, 35, 36, 61, 62, 255))).toBe('09AZaz07')
    expect(new Set(bytesToBase62(Uint8Array.from({ length: 248 }, (_, byte) => byte))).size).toBe(62)
  })
})

describe('ids', () => {
  it('sort by the time they were made, through to the year 8888', () => {
    const times = fc.nat({ max: Date.UTC(8888, 0) })
    fc.assert(
      fc.property(times, times, (earlier, later) => {
        const clock = fakeClock(Math.min(earlier, later))
        const ids = createIds(clock)
        const first = ids.next('file-')
        clock.time = Math.max(earlier, later)
        const second = ids.next('file-')
        expect(first).toMatch(/^file-[0-9A-Za-z]{24}$/)
        if (earlier !== later) expect(first < second).toBe(true)
      }),
    )
  })

  it('are unique within one moment', () => {
    const ids = createIds(fakeClock())
    expect(new Set(Array.from({ length: 10_000 }, () => ids.next('ftjob-'))).size).toBe(10_000)
  })
})

const PART = 8

describe('the bucket writer (Portkey 7: parts of any size, uploads never aborted)', () => {
  const bytesOf = (size: number) => Uint8Array.from({ length: size }, (_, index) => index * 7)
  const write = async (chunks: Uint8Array[]) => {
    const bucket = memoryBucket()
    const writer = openBucketWriter(bucket, 'key', PART)
    for (const chunk of chunks) {
      await writer.write(chunk)
      // Chunks may be reused as soon as they are taken.
      chunk.fill(0xff)
    }
    await writer.commit()
    const [upload] = bucket.uploads
    return { size: writer.size, written: bucket.objects.get('key'), upload, uploads: bucket.uploads.length }
  }

  it.each(Array.from({ length: 3 * PART + 3 }, (_, size) => size))('%i bytes, cut anywhere', async size => {
    const bytes = bytesOf(size)
    const ways = [
      [bytes],
      Array.from(bytes, byte => Uint8Array.of(byte)),
      ...Array.from(bytes, (_, at) => cutAt(bytes, [at])),
    ]
    for (const chunks of ways) {
      const { size: counted, written, upload, uploads } = await write(chunks.map(chunk => chunk.slice()))
      expect(counted).toBe(size)
      expect(written).toEqual(bytes)
      if (size < PART) expect(uploads).toBe(0)
      else {
        expect(uploads).toBe(1)
        const sizes = upload?.parts.map(({ length }) => length) ?? []
        expect(sizes.slice(0, -1).every(each => each === PART)).toBe(true)
        expect(sizes.at(-1)).toBe(size % PART || PART)
        expect(upload?.state).toBe('completed')
      }
    }
  })

  it('any bytes, in any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), cuts(100), async (bytes, offsets) => {
        const { written } = await write([new Uint8Array(), ...cutAt(bytes, offsets), new Uint8Array()])
        expect(written).toEqual(Uint8Array.from(bytes))
      }),
    )
  })

  it('fills a part while the one before is on its way, and no more', async () => {
    const bucket = memoryBucket()
    const { promise, resolve } = Promise.withResolvers<void>()
    bucket.arriving = promise
    const writer = openBucketWriter(bucket, 'key', PART)
    await writer.write(bytesOf(2 * PART - 1))
    let isTaken = false
    const next = writer.write(bytesOf(1)).then(() => {
      isTaken = true
    })
    await new Promise(go => setImmediate(go))
    expect(isTaken).toBe(false)
    resolve()
    await next
    await writer.commit()
    expect(bucket.objects.get('key')).toEqual(Uint8Array.from([...bytesOf(2 * PART - 1), 0]))
  })

  it('waits for the part on its way before it is aborted', async () => {
    const bucket = memoryBucket()
    const { promise, resolve } = Promise.withResolvers<void>()
    bucket.arriving = promise
    const writer = openBucketWriter(bucket, 'key', PART)
    await writer.write(bytesOf(PART))
    const end = writer.abort()
    await new Promise(go => setImmediate(go))
    expect(bucket.uploads.map(({ state }) => state)).toEqual(['open'])
    resolve()
    await end
    expect(bucket.uploads.map(({ state, parts }) => [state, parts.length])).toEqual([['aborted', 1]])
  })

  it('shows nothing before it is committed', async () => {
    const bucket = memoryBucket()
    const writer = openBucketWriter(bucket, 'key', PART)
    await writer.write(bytesOf(20))
    expect(bucket.objects.size).toBe(0)
  })

  it.each([0, PART - 1, PART, 2 * PART + 1])('leaves nothing of %i bytes when aborted', async size => {
    const bucket = memoryBucket()
    const writer = openBucketWriter(bucket, 'key', PART)
    await writer.write(bytesOf(size))
    await writer.abort()
    expect(bucket.objects.size).toBe(0)
    expect(bucket.uploads.map(({ state }) => state)).toEqual(size < PART ? [] : ['aborted'])
  })

  it.each([PART - 1, 2 * PART + 1])(
    'leaves nothing of %i bytes when aborted after the commit: what followed it failed',
    async size => {
      const bucket = memoryBucket()
      const writer = openBucketWriter(bucket, 'key', PART)
      await writer.write(bytesOf(size))
      await writer.commit()
      await writer.abort()
      expect(bucket.objects.size).toBe(0)
    },
  )

  it.each(['part', 'complete'] as const)(
    'passes on that a %s failed, and can be aborted then',
    async step => {
      const bucket = memoryBucket()
      const cause = new Error('no room')
      bucket.failing[step] = cause
      const writer = openBucketWriter(bucket, 'key', PART)
      const work = (async () => {
        await writer.write(bytesOf(PART + 1))
        await writer.commit()
      })()
      await expect(work).rejects.toBe(cause)
      await writer.abort()
      expect(bucket.uploads.map(({ state }) => state)).toEqual(['aborted'])
      expect(bucket.objects.size).toBe(0)
    },
  )

  it('keeps each object apart', async () => {
    const bucket = memoryBucket()
    const [one, two] = [openBucketWriter(bucket, 'one', PART), openBucketWriter(bucket, 'two', PART)]
    for (let index = 0; index < 20; index++) {
      await one.write(Uint8Array.of(1))
      await two.write(Uint8Array.of(2))
    }
    await Promise.all([one.commit(), two.commit()])
    for (const [key, byte] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      const object = await bucket.get(key)
      expect(await readAll(object?.body ?? streamOf([]))).toEqual(new Uint8Array(20).fill(byte))
    }
  })
})

interface Thing {
  id: string
  owner: string
  count: number
  gone: boolean
}

const THINGS = collection<Thing, 'owner' | 'alive'>('thing', thing => thing.id, {
  owner: { slot: 'a', entry: ({ owner, id }) => ({ partition: owner, sort: id }) },
  alive: { slot: 'b', entry: ({ owner, id, gone }) => (gone ? undefined : { partition: owner, sort: id }) },
})
const thing = (id: string, parts: Partial<Thing> = {}): Thing => ({
  id,
  owner: 'o',
  count: 0,
  gone: false,
  ...parts,
})
const named = (index: number) => `t${String(index).padStart(5, '0')}`

describe('a collection', () => {
  it('creates once', async () => {
    const store = memoryStore()
    expect(await THINGS.create(store, thing('a', { count: 1 }))).toBe(true)
    expect(await THINGS.create(store, thing('a', { count: 2 }))).toBe(false)
    expect(await THINGS.get(store, 'a')).toEqual({ value: thing('a', { count: 1 }), version: 1 })
  })

  it('updates nothing that is not there', async () => {
    const store = memoryStore()
    expect(await THINGS.update(store, 'a', value => ({ ...value, count: 1 }))).toBeUndefined()
    expect(await THINGS.get(store, 'a')).toBeUndefined()
  })

  it('writes nothing when nothing changes', async () => {
    const store = memoryStore()
    await THINGS.create(store, thing('a'))
    expect(await THINGS.update(store, 'a', value => value)).toEqual(thing('a'))
    expect((await THINGS.get(store, 'a'))?.version).toBe(1)
  })

  it("loses no one else's write: each change is made to the newest value", async () => {
    const store = memoryStore()
    await THINGS.create(store, thing('a'))
    const increments = Array.from({ length: 5 }, () =>
      THINGS.update(store, 'a', value => ({ ...value, count: value.count + 1 })),
    )
    await Promise.all(increments)
    expect((await THINGS.get(store, 'a'))?.value.count).toBe(5)
  })

  it('gives up with a conflict when others never stop', async () => {
    const store = memoryStore()
    await THINGS.create(store, thing('a'))
    const { put } = store
    let others = 0
    store.beforeUpdate = async () => {
      const row = await store.get('thing', 'a')
      store.beforeUpdate = () => undefined
      others++
      await put({ kind: 'thing', id: 'a', body: row?.body ?? '', indexes: {} }, row?.version ?? 0)
      store.beforeUpdate = again
    }
    const again = store.beforeUpdate
    const work = THINGS.update(store, 'a', value => ({ ...value, count: 99 }))
    await expect(work).rejects.toMatchObject({ status: 409, code: 'conflict' })
    expect(others).toBeGreaterThan(1)
    expect((await THINGS.get(store, 'a'))?.value.count).toBe(0)
  })

  it('does not bring back what was deleted meanwhile', async () => {
    const store = memoryStore()
    await THINGS.create(store, thing('a'))
    store.beforeUpdate = () => store.delete('thing', 'a')
    expect(await THINGS.update(store, 'a', value => ({ ...value, count: 1 }))).toBeUndefined()
    expect(await THINGS.get(store, 'a')).toBeUndefined()
  })

  it('moves between indexes as its records change', async () => {
    const store = memoryStore()
    await THINGS.create(store, thing('a'))
    await THINGS.update(store, 'a', value => ({ ...value, gone: true }))
    expect((await THINGS.list(store, 'alive', 'o', { limit: 5 })).items).toEqual([])
    expect((await THINGS.list(store, 'owner', 'o', { limit: 5 })).items).toHaveLength(1)
  })

  it('fills each page, filtered or not, and knows whether there is more', async () => {
    const shape = fc.record({
      marks: fc.array(fc.boolean(), { maxLength: 40 }),
      limit: fc.integer({ min: 1, max: 12 }),
      order: fc.constantFrom('asc' as const, 'desc' as const, undefined),
    })
    await fc.assert(
      fc.asyncProperty(shape, async ({ marks, limit, order }) => {
        const store = memoryStore()
        await THINGS.putAll(store, [
          ...marks.map((mark, index) => thing(named(index), { count: mark ? 1 : 0 })),
          thing('z', { owner: 'someone else', count: 1 }),
        ])
        const expected = marks.flatMap((mark, index) => (mark ? [named(index)] : []))
        if (order !== 'asc') expected.reverse()
        const seen: string[] = []
        for (let after: string | undefined, pages = 0; ; pages++) {
          const page = await THINGS.list(
            store,
            'owner',
            'o',
            { limit, after, order },
            ({ count }) => count === 1,
          )
          seen.push(...page.items.map(({ id }) => id))
          expect(page.hasMore).toBe(seen.length < expected.length)
          expect(page.items.length).toBe(page.hasMore ? limit : expected.length - pages * limit)
          if (!page.hasMore) break
          after = page.items.at(-1)?.id
        }
        expect(seen).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })

  it('reads long lists in bounded bites, none twice', async () => {
    const store = memoryStore()
    await THINGS.putAll(
      store,
      Array.from({ length: 1300 }, (_, index) => thing(named(index))),
    )
    const all = await THINGS.list(store, 'owner', 'o', { limit: 10_000, order: 'asc' })
    expect(all.items.map(({ id }) => id)).toEqual(Array.from({ length: 1300 }, (_, index) => named(index)))
    expect(all.hasMore).toBe(false)
    expect(Math.max(...store.queries.map(({ limit }) => limit))).toBeLessThanOrEqual(1000)
    expect(await THINGS.list(store, 'owner', 'o', { limit: 1299 })).toMatchObject({ hasMore: true })
    expect(await THINGS.list(store, 'owner', 'o', { limit: 1300 })).toMatchObject({ hasMore: false })
  })

  it('goes on after a record that has been deleted, or left the index, meanwhile', async () => {
    const store = memoryStore()
    await THINGS.putAll(
      store,
      Array.from({ length: 6 }, (_, index) => thing(named(index))),
    )
    const ids = async (order: 'asc' | 'desc', after: string) =>
      (await THINGS.list(store, 'alive', 'o', { limit: 2, order, after })).items.map(({ id }) => id)
    await THINGS.delete(store, named(2))
    await THINGS.update(store, named(3), value => ({ ...value, gone: true }))
    expect(await ids('asc', named(2))).toEqual([named(4), named(5)])
    expect(await ids('asc', named(3))).toEqual([named(4), named(5)])
    expect(await ids('desc', named(3))).toEqual([named(1), named(0)])
    expect(await ids('desc', 'a cursor that never was')).toEqual([])
  })
})
