/** The credential chain, and tokens made of credentials. */
export * from './chain.ts'
export * from './entra.ts'
export * from './google.ts'
export * from './google-external.ts'
export * from './key-set.ts'
export * from './tokens.ts'
