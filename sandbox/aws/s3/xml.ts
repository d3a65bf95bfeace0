/** As much XML as S3 needs. */

export type Value = string | number | boolean | Children | readonly Value[] | undefined
export interface Children {
  [name: string]: Value
}

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
const SIGNS: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\r': '&#13;' }

const escaped = (text: string): string => text.replace(/[&<>"\r]/g, sign => SIGNS[sign] ?? sign)

/** A list becomes one element for each item; undefined becomes none. */
function element(name: string, value: Value): string {
  if (value === undefined) return ''
  if (Array.isArray(value)) return value.map(item => element(name, item)).join('')
  const inner = typeof value === 'object' ? elements(Object.entries(value)) : escaped(String(value))
  return `<${name}>${inner}</${name}>`
}

const elements = (entries: readonly (readonly [string, Value])[]): string =>
  entries.map(([name, value]) => element(name, value)).join('')

export function document(root: string, children: Children, namespace: string | null = NAMESPACE): string {
  const attribute = namespace === null ? '' : ` xmlns="${namespace}"`
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${elements(Object.entries(children))}</${root}>`
}

const ENTITIES: Record<string, string> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&',
  '#34': '"',
  '#39': "'",
}

const unescaped = (text: string): string =>
  text.replace(/&(lt|gt|quot|apos|amp|#34|#39);/g, (all, name: string) => ENTITIES[name] ?? all)

/** What stands in the elements of that name, in order. */
export function innerOf(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, 'g')
  return Array.from(xml.matchAll(pattern), ([, inner = '']) => inner)
}

/** The text of the first element of that name. */
export function textOf(xml: string, name: string): string | undefined {
  const [inner] = innerOf(xml, name)
  return inner === undefined ? undefined : unescaped(inner.trim())
}
