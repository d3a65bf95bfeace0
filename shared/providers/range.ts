/** The header that asks for a body from a byte on (RFC 9110, 14.2); none for all of it, so that the request stays as it was. */
export const rangeFrom = (from = 0): { headers?: { range: string } } =>
  from === 0 ? {} : { headers: { range: `bytes=${from}-` } }

/**
 * The byte that a partial answer begins at, and the length of the whole: where it is not told, the range goes on to the end, as it was
 * asked for (RFC 9110, 14.4). Undefined where nothing, or nothing of the kind, is said.
 */
export const rangeOf = (headers: Headers): { start: number; length: string } | undefined => {
  const [, start, end, length] =
    /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(headers.get('content-range') ?? '') ?? []
  if (start === undefined || length === undefined) return undefined
  return { start: Number(start), length: length === '*' ? String(Number(end) + 1) : length }
}
