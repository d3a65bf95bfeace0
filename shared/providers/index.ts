/** Providers: the contract, the registry, and the way to a connection. */
export * from './allowed.ts'
export * from './answer-error.ts'
export * from './base-model.ts'
export * from './connect.ts'
export * from './listing.ts'
export * from './native.ts'
export * from './provider.ts'
export * from './registry.ts'
