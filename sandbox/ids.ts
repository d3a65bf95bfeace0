import { randomInt } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A random id: the prefix and `length` letters or digits. */
export function newId(prefix: string, length = 24): string {
  let id = prefix
  for (let count = 0; count < length; count++) id += ALPHABET[randomInt(ALPHABET.length)]
  return id
}

/** Now, in whole seconds since 1970. */
export function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
