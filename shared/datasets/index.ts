/** Datasets: taken in, checked, kept, copied to where jobs need them. */
export * from './copies.ts'
export { copiesOf } from './copy-records.ts'
export { continueCopy, resumeCopies } from './copy-work.ts'
export * from './deletion.ts'
export * from './files.ts'
export { type FileCopy, type FileRecord, toFileObject } from './records.ts'
export * from './upload.ts'
export { FEWEST_EXAMPLES } from './validator.ts'
