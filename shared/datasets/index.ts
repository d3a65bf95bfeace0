/** Datasets: taken in, checked, kept, copied to where jobs need them. */
export * from './copies.ts'
export * from './count.ts'
export type { CountRecord } from './count-records.ts'
export * from './files.ts'
export { type FileCopy, type FileRecord, toFileObject } from './records.ts'
export { exampleWindow, PER_EXAMPLE, type TokenCounter, tokenCounterFor } from './tokens/index.ts'
export * from './upload.ts'
export { FEWEST_EXAMPLES } from './validator.ts'
