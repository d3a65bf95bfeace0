/** Plain-text tables. @module */

/**
 * Columns as wide as their widest cell, two spaces apart, with a rule under the heading. The first `names` columns are
 * aligned left, the others, which hold figures, right.
 */
export function table(heading: readonly string[], rows: readonly (readonly string[])[], names = 1): string {
  const widths = heading.map((title, column) =>
    Math.max(...[title, ...rows.map(row => row[column] ?? '')].map(lengthOf)),
  )
  const line = (cells: readonly string[]): string =>
    widths.map((width, column) => pad(cells[column] ?? '', width, column >= names)).join('  ')
  const rule = widths.map(width => '─'.repeat(width)).join('  ')
  return [line(heading), rule, ...rows.map(line)].map(each => each.trimEnd()).join('\n')
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(width - lengthOf(text))
  return right ? space + text : text + space
}

/** One line of at most `width` characters; what is cut off becomes an ellipsis. */
export function clip(text: string, width: number): string {
  const characters = [...text.replace(/\s+/g, ' ').trim()]
  return characters.length > width ? `${characters.slice(0, width - 1).join('')}…` : characters.join('')
}

/** Characters rather than UTF-16 units: an emoji is one. */
const lengthOf = (text: string): number => [...text].length
