/**
 * Text → bytes, without garbage.
 * @module
 */

const encoder = new TextEncoder()
/** Bytes whose lines are made into text at a time: short texts die young, long ones outlive the moment and make the heap grow. */
export const BITE = 16 * 1024
/** Memory kept for texts from the beginning. */
const FIRST_KEPT = 4 * BITE
/** UTF-8 has no more for one unit of a text. */
const MOST_BYTES = 3
/** Memory kept for texts: a dataset of very long lines is not the rule. */
const MOST_KEPT = 1024 * 1024

/** Turns texts into bytes, which are good until the next text: always in the same memory, so that a long dataset leaves no garbage. */
export const createEncoder = () => {
  let memory = new Uint8Array(FIRST_KEPT)
  return (text: string): Uint8Array => {
    const most = text.length * MOST_BYTES
    if (most > MOST_KEPT) return encoder.encode(text)
    if (most > memory.length) memory = new Uint8Array(most)
    return memory.subarray(0, encoder.encodeInto(text, memory).written)
  }
}
