/** The header that asks for a body from a byte on (RFC 9110, 14.2); none for all of it, so that the request stays as it was. */
export const rangeFrom = (from = 0): { headers?: { range: string } } =>
  from === 0 ? {} : { headers: { range: `bytes=${from}-` } }
