import type { Settings } from '../provider.ts'

/** A URL below the connection's base. Segments are encoded: an id can never become a path or a host. */
export const urlOf = (
  { baseUrl = '' }: Settings,
  segments: readonly string[],
  query: Record<string, string | number | undefined> = {},
): URL => {
  const url = new URL(`${baseUrl.replace(/\/+$/, '')}/${segments.map(encodeURIComponent).join('/')}`)
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  return url
}
