/**
 * OpenAI's file format of rank tables: a line for each token, its bytes in base64 and its rank. Read character by character: there are
 * 200,000 lines and a first count waits for them; `atob` and `TextDecoder` for each take four times as long.
 * @module
 */

/** A token by its rank: as text where its bytes are text, else as bytes. The form gpt-tokenizer takes. */
export type Ranks = (string | number[])[]

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const SPACE = 0x20
const LINE_FEED = 0x0a
const ZERO = 0x30
const PADDING = 0x3d

/** Lead bytes of UTF-8: how many bytes follow, the bits of the lead that count, the least that may be said so long. */
const LEADS: readonly { from: number; to: number; more: number; mask: number; least: number }[] = [
  { from: 0x00, to: 0x7f, more: 0, mask: 0x7f, least: 0 },
  { from: 0xc2, to: 0xdf, more: 1, mask: 0x1f, least: 0x80 },
  { from: 0xe0, to: 0xef, more: 2, mask: 0x0f, least: 0x800 },
  { from: 0xf0, to: 0xf4, more: 3, mask: 0x07, least: 0x10000 },
]
const LEAD_OF = Array.from({ length: 0x100 }, (_, byte) =>
  LEADS.find(({ from, to }) => byte >= from && byte <= to),
)

/** Bytes as text, or undefined where they are no whole characters. */
const asText = (bytes: readonly number[]): string | undefined => {
  let text = ''
  for (let at = 0; at < bytes.length; at++) {
    const first = bytes[at] ?? 0
    const lead = LEAD_OF[first]
    if (!lead) return undefined
    let code = first & lead.mask
    for (let left = lead.more; left > 0; left--) {
      const next = bytes[++at] ?? 0
      if ((next & 0xc0) !== 0x80) return undefined
      code = (code << 6) | (next & 0x3f)
    }
    if (code < lead.least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return undefined
    text += String.fromCodePoint(code)
  }
  return text
}

/** Reads a table. @throws {Error} when the text is none */
export const parseRanks = (table: string): Ranks => {
  const sixtets = new Uint8Array(0x80)
  for (const [bits, char] of [...ALPHABET].entries()) sixtets[char.charCodeAt(0)] = bits
  const ranks: Ranks = []
  for (let at = 0; at < table.length; at++) {
    const bytes: number[] = []
    let bits = 0
    let held = 0
    for (let code = table.charCodeAt(at); code > SPACE; code = table.charCodeAt(++at)) {
      if (code === PADDING) continue
      bits = (bits << 6) | (sixtets[code] ?? 0)
      held += 6
      if (held < 8) continue
      held -= 8
      bytes.push((bits >> held) & 0xff)
    }
    let rank = 0
    for (let code = table.charCodeAt(++at); code > LINE_FEED; code = table.charCodeAt(++at))
      rank = rank * 10 + code - ZERO
    if (bytes.length > 0) ranks[rank] = asText(bytes) ?? bytes
  }
  if (ranks.length === 0) throw new Error('The rank table is empty.')
  return ranks
}
