/** Things kept in the order in which they came, looked up by id and paged with a cursor at no more cost than the page. */
export class Ledger<T extends { id: string }> {
  #slots: (T | undefined)[] = []
  readonly #position = new Map<string, number>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(item: T): T {
    this.#position.set(item.id, this.#slots.length)
    this.#slots.push(item)
    this.#size++
    return item
  }

  get(id: string): T | undefined {
    const position = this.#position.get(id)
    return position === undefined ? undefined : this.#slots[position]
  }

  /** Leaves the place empty, so that a page can still start after a deleted item. */
  delete(id: string): boolean {
    const position = this.#position.get(id)
    if (position === undefined || !this.#slots[position]) return false
    this.#slots[position] = undefined
    this.#size--
    return true
  }

  clear(): void {
    this.#slots = []
    this.#position.clear()
    this.#size = 0
  }

  *[Symbol.iterator](): Generator<T> {
    for (const item of this.#slots) if (item) yield item
  }

  /** @returns a page, or undefined if the cursor `after` is unknown */
  page({ after, limit, order, where = () => true }: PageQuery<T>): Page<T> | undefined {
    const step = order === 'desc' ? -1 : 1
    let position = order === 'desc' ? this.#slots.length - 1 : 0
    if (after !== undefined) {
      const cursor = this.#position.get(after)
      if (cursor === undefined) return undefined
      position = cursor + step
    }
    const data: T[] = []
    for (; position >= 0 && position < this.#slots.length; position += step) {
      const item = this.#slots[position]
      if (!item || !where(item)) continue
      if (data.length === limit) return { data, hasMore: true }
      data.push(item)
    }
    return { data, hasMore: false }
  }
}

export interface PageQuery<T> {
  after?: string | undefined
  limit: number
  order: 'asc' | 'desc'
  where?: (item: T) => boolean
}

export interface Page<T> {
  data: T[]
  hasMore: boolean
}
