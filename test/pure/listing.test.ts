/** Lists by the ids of their items, whichever way a provider pages. */
import { describe, expect, it } from 'vitest'
import {
  itemsAfter,
  type NativePage,
  type PageRequest,
  type Paging,
  pageOf,
} from '../../shared/providers/index.ts'

const ITEMS = Array.from({ length: 450 }, (_, index) => ({ id: `i${450 - index}` }))

/** A provider with these items, which gives at most so many at a time, and refuses a cursor it does not know. */
const provider = (paging: Paging, { items = ITEMS, most = 100 } = {}) => {
  const asked: PageRequest[] = []
  const list = async (page: PageRequest): Promise<NativePage<{ id: string }>> => {
    asked.push(page)
    const { after } = page
    const start =
      after === undefined
        ? 0
        : paging === 'token'
          ? Number(/^token-(\d+)$/.exec(after)?.[1] ?? Number.NaN)
          : items.findIndex(({ id }) => id === after) + 1
    if (Number.isNaN(start)) throw new Error(`not a token: ${after}`)
    const end = start + Math.min(page.limit, most)
    const hasMore = end < items.length
    return {
      items: items.slice(start, end),
      hasMore,
      ...(paging === 'token' && hasMore && { next: `token-${end}` }),
    }
  }
  return { listed: { paging, list }, asked }
}

const everything = async () => true
const collect = async (paging: Paging, limit: number, options?: Parameters<typeof provider>[1]) => {
  const ids: string[] = []
  const sizes: number[] = []
  for (let after: string | undefined; ; ) {
    const { listed } = provider(paging, options)
    const { items, hasMore } = await pageOf(itemsAfter(listed, after), limit, everything)
    ids.push(...items.map(({ id }) => id))
    sizes.push(items.length)
    after = items.at(-1)?.id
    if (!hasMore) return { ids, sizes }
  }
}

describe.each<Paging>(['id', 'token'])('a list that is paged by %s (Portkey 14)', paging => {
  it.each([
    [1, { items: ITEMS.slice(0, 5) }],
    [20, {}],
    [100, {}],
    [450, {}],
    [1000, {}],
    [7, { most: 3 }],
    [10, { items: [] }],
  ])('is walked by ids, %i at a time, each item once: %j', async (limit, options) => {
    const { items = ITEMS } = options as { items?: typeof ITEMS }
    const { ids, sizes } = await collect(paging, limit, options)
    expect(ids).toEqual(items.map(({ id }) => id))
    // Only the last page may be short.
    expect(sizes.slice(0, -1).every(size => size === limit)).toBe(true)
  })

  it('fills its pages though items are left out', async () => {
    const { listed } = provider(paging)
    const isShown = async ({ id }: { id: string }) => id.endsWith('7')
    const one = await pageOf(itemsAfter(listed, undefined), 30, isShown)
    const two = await pageOf(itemsAfter(listed, one.items.at(-1)?.id), 30, isShown)
    expect([one.items.length, one.hasMore, two.items.length, two.hasMore]).toEqual([30, true, 15, false])
  })

  it('asks for no more pages than it needs', async () => {
    const { listed, asked } = provider(paging)
    await pageOf(itemsAfter(listed, undefined), 20, everything)
    expect(asked).toHaveLength(1)
  })

  it('ends at a provider that gives the same cursor for ever', async () => {
    const list = async () => ({ items: [{ id: 'a' }], hasMore: true, next: 'same' })
    const { items } = await pageOf(itemsAfter({ paging, list }, undefined), 5, everything)
    expect(items.length).toBeLessThanOrEqual(2)
  })
})

it('a token is never made of an id', async () => {
  const { listed, asked } = provider('token')
  await pageOf(itemsAfter(listed, 'i300'), 5, everything)
  expect(asked.map(({ after }) => after)).toEqual([undefined, 'token-100'])
})
