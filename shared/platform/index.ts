/** The ports, and what is built on them for every platform alike. */
export * from './base62.ts'
export * from './bucket-writer.ts'
export * from './collection.ts'
export * from './due.ts'
export * from './ids.ts'
export * from './ports.ts'
export * from './sealing.ts'
