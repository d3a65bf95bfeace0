/** A job's life: submitted, refreshed, steered, looked into. */
export * from './advance.ts'
export * from './deployments.ts'
export { estimateJob } from './estimates.ts'
export * from './jobs.ts'
export * from './live.ts'
export { type JobRecord, toJobObject } from './records.ts'
export * from './submit.ts'
