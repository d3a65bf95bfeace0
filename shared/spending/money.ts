/**
 * Money in whole millionths of a dollar, so that nothing is lost in binary fractions. A price per unit times units is rounded once, half
 * up, to a millionth; sums are exact.
 * @module
 */

const MILLION = 1_000_000

/** Dollars as whole millionths; prices have no finer ones (`defineConfig` sees to it). */
export const toMicros = (usd: number): number => Math.round(usd * MILLION)
export const toUsd = (micros: number): number => micros / MILLION

export const sum = (amounts: readonly number[]): number => amounts.reduce((total, each) => total + each, 0)

/** A price: so many dollars for so many units. */
export interface UnitPrice {
  usd: number
  /** Units, a whole number from 1: 1,000,000 for a price per million tokens. */
  per: number
}

/** What so many units cost, in dollars to the millionth. @param units a whole number from 0 */
export const costOf = (units: number, { usd, per }: UnitPrice): number => {
  const parts = BigInt(per)
  // Twice the amount, plus one part, halved: half up.
  const micros = (2n * BigInt(units) * BigInt(toMicros(usd)) + parts) / (2n * parts)
  return toUsd(Number(micros))
}
