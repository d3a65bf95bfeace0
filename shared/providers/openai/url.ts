import { badRequest } from '../../openai/index.ts'
import type { Settings } from '../provider.ts'

/** Encoding leaves these as they are, and a URL reads them as other places than one below. */
const NO_SEGMENT = /^\.{0,2}$/

/**
 * A URL below the connection's base. Segments are encoded: an id can never become a path or a host.
 * @throws {ApiError} 400 for an id that cannot be a segment.
 */
export const urlOf = (
  { baseUrl = '' }: Settings,
  segments: readonly string[],
  query: Record<string, string | number | undefined> = {},
): URL => {
  for (const segment of segments) {
    if (NO_SEGMENT.test(segment)) throw badRequest(null, `'${segment}' is not an id.`)
  }
  const url = new URL(baseUrl)
  url.pathname = [url.pathname.replace(/\/+$/, ''), ...segments.map(encodeURIComponent)].join('/')
  url.hash = ''
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  return url
}
