/**
 * What every platform's ports must do. One suite, run against each adapter on its real engine.
 * @module
 */
import { describe, expect, it } from 'vitest'
import type { Bucket, Store, StoreRecord } from '../../shared/platform/index.ts'

let serial = 0
/** A kind of its own for each test, so that tests share an engine but nothing else. */
const kindOf = () => `kind-${++serial}`

const record = (kind: string, id: string, body: unknown = {}, sort = id): StoreRecord => ({
  kind,
  id,
  body: JSON.stringify(body),
  indexes: { a: { partition: 'p', sort } },
})

export const storeContract = (name: string, open: () => Store): void => {
  describe(`Store on ${name}`, () => {
    it('gives back what was put, with its version', async () => {
      const [store, kind] = [open(), kindOf()]
      expect(await store.put(record(kind, '1', { text: 'ü 🚲 "\'; DROP TABLE records' }), 'absent')).toBe(1)
      const found = await store.get(kind, '1')
      expect(found).toEqual({
        id: '1',
        version: 1,
        body: JSON.stringify({ text: 'ü 🚲 "\'; DROP TABLE records' }),
      })
      expect(await store.get(kind, '2')).toBeUndefined()
      expect(await store.get(kindOf(), '1')).toBeUndefined()
    })

    it('writes only what is still as expected', async () => {
      const [store, kind] = [open(), kindOf()]
      await store.put(record(kind, '1', 'first'), 'absent')
      expect(await store.put(record(kind, '1', 'again'), 'absent')).toBeUndefined()
      expect(await store.put(record(kind, '1', 'second'), 1)).toBe(2)
      expect(await store.put(record(kind, '1', 'late'), 1)).toBeUndefined()
      expect(await store.put(record(kind, 'none', 'x'), 1)).toBeUndefined()
      expect(await store.get(kind, '1')).toMatchObject({ version: 2, body: '"second"' })
      expect(await store.get(kind, 'none')).toBeUndefined()
    })

    it('lets exactly one of many writers win', async () => {
      const [store, kind] = [open(), kindOf()]
      const created = await Promise.all(
        Array.from({ length: 20 }, (_, n) => store.put(record(kind, '1', n), 'absent')),
      )
      expect(created.filter(version => version === 1)).toHaveLength(1)
      const updated = await Promise.all(
        Array.from({ length: 20 }, (_, n) => store.put(record(kind, '1', n), 1)),
      )
      expect(updated.filter(version => version === 2)).toHaveLength(1)
    })

    it('lists a partition by its sort key, from either end, after any key', async () => {
      const [store, kind] = [open(), kindOf()]
      for (const id of ['b', 'd', 'a', 'c']) await store.put(record(kind, id), 'absent')
      const ids = async (query: { order: 'asc' | 'desc'; limit: number; after?: string }) =>
        (await store.list({ kind, slot: 'a', partition: 'p', ...query })).map(({ id }) => id)
      expect(await ids({ order: 'asc', limit: 10 })).toEqual(['a', 'b', 'c', 'd'])
      expect(await ids({ order: 'desc', limit: 2 })).toEqual(['d', 'c'])
      expect(await ids({ order: 'desc', limit: 2, after: 'c' })).toEqual(['b', 'a'])
      expect(await ids({ order: 'asc', limit: 10, after: 'bb' })).toEqual(['c', 'd'])
      expect(await store.list({ kind, slot: 'b', partition: 'p', order: 'asc', limit: 10 })).toEqual([])
    })

    it('lists only what is below a sort key, whatever the order and wherever it begins', async () => {
      const [store, kind] = [open(), kindOf()]
      for (const id of ['a', 'b', 'c', 'd', '\u{ffff}', '\u{1f6b2}'])
        await store.put(record(kind, id), 'absent')
      const ids = async (query: { order: 'asc' | 'desc'; below?: string; after?: string }) =>
        (await store.list({ kind, slot: 'a', partition: 'p', limit: 10, ...query })).map(({ id }) => id)
      expect(await ids({ order: 'asc', below: 'c' })).toEqual(['a', 'b'])
      expect(await ids({ order: 'asc', below: 'c', after: 'a' })).toEqual(['b'])
      expect(await ids({ order: 'desc', below: 'c' })).toEqual(['b', 'a'])
      expect(await ids({ order: 'desc', below: 'd', after: 'b' })).toEqual(['a'])
      expect(await ids({ order: 'desc', below: 'b', after: 'd' })).toEqual(['a'])
      // By their UTF-8 bytes, not by UTF-16 units.
      expect(await ids({ order: 'asc', after: 'd' })).toEqual(['\u{ffff}', '\u{1f6b2}'])
    })

    it('keeps indexes in step with writes and deletions', async () => {
      const [store, kind] = [open(), kindOf()]
      const list = async (partition: string) =>
        (await store.list({ kind, slot: 'b', partition, order: 'asc', limit: 10 })).map(({ id }) => id)
      await store.put({ kind, id: '1', body: '1', indexes: { b: { partition: 'x', sort: '1' } } }, 'absent')
      expect(await list('x')).toEqual(['1'])
      await store.put({ kind, id: '1', body: '1', indexes: { b: { partition: 'y', sort: '1' } } }, 1)
      expect([await list('x'), await list('y')]).toEqual([[], ['1']])
      await store.put({ kind, id: '1', body: '1', indexes: {} }, 2)
      expect(await list('y')).toEqual([])
      await store.delete(kind, '1')
      expect(await store.get(kind, '1')).toBeUndefined()
      await store.delete(kind, '1')
    })

    it('writes many at once, and again without change', async () => {
      const [store, kind] = [open(), kindOf()]
      const many = Array.from({ length: 257 }, (_, n) => record(kind, String(n).padStart(4, '0'), { n }))
      await store.putAll(many)
      await store.putAll(many.slice(0, 3))
      await store.putAll([])
      const listed = await store.list({ kind, slot: 'a', partition: 'p', order: 'asc', limit: 1000 })
      expect(listed.map(({ body }) => JSON.parse(body).n)).toEqual(many.map((_, n) => n))
    })
  })
}

