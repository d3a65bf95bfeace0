/** Datasets: taken in, checked, kept, copied to where jobs need them. */
export { adoptFile, listNativeFiles } from './adopt.ts'
export * from './copies.ts'
export * from './files.ts'
export { type FileCopy, type FileRecord, toFileObject } from './records.ts'
export * from './upload.ts'
export { FEWEST_EXAMPLES } from './validator.ts'
