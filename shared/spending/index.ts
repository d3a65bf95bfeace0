/** Spending: prices, and what things cost by them. */
export * from './estimate.ts'
export { costOf } from './money.ts'
export { findPrice, type PriceRow } from './prices.ts'
