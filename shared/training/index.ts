/** A job's life: submitted, refreshed, steered, looked into. */
export { announceDue } from './announce.ts'
export * from './deployments.ts'
export * from './hints.ts'
export * from './jobs.ts'
export { type JobRecord, toJobObject } from './records.ts'
export * from './submit.ts'
