/**
 * The deployment's configuration: `tunegate.config.ts` at the root calls {@link defineConfig}.
 * @module
 */

/** A literal, or where to find the value. Prefer a secret's name: the file is part of the repository. */
export type ConfigValue = string | { env: string } | { secret: string }

type Fields<Name extends string> = Partial<Record<Name, ConfigValue>>

interface Common {
  /** Seconds to wait for this provider's answer; over the deployment's `timeoutSeconds`. */
  timeoutSeconds?: number
}

/** OpenAI, or anything that speaks its fine-tuning API under another base URL. */
export interface OpenAIConnection
  extends Common,
    Fields<'apiKey' | 'baseUrl' | 'organization' | 'project' | 'webhookSecret'> {
  provider: 'openai' | 'openai_compatible'
}

/** One Azure OpenAI resource. An `apiVersion` chooses the dated API. */
export interface AzureConnection
  extends Common,
    Fields<
      | 'apiKey'
      | 'baseUrl'
      | 'apiVersion'
      | 'tenantId'
      | 'clientId'
      | 'clientSecret'
      | 'federatedToken'
      | 'loginUrl'
      | 'armUrl'
      | 'subscriptionId'
      | 'resourceGroup'
      | 'account'
      | 'deploymentSku'
      | 'deploymentCapacity'
      | 'webhookSecret'
    > {
  provider: 'azure'
}

/** One project and location of Vertex AI, with the bucket its datasets go to. */
export interface VertexConnection
  extends Common,
    Fields<
      | 'credentials'
      | 'accessToken'
      | 'project'
      | 'location'
      | 'bucket'
      | 'aiplatformUrl'
      | 'storageUrl'
      | 'pushAudience'
      | 'pushServiceAccount'
      | 'googleKeysUrl'
    > {
  provider: 'vertex_ai'
  /** How online prediction endpoints are called, by their id; a tuned Gemini's own is known without. */
  endpoints?: Record<string, 'generate' | 'predict' | 'raw' | 'chat'>
}

/** One AWS account and region, with the bucket its datasets go to and the role its jobs run under. */
export interface BedrockConnection
  extends Common,
    Fields<
      | 'accessKeyId'
      | 'secretAccessKey'
      | 'sessionToken'
      | 'apiKey'
      | 'region'
      | 'roleArn'
      | 'bucket'
      | 'prefix'
      | 'bedrockUrl'
      | 'runtimeUrl'
      | 's3Url'
      | 'provisionedUnits'
      | 'webhookSecret'
    > {
  provider: 'bedrock'
}

/** A named account at a provider. Fields left out are looked up in the environment, then in the platform's secrets. */
export type ConnectionConfig = OpenAIConnection | AzureConnection | VertexConnection | BedrockConnection

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
  connections: {
    openai: { provider: 'openai' },
    azure: { provider: 'azure' },
    vertex_ai: { provider: 'vertex_ai' },
    bedrock: { provider: 'bedrock' },
    openai_compatible: { provider: 'openai_compatible' },
  },
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
