declare module 'dynalite' {
  import type { Server } from 'node:http'
  /** @param options without a path everything is kept in memory */
  export default function dynalite(options?: { path?: string; createTableMs?: number }): Server
}
