/** Datasets: taken in, checked, kept, copied to where jobs need them. */
export { adoptFile, listNativeFiles } from './adopt.ts'
export * from './copies.ts'
export { copiesOf } from './copy-records.ts'
export { continueCopy, resumeCopies } from './copy-work.ts'
export * from './count.ts'
export type { CountRecord } from './count-records.ts'
export * from './deletion.ts'
export * from './files.ts'
export { createFormDigest, digestForm } from './form-digest.ts'
export { FEWEST_EXAMPLES } from './inspector.ts'
export { continueIntake, resumeIntakes } from './intake-work.ts'
export { removeLeftovers } from './leftovers.ts'
export type { FormHandlers } from './multipart.ts'
export { readFile } from './origins.ts'
export { type FileCopy, type FileRecord, toFileObject } from './records.ts'
export { isSource } from './sources.ts'
export { takeIn } from './take-in.ts'
export {
  errorOf,
  exampleWindow,
  guessOf,
  PER_EXAMPLE,
  type TokenCounter,
  tokenCounterFor,
} from './tokens/index.ts'
export * from './upload.ts'
export { sweepUploads } from './upload-life.ts'
export { addPart } from './upload-parts.ts'
export * from './uploads.ts'
export * from './validate.ts'
