/**
 * Tokens of models whose tokenizer does not run here, from what the text consists of. `docs/estimates.md` tells how the weights were
 * found and how far they are off.
 * @module
 */

/** Kinds of characters that tokenizers treat alike. */
const KINDS = [
  'letter',
  'word',
  'digit',
  'sign',
  'newline',
  'blank',
  'latin',
  'cyrillic',
  'semitic',
  'indic',
  'thai',
  'han',
  'kana',
  'hangul',
  'other',
] as const
type Kind = (typeof KINDS)[number]

/** Tokens for each character of a kind; `word` for each beginning of a word, `blank` for each space beyond the one before a word. */
type Weights = Readonly<Record<Kind, number>>

export interface Approximation {
  name: string
  weights: Weights
  /** Relative error: what 19 of 20 texts stayed within when it was measured, rounded up; more where the model's own tokenizer is not known. */
  error: number
}

const weights = (...values: readonly number[]): Weights =>
  Object.fromEntries(KINDS.map((kind, index) => [kind, values[index] ?? 0])) as Weights

/** Fitted to the tokenizer named, on 281 texts in over 60 languages, code and JSON; 2026-11-25. */
const FITTED = {
  gemma: weights(0.12, 0.56, 1.29, 0.56, 1, 0.24, 0.99, 0.23, 0.41, 0.45, 0.49, 0.68, 0.4, 0.83, 0.82),
  llama: weights(0.16, 0.53, 0.72, 0.35, 1, 0, 1.08, 0.29, 0.47, 0.68, 0.64, 0.7, 0.56, 0.75, 1.89),
  claude: weights(0.25, 0.12, 0.63, 0.41, 1, 0, 2.33, 0.59, 1.13, 1.37, 2.21, 0.97, 0.96, 1.31, 1.43),
  o200k: weights(0.16, 0.4, 0.7, 0.45, 1, 0.09, 0.97, 0.26, 0.35, 0.38, 0.47, 0.81, 0.68, 0.69, 0.5),
}

const FAMILIES: readonly (Approximation & { model: RegExp })[] = [
  { name: 'approximation:gemini', model: /gemini|gemma/, weights: FITTED.gemma, error: 0.25 },
  { name: 'approximation:llama', model: /llama/, weights: FITTED.llama, error: 0.25 },
  // Of Claude only the tokenizer of its second generation has been published.
  { name: 'approximation:claude', model: /claude|anthropic/, weights: FITTED.claude, error: 0.35 },
]

/** Nova, Titan and whatever is not known: no tokenizer of theirs is published. */
const UNKNOWN: Approximation = { name: 'approximation:unknown', weights: FITTED.o200k, error: 0.4 }

/** How a model's tokens are approximated. @param model as its provider names it */
export const approximationOf = (model: string): Approximation =>
  FAMILIES.find(family => family.model.test(model.toLowerCase())) ?? UNKNOWN

/** From which code unit on a kind begins; sorted. What lies beyond the basic plane comes as two surrogates, each `other`. */
const BLOCKS: readonly (readonly [number, Kind])[] = [
  [0x80, 'latin'],
  [0x250, 'other'],
  // Greek among it.
  [0x370, 'cyrillic'],
  [0x590, 'semitic'],
  [0x780, 'other'],
  [0x900, 'indic'],
  [0xe00, 'thai'],
  [0x10a0, 'other'],
  [0x1100, 'hangul'],
  [0x1200, 'other'],
  [0x1780, 'thai'],
  [0x1800, 'other'],
  [0x1e00, 'latin'],
  [0x1f00, 'other'],
  [0x3040, 'kana'],
  [0x3100, 'other'],
  [0x3400, 'han'],
  [0xa000, 'other'],
  [0xac00, 'hangul'],
  [0xd7b0, 'other'],
  [0xf900, 'han'],
  [0xfb00, 'other'],
  [0xfb1d, 'semitic'],
  [0xfe00, 'other'],
  [0xfe70, 'semitic'],
  [0xff00, 'other'],
]

const asciiKind = (code: number): Kind => {
  const char = String.fromCharCode(code)
  if (/[A-Za-z]/.test(char)) return 'letter'
  if (/[0-9]/.test(char)) return 'digit'
  if (/[\r\n]/.test(char)) return 'newline'
  return /[ \t]/.test(char) ? 'blank' : 'sign'
}

/** The kind of every code unit, as its place in {@link KINDS}. Made at the first use: 64 KiB. */
const makeTable = (): Uint8Array => {
  const table = new Uint8Array(0x10000)
  for (let code = 0; code < 0x80; code++) table[code] = KINDS.indexOf(asciiKind(code))
  for (const [start, kind] of BLOCKS) table.fill(KINDS.indexOf(kind), start)
  return table
}
let table: Uint8Array | undefined

const [WORD, NEWLINE, BLANK] = (['word', 'newline', 'blank'] as const).map(kind => KINDS.indexOf(kind))
/** Kinds whose letters make words with blanks between them. */
const IN_WORDS = new Set((['letter', 'latin', 'cyrillic'] as const).map(kind => KINDS.indexOf(kind)))

/** Counts a text's characters by kind. */
const census = (text: string): number[] => {
  table ??= makeTable()
  const counts = KINDS.map(() => 0)
  const add = (kind = 0) => {
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  let before = -1
  for (let index = 0; index < text.length; index++) {
    const kind = table[text.charCodeAt(index)] ?? 0
    // A single blank goes with the word behind it.
    if (kind !== BLANK || before === BLANK || before === NEWLINE) add(kind)
    if (IN_WORDS.has(kind) && !IN_WORDS.has(before)) add(WORD)
    before = kind
  }
  return counts
}

/** About how many tokens a text has: a whole number, at least 1 for a text that is not empty. */
export const approximateTokens = ({ weights: each }: Approximation, text: string): number => {
  if (text === '') return 0
  const sum = census(text).reduce((total, count, kind) => total + count * each[KINDS[kind] ?? 'other'], 0)
  return Math.max(1, Math.round(sum))
}
