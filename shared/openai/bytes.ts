/** Whether a content type says JSON, or a form of it (`application/problem+json`). */
export const isJsonType = (type: string | null): boolean =>
  type === 'application/json' || (type !== null && /^application\/([\w.-]+\+)?json\b/i.test(type))

/** Two pieces of a stream as one; without a first piece the second itself. */
export const joinBytes = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  if (a.length === 0) return b
  const joined = new Uint8Array(a.length + b.length)
  joined.set(a)
  joined.set(b, a.length)
  return joined
}
