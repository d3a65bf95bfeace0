/** Serving: a model's name → where it answers, and the answer. */
export * from './complete.ts'
export * from './names.ts'
export * from './registry.ts'
