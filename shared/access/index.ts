/** Who may call: gateway keys and the admin key. */
export * from './authenticate.ts'
export * from './keys.ts'
