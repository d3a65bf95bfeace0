/** Datasets: taken in, checked, kept, copied to where jobs need them. */
export * from './copies.ts'
export * from './files.ts'
export { FEWEST_EXAMPLES } from './inspector.ts'
export { type FileCopy, type FileRecord, toFileObject } from './records.ts'
export * from './upload.ts'
export * from './validate.ts'
