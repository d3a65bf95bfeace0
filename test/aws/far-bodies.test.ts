/** Bodies of records that lie in the bucket: none outlives its record for long, and none goes before. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AwsClient } from '../../shared/platform/aws/client.ts'
import { createDynamoStore } from '../../shared/platform/aws/store.ts'
import { type Bucket, createS3Bucket, type Store } from '../../shared/platform/index.ts'
import { type AwsBench, clientOf, hastyClock, startAwsBench } from './support.ts'

const DAY = 24 * 3600 * 1000

let bench: AwsBench
let bucket: Bucket
let store: Store
let now: number
const clock = { ...hastyClock, now: () => now }
const table = () => bench.services.table

beforeAll(async () => {
  bench = await startAwsBench()
  const { s3Url: url, ...access } = bench.sandbox.aws
  bucket = createS3Bucket({ settings: async () => ({ url, ...access }), fetch, clock: hastyClock })
  store = createDynamoStore({ client: clientOf(bench), bucket, table, clock })
})
beforeEach(() => {
  now = Date.now()
})
afterAll(() => Promise.all([bench.sandbox.close(), bench.services.close()]))

/** Text of 900 KB that no compression makes short. */
const noise = (seed: string): string => {
  let text = ''
  for (let block = 0; text.length < 900_000; block++)
    text += createHash('sha512').update(`${seed}${block}`).digest('base64url')
  return JSON.stringify(text)
}
const [FIRST, SECOND] = [noise('first'), noise('second')]
const record = (kind: string, body: string) => ({ kind, id: 'x', body, indexes: {} })

const bodiesOf = async (kind: string) => (await bucket.list(`records/${kind}/`)).objects.length
const notes = async () =>
  (await store.list({ kind: 'far_body', slot: 'a', partition: 'expired', order: 'asc', limit: 1000 })).length
const sweep = async () => {
  await store.sweep?.(1000)
}

/** A store whose process dies before its call of this number, counted from 0. */
const dyingAt = (number: number) => {
  let calls = 0
  const living = <T>(call: () => Promise<T>): Promise<T> =>
    calls++ < number ? call() : Promise.reject(new Error('killed'))
  const client = clientOf(bench)
  const mortal: AwsClient = { call: (...call) => living(() => client.call(...call)) }
  const own: Bucket = {
    ...bucket,
    put: (...put) => living(() => bucket.put(...put)),
    delete: (...keys) => living(() => bucket.delete(...keys)),
  }
  return {
    store: createDynamoStore({ client: mortal, bucket: own, table, clock }),
    isDead: () => calls > number,
  }
}

/** Each thing that is done to a record: what is there before, what is written, what there is of bodies when all is well. */
const DEEDS: [string, (store: Store, kind: string) => Promise<unknown>, (string | undefined)[]][] = [
  ['made', (store, kind) => store.put(record(kind, FIRST), 'absent'), [undefined, FIRST]],
  ['written anew', (store, kind) => store.put(record(kind, SECOND), 1), [FIRST, SECOND]],
  ['written again, as it was', (store, kind) => store.putAll([record(kind, FIRST)]), [FIRST, FIRST]],
  ['made short', (store, kind) => store.put(record(kind, '"short"'), 1), [FIRST, '"short"']],
  ['refused', (store, kind) => store.put(record(kind, SECOND), 7), [FIRST, FIRST]],
  ['deleted', (store, kind) => store.delete(kind, 'x'), [FIRST, undefined]],
]

describe.each(DEEDS)('a record that is %s', (name, deed, [before, after]) => {
  it('leaves no body that is nobody’s, whichever call its process dies at', async () => {
    let killed = 0
    for (let number = 0; ; number++) {
      const kind = `${name.replaceAll(/\W/g, '-')}-${number}`
      if (before !== undefined) await store.put(record(kind, before), 'absent')
      const mortal = dyingAt(number)
      await deed(mortal.store, kind).catch((error: Error) => expect(error.message).toBe('killed'))
      const found = (await store.get(kind, 'x'))?.body
      expect([before, after]).toContain(found)
      now += DAY
      await sweep()
      expect((await store.get(kind, 'x'))?.body).toBe(found)
      expect(await bodiesOf(kind)).toBe(found === FIRST || found === SECOND ? 1 : 0)
      await store.delete(kind, 'x')
      expect(await bodiesOf(kind)).toBe(0)
      if (!mortal.isDead()) break
      killed++
    }
    // One note for each body that is there, and none else.
    expect(await notes()).toBe(0)
    expect(killed).toBeGreaterThan(1)
  })
})

describe('a sweep', () => {
  it('leaves alone what a process may still be about to write', async () => {
    const kind = 'young'
    // It dies when its body is there: before the record is written.
    await dyingAt(2)
      .store.put(record(kind, FIRST), 'absent')
      .catch(() => undefined)
    expect([await bodiesOf(kind), await store.get(kind, 'x')]).toEqual([1, undefined])
    now += DAY - 60_000
    await sweep()
    expect(await bodiesOf(kind)).toBe(1)
    now += 60_000
    await sweep()
    expect(await bodiesOf(kind)).toBe(0)
  })

  it('looks at a body again and again for as long as its record lives', async () => {
    const kind = 'old'
    await store.put(record(kind, FIRST), 'absent')
    for (let days = 0; days < 3; days++) {
      now += DAY
      await sweep()
      expect((await store.get(kind, 'x'))?.body).toBe(FIRST)
    }
    // This time the body cannot be removed.
    const mortal = dyingAt(1)
    await mortal.store.delete(kind, 'x')
    expect([mortal.isDead(), await bodiesOf(kind)]).toEqual([true, 1])
    now += DAY
    await sweep()
    expect([await bodiesOf(kind), await notes()]).toEqual([0, 0])
  })

  it('goes on with the others where one cannot be removed', async () => {
    for (const kind of ['stuck', 'free']) {
      await store.put(record(kind, FIRST), 'absent')
      await dyingAt(1).store.delete(kind, 'x')
    }
    now += DAY
    const failing: Bucket = {
      ...bucket,
      delete: (...keys) =>
        keys[0]?.includes('/stuck/') ? Promise.reject(new Error('no')) : bucket.delete(...keys),
    }
    const trying = createDynamoStore({ client: clientOf(bench), bucket: failing, table, clock })
    await expect(trying.sweep?.(1000)).rejects.toThrow('no')
    expect([await bodiesOf('stuck'), await bodiesOf('free')]).toEqual([1, 0])
    await sweep()
    expect([await bodiesOf('stuck'), await notes()]).toEqual([0, 0])
  })
})
