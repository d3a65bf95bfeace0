/**
 * OpenAI's file format of rank tables: a line for each token, its bytes in base64 and its rank.
 * @module
 */

/** Ranks by the token's bytes, each byte a character of the same code. */
export type Ranks = ReadonlyMap<string, number>

/** Reads a table. @throws {Error} when the text is none */
export const parseRanks = (table: string): Ranks => {
  const ranks = new Map<string, number>()
  for (let start = 0; start < table.length; ) {
    const space = table.indexOf(' ', start)
    const end = table.indexOf('\n', start)
    const stop = end === -1 ? table.length : end
    if (space !== -1 && space < stop)
      ranks.set(atob(table.slice(start, space)), Number(table.slice(space + 1, stop)))
    start = stop + 1
  }
  if (ranks.size === 0) throw new Error('The rank table is empty.')
  return ranks
}
