/**
 * CSV columns → messages.
 * @module
 */
import type { Columns } from '../../openai/index.ts'
import type { ChatExample, Message } from '../formats/format.ts'

/** What is looked for where nothing is declared. */
const KNOWN: readonly Columns[] = [
  { system: 'system', user: 'user', assistant: 'assistant' },
  { system: 'system', user: 'prompt', assistant: 'completion' },
]
export const KNOWN_COLUMNS = "the columns 'user' and 'assistant', or 'prompt' and 'completion'"

const ROLES = ['system', 'user', 'assistant'] as const
type Role = (typeof ROLES)[number]

/** A message's text: in a cell of the record, or the same each time. */
type Place = { role: Role; cell: number } | { role: Role; text: string }

export interface Layout {
  places: Place[]
  /** Names of the columns that are not used. */
  unused: string[]
}

const plain = (name: string) => name.trim().toLowerCase()

/** The cell under a name; as it is written first, then whatever its case. */
const cellOf = (header: readonly string[], name: string): number => {
  const exact = header.indexOf(name)
  return exact === -1 ? header.findIndex(each => plain(each) === plain(name)) : exact
}

const layOut = (header: readonly string[], columns: Columns, isOptional: (role: Role) => boolean) => {
  const missing: string[] = []
  const places = ROLES.flatMap((role): Place[] => {
    const source = columns[role]
    if (source === undefined) return []
    if (typeof source !== 'string') return [{ role, text: source.text }]
    const cell = cellOf(header, source)
    if (cell !== -1) return [{ role, cell }]
    if (!isOptional(role)) missing.push(source)
    return []
  })
  const used = new Set(places.map(place => ('cell' in place ? place.cell : -1)))
  const unused = header.filter((name, cell) => !used.has(cell) && name.trim() !== '')
  return { places, unused, missing }
}

/** @returns the layout, or the names that the header lacks */
export const layoutOf = (
  header: readonly string[],
  columns: Columns | undefined,
): Layout | { missing: string[] } => {
  if (columns) {
    const { missing, ...layout } = layOut(header, columns, () => false)
    return missing.length > 0 ? { missing } : layout
  }
  for (const known of KNOWN) {
    const { missing, ...layout } = layOut(header, known, role => role === 'system')
    if (missing.length === 0) return layout
  }
  return { missing: [] }
}

/** One record as an example. A system message without text is none. */
export const toExample = ({ places }: Layout, record: readonly string[]): ChatExample => {
  const messages: Message[] = []
  for (const place of places) {
    const content = 'cell' in place ? (record[place.cell] ?? '') : place.text
    if (place.role !== 'system' || content !== '') messages.push({ role: place.role, content })
  }
  return { messages }
}
