/**
 * The gateway's id as a label of Google Cloud, which takes only lower-case letters, digits, dashes and underscores, 63 of
 * them: RFC 4648's base 32 in small letters, so that no two ids are the same label.
 */
import { JOB_LABEL } from '../../openai/index.ts'

export const JOB_LABEL_KEY = JOB_LABEL

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'

/** At most 39 bytes go into a label. */
export const toLabel = (id: string): string => {
  let label = ''
  let bits = 0
  let count = 0
  for (const byte of new TextEncoder().encode(id)) {
    bits = (bits << 8) | byte
    count += 8
    while (count >= 5) {
      count -= 5
      label += ALPHABET.charAt((bits >> count) & 31)
    }
    bits &= (1 << count) - 1
  }
  return count === 0 ? label : label + ALPHABET.charAt((bits << (5 - count)) & 31)
}

/** The id behind a label, or undefined for a label that is none of the gateway's. */
export const fromLabel = (label: string): string | undefined => {
  const bytes: number[] = []
  let bits = 0
  let count = 0
  for (const char of label) {
    const value = ALPHABET.indexOf(char)
    if (value < 0) return undefined
    bits = (bits << 5) | value
    count += 5
    if (count >= 8) {
      count -= 8
      bytes.push((bits >> count) & 255)
    }
    bits &= (1 << count) - 1
  }
  return new TextDecoder().decode(new Uint8Array(bytes))
}
