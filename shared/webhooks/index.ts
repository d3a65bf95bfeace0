/** Webhooks: who is told what, told until it is heard; and what providers tell us, heard once. */

export * from './deliver.ts'
export * from './deliveries.ts'
export * from './emit.ts'
export * from './endpoints.ts'
export * from './heard.ts'
export * from './owner-secret.ts'
