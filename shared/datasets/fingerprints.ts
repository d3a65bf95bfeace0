/**
 * Which examples are the same, in bounded memory: a 64-bit fingerprint of each, with the line it came in.
 * @module
 */
import { ROLES } from './example.ts'
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
    number(value: number) {
      a = Math.imul(a ^ value, PRIME_B)
      b = Math.imul(b ^ value, PRIME_A)
      a ^= a >>> 15
    },
    get state(): readonly [number, number] {
      return [a, b]
    },
    resume([x, y]: readonly [number, number]) {
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
/** The first message hashed last, and where the hash stood after it. */
let opening: { content: string; role: string; state: readonly [number, number] } = {
  content: '',
  role: '',
  state: [0, 0],
}

const addMessage = ({ role, content, tool_calls: calls }: Message) => {
  hash.number(ROLES.indexOf(role))
  if (typeof content === 'string') hash.text(content)
  else if (content != null) hash.text(JSON.stringify(content))
  if (calls) hash.text(JSON.stringify(calls))
}
const addChat = ({ messages, tools }: ChatExample) => {
  const [first] = messages
  // Most datasets begin each example with the same text.
  if (typeof first?.content === 'string' && !first.tool_calls) {
    if (first.content === opening.content && first.role === opening.role) hash.resume(opening.state)
    else {
      addMessage(first)
      opening = { content: first.content, role: first.role, state: hash.state }
    }
  } else if (first) addMessage(first)
  for (let index = 1; index < messages.length; index++) {
    const message = messages[index]
    if (message) addMessage(message)
  }
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
      hash.number(ROLES.length)
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
  // Three words a slot (high, low, line), side by side: one visit to memory.
  let table = new Uint32Array(Math.min(FIRST_SLOTS, slots) * 3)
  let mask = table.length / 3 - 1
  let size = 0

  /** Where the slot of a fingerprint begins, or the free one where it belongs. */
  const placeOf = (high: number, low: number): number => {
    let slot = low & mask
    for (;;) {
      const place = slot * 3
      const found = table[place]
      if (found === 0 || (found === high && table[place + 1] === low)) return place
      slot = (slot + 1) & mask
    }
  }
  const put = (place: number, high: number, low: number, line: number) => {
    table[place] = high
    table[place + 1] = low
    table[place + 2] = line
  }
  const grow = () => {
    const old = table
    table = new Uint32Array(old.length * 2)
    mask = mask * 2 + 1
    for (let place = 0; place < old.length; place += 3) {
      const high = old[place] ?? 0
      const low = old[place + 1] ?? 0
      if (high !== 0) put(placeOf(high, low), high, low, old[place + 2] ?? 0)
    }
  }

  return {
    get size() {
      return size
    },
    find: ({ high, low }) => table[placeOf(high, low) + 2] ?? 0,
    add({ high, low }, line) {
      const place = placeOf(high, low)
      const found = table[place + 2] ?? 0
      if (found !== 0) return found
      if (size * 4 >= (mask + 1) * FULL) {
        if (mask + 1 >= slots) return 0
        grow()
        put(placeOf(high, low), high, low, line)
      } else put(place, high, low, line)
      size++
      return 0
    },
  }
}
