/** The credential chain. */
export * from './chain.ts'
