/**
 * What an account has at its provider, asked for by the ids of its items however the provider pages.
 * @module
 */
import type { NativePage, PageRequest, Paging } from './provider.ts'

/** Items asked for at a time: all providers give as many. */
const AT_A_TIME = 100

interface Listed {
  paging: Paging
  list(page: PageRequest): Promise<NativePage<{ id: string }>>
}
type ItemOf<L> = L extends { list(page: PageRequest): Promise<NativePage<infer T>> } ? T : never

/**
 * The items behind one, in the provider's order. A list that is paged by tokens is read from its start, as a token says
 * nothing to whoever has seen a page of another size.
 */
export async function* itemsAfter<L extends Listed>(
  listed: L,
  after: string | undefined,
): AsyncGenerator<ItemOf<L>, void> {
  const isWalked = listed.paging === 'token'
  let isBehind = after === undefined || !isWalked
  for (let cursor = isWalked ? undefined : after; ; ) {
    const page = await listed.list({ after: cursor, limit: AT_A_TIME })
    for (const item of page.items) {
      if (isBehind) yield item as ItemOf<L>
      else isBehind = item.id === after
    }
    const next = isWalked ? page.next : (page.next ?? page.items.at(-1)?.id)
    if (!page.hasMore || next === undefined || next === cursor) return
    cursor = next
  }
}

/** A page of those items that may be shown. */
export const pageOf = async <T>(
  items: AsyncIterable<T>,
  limit: number,
  mayBeShown: (item: T) => Promise<boolean>,
): Promise<{ items: T[]; hasMore: boolean }> => {
  const shown: T[] = []
  for await (const item of items) {
    if (!(await mayBeShown(item))) continue
    if (shown.length === limit) return { items: shown, hasMore: true }
    shown.push(item)
  }
  return { items: shown, hasMore: false }
}