const MEBIBYTE = 1024 * 1024
const bytesOf = async (bucket: Bucket, key: string) => {
  const object = await bucket.get(key)
  return object && { size: object.size, bytes: new Uint8Array(await new Response(object.body).arrayBuffer()) }
}
const pattern = (length: number) =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 255)

export const bucketContract = (name: string, open: () => Bucket): void => {
  describe(`Bucket on ${name}`, () => {
    it('gives back the bytes that were put, until they are deleted', async () => {
      const bucket = open()
      const bytes = pattern(1000)
      await bucket.put('contract/ü key', bytes)
      expect(await bytesOf(bucket, 'contract/ü key')).toEqual({ size: 1000, bytes })
      expect(await bucket.size('contract/ü key')).toBe(1000)
      await bucket.delete('contract/ü key')
      expect(await bucket.get('contract/ü key')).toBeUndefined()
      expect(await bucket.size('contract/ü key')).toBeUndefined()
      await bucket.delete('contract/ü key')
    })

    it('gives back the bytes from any place on', async () => {
      const bucket = open()
      const bytes = pattern(1000)
      await bucket.put('contract/range', bytes)
      for (const from of [0, 1, 999]) {
        const object = await bucket.get('contract/range', from)
        expect(object?.size).toBe(1000)
        expect(new Uint8Array(await new Response(object?.body).arrayBuffer())).toEqual(bytes.subarray(from))
      }
    })

    it('joins the parts of a multipart upload', async () => {
      const bucket = open()
      const bytes = pattern(5 * MEBIBYTE + 17)
      const upload = await bucket.startMultipart('contract/parts')
      await upload.part(1, bytes.subarray(0, 5 * MEBIBYTE))
      await upload.part(2, bytes.subarray(5 * MEBIBYTE))
      expect(await bucket.get('contract/parts')).toBeUndefined()
      await upload.complete()
      const found = await bytesOf(bucket, 'contract/parts')
      expect(found?.size).toBe(bytes.length)
      // Compared by digest: a difference in megabytes is nothing to print.
      expect(await crypto.subtle.digest('SHA-256', found?.bytes ?? new Uint8Array())).toEqual(
        await crypto.subtle.digest('SHA-256', bytes),
      )
    })

    it('has nothing to read at the very end', async () => {
      const bucket = open()
      await bucket.put('contract/end', pattern(10))
      await bucket.put('contract/empty', new Uint8Array())
      expect(await bytesOf(bucket, 'contract/empty')).toEqual({ size: 0, bytes: new Uint8Array() })
      expect(await bucket.size('contract/empty')).toBe(0)
    })

    it('lists what begins alike, by its key, after any key', async () => {
      const bucket = open()
      const sizes = { 'contract/list/b': 2, 'contract/list/a': 1, 'contract/list/c/ü &<>"': 3 }
      for (const [key, size] of Object.entries(sizes)) await bucket.put(key, pattern(size))
      await bucket.put('contract/listed', pattern(1))
      const listed = async (after?: string) => {
        const { objects, hasMore } = await bucket.list('contract/list/', after)
        expect(hasMore).toBe(false)
        return objects.map(({ key, bytes }) => [key.slice('contract/list/'.length), bytes])
      }
      const all = [
        ['a', 1],
        ['b', 2],
        ['c/ü &<>"', 3],
      ]
      expect(await listed()).toEqual(all)
      expect(await listed('contract/list/a')).toEqual(all.slice(1))
      expect(await listed('contract/list/aa')).toEqual(all.slice(1))
      expect(await listed('contract/list/d')).toEqual([])
      expect(await bucket.list('contract/none/')).toEqual({ objects: [], hasMore: false })
    })

    it('deletes many at once, those that are not there included', async () => {
      const bucket = open()
      const keys = Array.from({ length: 12 }, (_, n) => `contract/many/${n}`)
      for (const key of keys) await bucket.put(key, pattern(1))
      await bucket.delete(...keys.slice(1), 'contract/many/none')
      expect((await bucket.list('contract/many/')).objects).toEqual([{ key: 'contract/many/0', bytes: 1 }])
      await bucket.delete()
    })

    it('leaves nothing of an aborted upload', async () => {
      const bucket = open()
      const upload = await bucket.startMultipart('contract/aborted')
      await upload.part(1, pattern(5 * MEBIBYTE))
      await upload.abort()
      expect(await bucket.get('contract/aborted')).toBeUndefined()
    })
  })
}

