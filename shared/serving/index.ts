/** Serving: a model's name → where it answers, and the answer. */
export * from './complete.ts'
export * from './deployments.ts'
export * from './dropped.ts'
export { entered, type HostingPeriod } from './hosting.ts'
export * from './names.ts'
export * from './predict.ts'
export { MODELS, type ModelRecord, providerOf } from './records.ts'
export * from './registry.ts'
