/** Providers: the contract, the registry, and the way to a connection. */
export * from './answer-error.ts'
export * from './base-model.ts'
export * from './connect.ts'
export * from './provider.ts'
export * from './registry.ts'
