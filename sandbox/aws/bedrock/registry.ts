/** Resources by ARN or name, and the lists of them. */
import * as z from 'zod'
import { Ledger } from '../../ledger.ts'
import { check, invalid, missing } from '../errors.ts'

export interface Resource {
  /** The last part of the ARN. */
  id: string
  arn: string
  name: string
  createdAt: Date
}

const time = z.iso.datetime({ offset: true }).transform(text => new Date(text))

/** What all lists can be asked. */
const LIST_QUERY = {
  maxResults: z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(1).max(1000)).default(100),
  nextToken: z.string().min(1).optional(),
  nameContains: z.string().min(1).optional(),
  sortBy: z.enum(['CreationTime']).optional(),
  sortOrder: z.enum(['Ascending', 'Descending']).default('Descending'),
}

/** Lists call the same filter by two pairs of names. */
const PERIODS = {
  creationTime: { after: 'creationTimeAfter', before: 'creationTimeBefore' },
  created: { after: 'createdAfter', before: 'createdBefore' },
} as const

export interface ListOptions<T, Filters extends z.ZodRawShape> {
  period: keyof typeof PERIODS
  /** The list's own parameters … */
  filters: Filters
  /** … and what they mean. */
  where: (item: T, filters: z.output<z.ZodObject<Filters>>) => boolean
}

export class Registry<T extends Resource> {
  readonly ledger = new Ledger<T>()
  readonly #what: string

  /** @param what a word for error messages: `model customization job` */
  constructor(what: string) {
    this.#what = what
  }

  find(identifier: string): T | undefined {
    const byArn = this.ledger.get(identifier.split('/').at(-1) ?? '')
    if (byArn?.arn === identifier) return byArn
    for (const item of this.ledger) if (item.name === identifier) return item
    return undefined
  }

  /** @throws {AwsError} ResourceNotFoundException */
  get(identifier: string): T {
    const found = this.find(identifier)
    if (!found) throw missing(`Could not find ${this.#what} ${identifier}.`)
    return found
  }

  /** @throws {AwsError} ValidationException for a query that makes no sense */
  list<Filters extends z.ZodRawShape>(
    query: Record<string, string>,
    { period, filters, where }: ListOptions<T, Filters>,
  ): { items: T[]; nextToken?: string } {
    const { after, before } = PERIODS[period]
    const apart = new Set([after, before, ...Object.keys(filters)])
    const asked = check(
      z.strictObject(LIST_QUERY),
      Object.fromEntries(Object.entries(query).filter(([name]) => !apart.has(name))),
    )
    const own = check(z.object(filters), query)
    const times = z.record(z.string(), time.optional())
    const { [after]: from, [before]: until } = check(times, {
      [after]: query[after],
      [before]: query[before],
    })
    const page = this.ledger.page({
      after: asked.nextToken === undefined ? undefined : idIn(asked.nextToken),
      limit: asked.maxResults,
      order: asked.sortOrder === 'Ascending' ? 'asc' : 'desc',
      where: item =>
        (asked.nameContains === undefined || item.name.includes(asked.nameContains)) &&
        (from === undefined || item.createdAt > from) &&
        (until === undefined || item.createdAt < until) &&
        where(item, own),
    })
    if (!page) throw invalid('The provided pagination token is invalid.')
    const last = page.data.at(-1)
    return { items: page.data, ...(page.hasMore && last && { nextToken: tokenOf(last.id) }) }
  }
}

const tokenOf = (id: string): string => Buffer.from(`after:${id}`).toString('base64url')
const idIn = (token: string): string =>
  Buffer.from(token, 'base64url')
    .toString()
    .replace(/^after:/, '')
