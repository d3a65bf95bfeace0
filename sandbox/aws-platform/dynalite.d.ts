declare module 'dynalite' {
  import type { Server } from 'node:http'
  /** @param options without a path everything is kept in memory */
  // biome-ignore lint/style/noDefaultExport: that is how it exports
  export default function dynalite(options?: { path?: string; createTableMs?: number }): Server
}
