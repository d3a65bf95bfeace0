/** `GET …/o`: a page of names, with a delimiter folded into prefixes. */
import type { Bucket, StoredObject } from './bucket.ts'
import { invalid } from './errors.ts'

const LARGEST_PAGE = 1000

type Entry = { name: string; object: StoredObject } | { name: string; object: undefined }

export interface Listing {
  objects: StoredObject[]
  prefixes: string[]
  nextPageToken: string | undefined
}

/** @throws {StorageError} 400 for a bad page size or token */
export function listObjects(bucket: Bucket, query: Record<string, string>): Listing {
  const size = pageSize(query.maxResults)
  const after = query.pageToken === undefined ? undefined : nameIn(query.pageToken)
  const rest = entries(bucket, query.prefix ?? '', query.delimiter ?? '').filter(
    ({ name }) => after === undefined || name > after,
  )
  const page = rest.slice(0, size)
  const last = page.at(-1)
  return {
    objects: page.flatMap(({ object }) => object ?? []),
    prefixes: page.flatMap(({ name, object }) => (object ? [] : [name])),
    nextPageToken: rest.length > size && last ? tokenOf(last.name) : undefined,
  }
}

function entries(bucket: Bucket, prefix: string, delimiter: string): Entry[] {
  const found = new Map<string, Entry>()
  for (const object of bucket.list()) {
    const { name } = object
    if (!name.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
    const folded = cut < 0 ? name : name.slice(0, cut + delimiter.length)
    if (cut < 0) found.set(name, { name, object })
    else found.set(folded, { name: folded, object: undefined })
  }
  return [...found.values()]
}

function pageSize(text: string | undefined): number {
  if (text === undefined) return LARGEST_PAGE
  const size = /^\d+$/.test(text) ? Number(text) : 0
  if (size < 1) throw invalid(`Invalid value for maxResults: ${text}`)
  return Math.min(size, LARGEST_PAGE)
}

const tokenOf = (name: string): string => Buffer.from(name).toString('base64url')

function nameIn(token: string): string {
  const name = Buffer.from(token, 'base64url').toString()
  if (tokenOf(name) !== token) throw invalid('Invalid pageToken.')
  return name
}
