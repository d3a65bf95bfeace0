/** Datasets: taken in, checked, kept, copied to where jobs need them. */
export * from './copies.ts'
export * from './files.ts'
export { type FileCopy, type FileRecord, toFileObject } from './records.ts'
export * from './upload.ts'
export { sweepUploads } from './upload-life.ts'
export { addPart } from './upload-parts.ts'
export * from './uploads.ts'
export { FEWEST_EXAMPLES } from './validator.ts'
