/** A JSON body, or undefined when it is none. Never throws: the text may be anything, and errors of a parser quote it. */
export const parseJson = (json: Uint8Array | string): unknown => {
  try {
    return JSON.parse(typeof json === 'string' ? json : new TextDecoder().decode(json))
  } catch {
    return undefined
  }
}
