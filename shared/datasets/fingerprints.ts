/**
 * Which examples are the same, in bounded memory: a 64-bit fingerprint of each, with the line it came in.
 * @module
 */
import { type ChatExample, type Example, isPreference, type Message } from './formats/index.ts'

const SEED = 0x2545f491
const PRIME_A = 0x9e3779b1
const PRIME_B = 0x5f356495

/** A text as two 32-bit lanes that go on from where the last text ended. Not for use against an adversary. */
const createHash = () => {
  let a = SEED
  let b = ~SEED
  return {
    reset() {
      a = SEED
      b = ~SEED
    },
    text(value: string) {
      const { length } = value
      let x = a ^ length
      let y = b
      let at = 0
      // Two characters at a time: half the multiplications.
      for (; at + 1 < length; at += 2) {
        const both = value.charCodeAt(at) | (value.charCodeAt(at + 1) << 16)
        x = Math.imul(x ^ both, PRIME_A)
        y = Math.imul(y ^ both, PRIME_B)
        x ^= x >>> 15
        y ^= y >>> 13
      }
      if (at < length) {
        x = Math.imul(x ^ value.charCodeAt(at), PRIME_A)
        y = Math.imul(y ^ value.charCodeAt(at), PRIME_B)
      }
      a = x
      b = y
    },
    /** Never both zero, which stands for nothing. */
    get high() {
      return Math.imul(a ^ (b >>> 16), 0x85ebca6b) >>> 0 || 1
    },
    get low() {
      return Math.imul(b ^ (a >>> 13), 0xc2b2ae35) >>> 0
    },
  }
}
const hash = createHash()

const addMessage = ({ role, content, tool_calls: calls }: Message) => {
  hash.text(role)
  if (typeof content === 'string') hash.text(content)
  else if (content != null) hash.text(JSON.stringify(content))
  if (calls) hash.text(JSON.stringify(calls))
}
const addChat = ({ messages, tools }: ChatExample) => {
  for (const message of messages) addMessage(message)
  if (tools) hash.text(JSON.stringify(tools))
}

/** Two 32-bit halves. */
export interface Fingerprint {
  readonly high: number
  readonly low: number
}

/**
 * What an example says, whatever its spacing and container: the same messages have the same fingerprint.
 * @returns the same object each time, to be used at once
 */
export const fingerprint = (example: Example): Fingerprint => {
  hash.reset()
  if (isPreference(example)) {
    addChat(example.input)
    for (const output of [example.preferred_output, example.non_preferred_output]) {
      hash.text('output')
      for (const message of output) addMessage(message)
    }
  } else addChat(example)
  return hash
}

/** Slots of a full table, 12 bytes each. */
const MOST_SLOTS = 1 << 20
const FIRST_SLOTS = 1 << 10
/** How full a table gets, in quarters. */
const FULL = 3

export interface Fingerprints {
  /** @returns the line of the same example before, or 0; then this one is remembered, as long as there is room */
  add(print: Fingerprint, line: number): number
  /** @returns the line of the same example, or 0 */
  find(print: Fingerprint): number
  /** Different examples remembered. */
  readonly size: number
}

/**
 * Remembers up to three quarters of `slots` different examples (786,432; 12 MiB). Later ones are still compared with
 * these, but not with each other.
 */
export const createFingerprints = (slots = MOST_SLOTS): Fingerprints => {
  let highs = new Uint32Array(Math.min(FIRST_SLOTS, slots))
  let lows = new Uint32Array(highs.length)
  let lines = new Uint32Array(highs.length)
  let size = 0

  /** The slot of a fingerprint, or the free one where it belongs. */
  const slotOf = (high: number, low: number): number => {
    const mask = highs.length - 1
    let slot = low & mask
    while (highs[slot] !== 0 && (highs[slot] !== high || lows[slot] !== low)) slot = (slot + 1) & mask
    return slot
  }
  const put = (high: number, low: number, line: number) => {
    const slot = slotOf(high, low)
    highs[slot] = high
    lows[slot] = low
    lines[slot] = line
  }
  const grow = () => {
    const old = { highs, lows, lines }
    highs = new Uint32Array(old.highs.length * 2)
    lows = new Uint32Array(highs.length)
    lines = new Uint32Array(highs.length)
    for (let slot = 0; slot < old.highs.length; slot++) {
      const high = old.highs[slot] ?? 0
      if (high !== 0) put(high, old.lows[slot] ?? 0, old.lines[slot] ?? 0)
    }
  }

  return {
    get size() {
      return size
    },
    find: ({ high, low }) => lines[slotOf(high, low)] ?? 0,
    add({ high, low }, line) {
      const found = lines[slotOf(high, low)] ?? 0
      if (found !== 0) return found
      if (size * 4 >= highs.length * FULL) {
        if (highs.length >= slots) return 0
        grow()
      }
      put(high, low, line)
      size++
      return 0
    },
  }
}
