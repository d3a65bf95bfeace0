import { bytesToBase62, toBase62 } from './base62.ts'
import type { Clock, Ids } from './ports.ts'

/** Digits of the milliseconds: 62^8 lasts until the year 8888. */
const TIME_DIGITS = 8
const RANDOM_DIGITS = 16

/** Ids such as `file-0W3kq…`: time first, so that they sort by age, then 95 random bits. */
export const createIds = (clock: Clock): Ids => ({
  next: prefix =>
    prefix +
    toBase62(clock.now(), TIME_DIGITS) +
    bytesToBase62(crypto.getRandomValues(new Uint8Array(RANDOM_DIGITS))),
})
