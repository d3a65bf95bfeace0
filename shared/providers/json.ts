/** A JSON body, or undefined when it is none. Never throws: the text may be anything, and errors of a parser quote it. */
export const parseJson = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
