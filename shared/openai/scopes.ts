/** What a caller may do at all; which route needs which stands in `functions/app.ts`. */
export const SCOPES = ['files', 'jobs', 'chat', 'models', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** What a key may do unless it was made otherwise. */
export const STANDARD_SCOPES: readonly Scope[] = SCOPES.filter(scope => scope !== 'admin')
