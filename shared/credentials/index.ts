/** The credential chain, and tokens made of credentials. */
export * from './chain.ts'
export * from './tokens.ts'
