/** The wire we speak: OpenAI's objects, requests, errors, paging and event streams. */
export * from './bytes.ts'
export * from './errors.ts'
export * from './objects.ts'
export * from './paging.ts'
export * from './schemas.ts'
export * from './sse.ts'
export * from './validation.ts'
export * from './webhooks.ts'
