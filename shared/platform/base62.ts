/**
 * Base 62 with an alphabet in ASCII order, so that padded numbers sort as strings.
 * @module
 */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A non-negative integer, padded to `width` digits. */
export const toBase62 = (value: number, width: number): string => {
  let digits = ''
  for (let rest = value; rest > 0; rest = Math.floor(rest / 62)) digits = ALPHABET.charAt(rest % 62) + digits
  return digits.padStart(width, '0')
}

/** As many digits as bytes. Bytes from 248 on are folded, which skews digits 0 to 7 slightly: ids, not secrets. */
export const bytesToBase62 = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => ALPHABET.charAt(byte % 62)).join('')
