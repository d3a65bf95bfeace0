/**
 * The deployment's configuration: `tunegate.config.ts` at the root calls {@link defineConfig}.
 * @module
 */

import type { Scope } from './openai/index.ts'

/** A literal, or where to find the value. Prefer a secret's name: the file is part of the repository. */
export type ConfigValue = string | { env: string } | { secret: string }

type Fields<Name extends string> = Partial<Record<Name, ConfigValue>>

/** A store that datasets can be read from. */
interface Sourced {
  /**
   * Which objects jobs of any key may name as their data, with the connection's own credentials: prefixes such as
   * `s3://bucket/datasets/`. None unless given; who brings credentials reads what those may read.
   */
  sources?: readonly string[]
}

interface Common {
  /** Seconds to wait for this provider's answer; over the deployment's `timeoutSeconds`. */
  timeoutSeconds?: number
  /**
   * Whether callers may name files and jobs by their provider's ids, list them, and so take them in: whatever the deployment's
   * credentials can see that no other owner has. Without it only with credentials of their own.
   */
  adoptNativeIds?: boolean
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
    Sourced,
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
    Sourced,
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

/** One price. Rows of a deployment go before the built-in ones (`shared/spending/prices.ts`), which are of the same form. */
export interface PriceRow {
  /** A provider, or a connection's name for one account's own price. */
  provider: string
  /** A base model by any of its names, or `*` for all that have no row before it. */
  model: string
  unit:
    | 'training_token'
    | 'input_token'
    | 'output_token'
    | 'tuned_input_token'
    | 'tuned_output_token'
    | 'training_hour'
    | 'hosting_hour'
  /** Dollars for so many units, in whole millionths. */
  usd: number
  /** Units the price is for, e.g. 1,000,000 tokens or 1 hour. */
  per: number
  /** Only where the connection is in this region; without it anywhere. */
  region?: string
  /** Where the price is from. */
  source: string
  /** `YYYY-MM-DD` or `YYYY-MM`: when it was read there. */
  as_of: string
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
  /** Bytes. `counted`: of a dataset that an estimate reads; a longer one is sampled (standard: 8 MiB). */
  limits: { jsonBody: number; file: number; counted?: number }
  /** Prices of this deployment, before the built-in ones. */
  prices: readonly PriceRow[]
  /** Whether a job with a `budget_limit` is refused when its price is not known. Budgets have a rule of their own. */
  unknownPrices: 'refuse' | 'allow'
  /**
   * Models that may stand in for each other, by provider: what `provider: "auto"` and `fallback_providers` train elsewhere.
   * Which model is as good as which is the deployment's own judgement.
   */
  equivalents: readonly EquivalentModels[]
  /** Connections in the order in which they are liked, where nothing else decides. */
  preference: readonly string[]
  /** Seconds. */
  jobs: {
    /**
     * How long a provider may take until a job that it was sent, and has not confirmed, shows in its list: before that it is
     * not sent again.
     */
    submissionGrace: number
    /** How long a job waits for a provider that has room for it. */
    placement: number
    /** How long a job may take until it is flagged, unless its request says otherwise; null: for ever. */
    deadline: number | null
  }
  copying: Copying
  /** Identity providers whose users may call. */
  oidc: readonly OidcIssuer[]
  cors: Cors
}

/** How datasets are brought to providers. What is larger than a step goes in parts, where the provider takes parts. */
export interface Copying {
  /** One step of work: at most this many bytes, and no new part after this many seconds. */
  stepBytes: number
  stepSeconds: number
  /** Bytes of a part, as near as the provider allows: so much is held in memory. */
  partBytes: number
  /** Seconds without a sign of life after which others go on with a copy. */
  leaseSeconds: number
  /** Seconds a job's creation waits for its copies; they go on without it. */
  waitSeconds: number
}

/** Which pages of other origins may call. */
export interface Cors {
  /** `https://app.example.com`, or `*` alone for any. None unless given. */
  origins: readonly string[]
  /** Seconds for which a browser need not ask again (standard: 600). */
  maxAgeSeconds?: number
}

/** How a token may be signed: by a key pair, never by a secret that is shared. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]

/** An identity provider whose users call with its tokens in place of a gateway key. */
export interface OidcIssuer {
  /** As the tokens' `iss` has it, to the letter. */
  issuer: string
  /** What the tokens' `aud` must name; of several one. */
  audience: string | readonly string[]
  /** Where the issuer's keys are; without it the issuer's discovery document says so. */
  jwksUrl?: string
  /** Whose records a user's are: a claim (standard: `sub`), or claims with something between: `{tenant}.{sub}`. */
  owner?: string
  /** What its users may do: always the same; or by a claim's words, which are scopes themselves or stand for some. */
  scopes: readonly Scope[] | { claim: string; map?: Readonly<Record<string, readonly Scope[]>> }
  /** The only models, and the only providers or connections, they may use. */
  models?: readonly string[]
  providers?: readonly string[]
  /** How tokens may be signed; RS256 and ES256 unless given. */
  algorithms?: readonly string[]
}

/** One model for each provider that has one. */
export type EquivalentModels = Readonly<Partial<Record<ConnectionConfig['provider'], string>>>

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
  equivalents: [
    {
      openai: 'gpt-4.1-mini-2025-04-14',
      azure: 'gpt-4.1-mini-2025-04-14',
      vertex_ai: 'gemini-3.5-flash-lite',
      bedrock: 'amazon.nova-lite-v1:0:300k',
    },
    {
      openai: 'gpt-4.1-2025-04-14',
      azure: 'gpt-4.1-2025-04-14',
      vertex_ai: 'gemini-3.5-flash',
      bedrock: 'amazon.nova-pro-v1:0:300k',
    },
  ],
  preference: [],
  jobs: { submissionGrace: 120, placement: 86_400, deadline: null },
  copying: {
    stepBytes: 64 * 1024 * 1024,
    stepSeconds: 15,
    partBytes: 8 * 1024 * 1024,
    leaseSeconds: 90,
    waitSeconds: 300,
  },
  prices: [],
  oidc: [],
  cors: { origins: [] },
  unknownPrices: 'refuse',
}

