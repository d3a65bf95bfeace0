/**
 * The deployment's configuration: `tunegate.config.ts` at the root calls {@link defineConfig}.
 * @module
 */

/** A literal, or where to find the value: an environment variable, or a platform secret. */
export type ConfigValue = string | { env: string } | { secret: string }

/** A named account at a provider. Fields left out are looked up in the environment, then in the platform's secrets. */
export interface ConnectionConfig {
  provider: string
  /** Prefer `{ secret: 'NAME' }` over a literal: the file is part of the repository. */
  apiKey?: ConfigValue
  baseUrl?: ConfigValue
  organization?: ConfigValue
  project?: ConfigValue
  /** Seconds to wait for this provider's answer; over the deployment's `timeoutSeconds`. */
  timeoutSeconds?: number
}

export interface Config {
  connections: Record<string, ConnectionConfig>
  /** The connection for names that say nothing of their provider. */
  defaultConnection: string
  /** Whether callers may bring a provider's key (`api_key`) and, with it, a host (`api_base`). */
  requestCredentials: boolean
  /** Seconds to wait for a provider's answer; a request's own `timeout` goes first. */
  timeoutSeconds: number
  /** Repeats of a provider call that is safe to repeat. Delays are milliseconds and grow twofold, with jitter. */
  retries: { count: number; firstDelayMs: number; longestDelayMs: number }
  /** Bytes. */
  limits: { jsonBody: number; file: number }
}

const STANDARD: Config = {
  connections: { openai: { provider: 'openai' } },
  defaultConnection: 'openai',
  requestCredentials: false,
  timeoutSeconds: 600,
  retries: { count: 2, firstDelayMs: 500, longestDelayMs: 8000 },
  limits: { jsonBody: 32 * 1024 * 1024, file: 8 * 1024 * 1024 * 1024 },
}

/**
 * Completes a configuration with the standard values.
 * @throws {Error} When the default connection is not among the connections.
 * @example
 * export default defineConfig({ connections: { openai: { provider: 'openai', apiKey: { secret: 'OPENAI_EU' } } } })
 */
export const defineConfig = (config: Partial<Config> = {}): Config => {
  const complete = { ...STANDARD, ...config }
  if (!Object.hasOwn(complete.connections, complete.defaultConnection)) {
    throw new Error(
      `tunegate.config.ts: defaultConnection "${complete.defaultConnection}" is not a connection`,
    )
  }
  return complete
}
