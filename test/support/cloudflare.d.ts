/**
 * What the tests use of the runtime's virtual modules. The packages' own declarations would bring workerd's globals with
 * them, which contradict Node's in the same program.
 */
declare module 'cloudflare:workers' {
  export const env: Record<string, unknown>
  export function waitUntil(work: Promise<unknown>): void
}
declare module 'cloudflare:test' {
  export interface D1Migration {
    name: string
    queries: string[]
  }
  export function applyD1Migrations(database: unknown, migrations: D1Migration[]): Promise<void>
  export function adminSecretsStore(binding: unknown): { create(value: string): Promise<string> }
}