/** Whether an amount of dollars is a whole number of millionths: finer prices are given for more units. */
const isMicros = (usd: number) =>
  usd >= 0 && usd < Number.MAX_SAFE_INTEGER / 1e6 && Math.abs(Math.round(usd * 1e6) - usd * 1e6) < 1e-3

/** What is wrong with an identity provider's row, or undefined. */
const issuerObjection = ({ issuer, audience, jwksUrl, owner = 'sub', algorithms = [] }: OidcIssuer) => {
  if (!URL.canParse(issuer)) return 'issuer must be a URL'
  if (jwksUrl !== undefined && !URL.canParse(jwksUrl)) return 'jwksUrl must be a URL'
  if (audience.length === 0) return 'audience must name one'
  if (!/^([^{}]+|[\w.@-]*(\{[^{}]+\}[_.@-]+)*\{[^{}]+\}[\w.@-]*)$/.test(owner))
    return 'owner must be a claim, or claims in braces with . _ @ - between'
  const bad = algorithms.find(name => !ALGORITHMS.includes(name))
  if (bad !== undefined) return `algorithms must be among ${ALGORITHMS.join(', ')}`
  return undefined
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
  const bad = complete.prices.findIndex(
    ({ usd, per }) => !isMicros(usd) || !Number.isSafeInteger(per) || per < 1,
  )
  if (bad !== -1)
    throw new Error(
      `tunegate.config.ts: prices[${bad}] needs a usd in whole millionths from 0, and a per that is a whole number from 1`,
    )
  const alien = complete.cors.origins.find(origin =>
    origin === '*'
      ? complete.cors.origins.length > 1
      : !URL.canParse(origin) || new URL(origin).origin !== origin,
  )
  if (alien !== undefined)
    throw new Error(
      `tunegate.config.ts: cors.origins: "${alien}" must be an origin such as https://app.example.com, or * alone`,
    )
  for (const [index, issuer] of complete.oidc.entries()) {
    const objection = issuerObjection(issuer)
    if (objection !== undefined) throw new Error(`tunegate.config.ts: oidc[${index}].${objection}`)
  }
  return complete
}
