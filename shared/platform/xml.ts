/**
 * As much of XML as S3's answers need. A parser would be the better tool for documents by anyone; these are written by one
 * machine, flat, without attributes on what is read, comments or CDATA, and no element is nested in one of its name.
 * @module
 */

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const fromCodePoint = (code: number): string | undefined =>
  code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined

const unescaped = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex?: string, decimal?: string, name?: string) => {
    if (hex !== undefined) return fromCodePoint(Number.parseInt(hex, 16)) ?? all
    if (decimal !== undefined) return fromCodePoint(Number(decimal)) ?? all
    return ENTITIES[name ?? ''] ?? all
  })

export const escapeXml = (text: string): string =>
  text.replace(/[&<>"]/g, char => `&${Object.entries(ENTITIES).find(([, sign]) => sign === char)?.[0]};`)

/** What stands inside each element of a name, in order. */
export const xmlElements = (xml: string, name: string): string[] =>
  Array.from(
    xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}\\s*>`, 'g')),
    ([, inner = '']) => inner,
  )

/** The text of the first element of a name. */
export const xmlText = (xml: string, name: string): string | undefined => {
  const [inner] = xmlElements(xml, name)
  return inner === undefined ? undefined : unescaped(inner)
}