/** What URLs that take one object must do, where a bucket has them. @param open with a clock that tells this time */
export const presignContract = (name: string, open: (now: () => number) => Bucket): void => {
  const bytes = new TextEncoder().encode('written by someone else')
  const put = async (
    url: string,
    headers: Record<string, string>,
    body: string | Uint8Array<ArrayBuffer> = bytes,
  ) => (await fetch(url, { method: 'PUT', headers, body })).status
  const presigned = async (key: string, now = () => Date.now()) => {
    const bucket = open(now)
    await bucket.delete(key)
    const target = await bucket.presignPut?.(key, { bytes: bytes.length, seconds: 60 })
    return { bucket, ...(target ?? expect.fail('There is no URL.')) }
  }

  describe(`A URL to write to, on ${name}`, () => {
    it('takes the object, once, without any key of ours', async () => {
      const { bucket, url, headers } = await presigned('presigned/ü +&')
      expect(headers).toEqual({ 'if-none-match': '*' })
      expect(await put(url, headers)).toBe(200)
      expect((await bytesOf(bucket, 'presigned/ü +&'))?.bytes).toEqual(bytes)
      expect(await put(url, headers)).toBe(412)
    })

    it('takes no other size, no other condition and no other key', async () => {
      const { bucket, url, headers } = await presigned('presigned/strict')
      expect(await put(url, headers, 'short')).toBe(403)
      expect(await put(url, {})).toBe(403)
      expect(await put(url.replace('/strict', '/other'), headers)).toBe(403)
      expect(await bucket.size('presigned/strict')).toBeUndefined()
    })

    it('ends when it should', async () => {
      const { url, headers } = await presigned('presigned/late', () => Date.now() - 61_000)
      expect(await put(url, headers)).toBe(403)
    })
  })
}
