/** A job's life: submitted, refreshed, steered, looked into. */
export { listNativeJobs } from './adopt.ts'
export * from './deployments.ts'
export * from './jobs.ts'
export { type JobRecord, type MetadataFilter, toJobObject } from './records.ts'
export * from './submit.ts'
