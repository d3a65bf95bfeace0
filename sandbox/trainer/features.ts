/**
 * From a conversation to hashed features: words, pairs of neighbouring words, and character n-grams inside a
 * word (they carry over typos and inflections). Every feature is a number below {@link HASH_SIZE}; nothing of
 * the text is kept.
 */

/** One turn of a conversation, free of any provider's wire. */
export interface Turn {
  role: 'system' | 'user' | 'assistant' | 'tool'
  text: string
}

/** Feature number → how much of it the conversation holds. */
export type Features = Map<number, number>

export const HASH_SIZE = 2 ** 18

/** A feature that every conversation has once: its weights become the answers' prior. */
export const BIAS = 0

const WORD = /[\p{L}\p{N}]+(?:['’]\p{L}+)?/gu
const CHARACTER_NGRAMS = [3, 4, 5]

/** Where a text stands in the conversation decides its namespace (a hash seed) and its weight. */
const PLACES = {
  question: { seed: 0x811c9dc5, weight: 1 },
  afterwards: { seed: 0x01000193, weight: 1 },
  earlier: { seed: 0x9e3779b9, weight: 0.3 },
} as const

const KINDS = {
  word: { salt: 1, weight: 1 },
  pair: { salt: 2, weight: 0.8 },
  characters: { salt: 3, weight: 0.35 },
} as const

/** FNV-1a over the code units, with a final mix so that the low bits are good too. */
function hash(text: string, seed: number): number {
  let value = seed
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  // 0 belongs to the bias.
  return (((value ^ (value >>> 16)) >>> 0) % (HASH_SIZE - 1)) + 1
}

function addText(features: Features, text: string, place: { seed: number; weight: number }): void {
  const add = (kind: { salt: number; weight: number }, piece: string): void => {
    const feature = hash(piece, place.seed ^ kind.salt)
    features.set(feature, (features.get(feature) ?? 0) + place.weight * kind.weight)
  }
  let previous = '^'
  for (const [word] of text.normalize('NFKC').toLowerCase().matchAll(WORD)) {
    add(KINDS.word, word)
    add(KINDS.pair, `${previous} ${word}`)
    previous = word
    const padded = `<${word}>`
    for (const size of CHARACTER_NGRAMS) {
      for (let start = 0; start + size <= padded.length; start++) {
        add(KINDS.characters, padded.slice(start, start + size))
      }
    }
  }
}

/**
 * The features of a conversation that waits for an answer. The last user turn weighs full, and so does what
 * came after it (tool calls and their results); everything before weighs less.
 */
export function conversationFeatures(turns: readonly Turn[]): Features {
  const features: Features = new Map([[BIAS, 1]])
  const question = turns.findLastIndex(turn => turn.role === 'user')
  turns.forEach((turn, index) => {
    if (index === question) addText(features, turn.text, PLACES.question)
    else addText(features, turn.text, index > question ? PLACES.afterwards : PLACES.earlier)
  })
  // Whether the ball is with the user or a tool has answered changes what comes next.
  const last = turns.at(-1)
  if (last) features.set(hash(last.role, PLACES.afterwards.seed), 1)
  return features
}
