/** Habits of Google's JSON: 64-bit integers as strings, times in RFC 3339, ids of digits. */
import { randomInt } from 'node:crypto'
import * as z from 'zod'

/** An int64 field: a string of digits, or a number that is exact; parsed to a number. */
export const int64 = (least: number): z.ZodType<number> =>
  z
    .union([
      z.int(),
      z
        .string()
        .regex(/^-?\d{1,15}$/)
        .transform(Number),
    ])
    .pipe(z.int().min(least))

/** A moment as `google.protobuf.Timestamp`. */
export const timestamp = (at: Date): string => at.toISOString().replace(/Z$/, '000Z')

/** A resource id as Google draws them: 19 digits, beyond what a double can hold. */
export function numericId(): string {
  const pair = (): string => String(randomInt(10 ** 9)).padStart(9, '0')
  return `${randomInt(1, 10)}${pair()}${pair()}`
}
