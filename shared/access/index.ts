/** Who may call: gateway keys and the admin key. */
export * from './keys.ts'
