/**
 * Which examples are the same, in bounded memory: a 64-bit fingerprint of each, with the line it came in.
 * @module
 */
import { ROLES } from './example.ts'
import { type ChatExample, type Example, isPreference, type Message } from './formats/index.ts'

const SEED = 0x2545f491
const PRIME_A = 0x9e3779b1
const PRIME_B = 0x5f356495

/**
 * Two 32-bit lanes that go on from text to text. They lie in typed memory: as numbers, most of them would be objects of
 * their own. Not for use against an adversary.
 */
const lanes = new Int32Array(2)

const addText = (text: string) => {
  const { length } = text
  let a = (lanes[0] ?? 0) ^ length
  let b = lanes[1] ?? 0
  let at = 0
  // Two characters at a time: half the multiplications.
  for (; at + 1 < length; at += 2) {
    const both = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16)
    a = Math.imul(a ^ both, PRIME_A)
    b = Math.imul(b ^ both, PRIME_B)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  if (at < length) {
    a = Math.imul(a ^ text.charCodeAt(at), PRIME_A)
    b = Math.imul(b ^ text.charCodeAt(at), PRIME_B)
  }
  lanes[0] = a
  lanes[1] = b
}
const addNumber = (value: number) => {
  const a = Math.imul((lanes[0] ?? 0) ^ value, PRIME_B)
  lanes[0] = a ^ (a >>> 15)
  lanes[1] = Math.imul((lanes[1] ?? 0) ^ value, PRIME_A)
}

const copy = (from: Int32Array, to: Int32Array) => {
  to[0] = from[0] ?? 0
  to[1] = from[1] ?? 0
}

/** The first message hashed last, and where the lanes stood after it. */
const opening = { content: '', role: '', lanes: new Int32Array(2) }

const addMessage = ({ role, content, tool_calls: calls }: Message) => {
  addNumber(ROLES.indexOf(role))
  if (typeof content === 'string') addText(content)
  else if (content != null) addText(JSON.stringify(content))
  if (calls) addText(JSON.stringify(calls))
}
const addChat = ({ messages, tools }: ChatExample) => {
  const [first] = messages
  // Most datasets begin each example with the same text.
  if (typeof first?.content === 'string' && !first.tool_calls) {
    if (first.content === opening.content && first.role === opening.role) copy(opening.lanes, lanes)
    else {
      addMessage(first)
      opening.content = first.content
      opening.role = first.role
      copy(lanes, opening.lanes)
    }
  } else if (first) addMessage(first)
  for (let index = 1; index < messages.length; index++) {
    const message = messages[index]
    if (message) addMessage(message)
  }
  if (tools) addText(JSON.stringify(tools))
}

/** Two 32-bit halves, not both zero. */
export type Fingerprint = Uint32Array
const print: Fingerprint = new Uint32Array(2)

/**
 * What an example says, whatever its spacing and container: the same messages have the same fingerprint.
 * @returns the same memory each time, to be used at once
 */
export const fingerprint = (example: Example): Fingerprint => {
  lanes[0] = SEED
  lanes[1] = ~SEED
  if (isPreference(example)) {
    addChat(example.input)
    for (const output of [example.preferred_output, example.non_preferred_output]) {
      addNumber(ROLES.length)
      for (const message of output) addMessage(message)
    }
  } else addChat(example)
  const a = lanes[0] ?? 0
  const b = lanes[1] ?? 0
  print[0] = Math.imul(a ^ (b >>> 16), 0x85ebca6b)
  print[1] = Math.imul(b ^ (a >>> 13), 0xc2b2ae35)
  // Zero marks a free slot.
  if (print[0] === 0) print[0] = 1
  return print
}

/** Slots of a full table, 12 bytes each. */
const MOST_SLOTS = 1 << 19
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
 * Remembers up to three quarters of `slots` different examples (393,216; 6 MiB). Later ones are still compared with
 * these, but not with each other.
 */
export const createFingerprints = (slots = MOST_SLOTS): Fingerprints => {
  // Three words a slot (high, low, line), side by side: one visit to memory.
  let table = new Uint32Array(Math.min(FIRST_SLOTS, slots) * 3)
  let mask = table.length / 3 - 1
  let size = 0

  /**
   * Where the slot of a fingerprint begins, or the free one where it belongs. Fingerprints are handed on in typed memory
   * alone: as arguments, most of their halves would be objects.
   */
  const placeOf = (print: Fingerprint): number => {
    let slot = (print[1] ?? 0) & mask
    for (;;) {
      const place = slot * 3
      const found = table[place]
      if (found === 0 || (found === print[0] && table[place + 1] === print[1])) return place
      slot = (slot + 1) & mask
    }
  }
  const put = (print: Fingerprint, line: number) => {
    const place = placeOf(print)
    table[place] = print[0] ?? 0
    table[place + 1] = print[1] ?? 0
    table[place + 2] = line
  }
  const grow = () => {
    const old = table
    const moved = new Uint32Array(2)
    // In few and large steps: each leaves its table behind until memory is cleared up.
    const grown = Math.min((mask + 1) * 4, slots)
    table = new Uint32Array(grown * 3)
    mask = grown - 1
    for (let place = 0; place < old.length; place += 3) {
      moved[0] = old[place] ?? 0
      moved[1] = old[place + 1] ?? 0
      if (moved[0] !== 0) put(moved, old[place + 2] ?? 0)
    }
  }
  const find = (print: Fingerprint) => table[placeOf(print) + 2] ?? 0

  return {
    get size() {
      return size
    },
    find,
    add(print, line) {
      const found = find(print)
      if (found !== 0) return found
      if (size * 4 >= (mask + 1) * FULL) {
        if (mask + 1 >= slots) return 0
        grow()
      }
      put(print, line)
      size++
      return 0
    },
  }
}
