/**
 * A deployment of the gateway with an account at every provider of the sandbox, which runs in another process.
 * @module
 */
import { type Accounts, accountVariables } from '../../sandbox/accounts.ts'

/** The environment variables of a deployment that has an account at each provider of the sandbox. */
export const providerVariables = async (origin: string): Promise<Record<string, string>> => {
  const read = async (name: string) => (await fetch(`${origin}/_sandbox/${name}`)).json()
  const [azure, google, aws] = await Promise.all([read('azure'), read('google'), read('aws')])
  return accountVariables({ origin, apiKey: 'sk-sandbox', azure, google, aws } as Accounts)
}

/** A base model to tune at each provider, and whether a tune has to be deployed before it answers. */
export const PROVIDERS = [
  { provider: 'openai', model: 'gpt-4.1-mini-2025-04-14', isDeployed: false },
  { provider: 'openai_compatible', model: 'gpt-4.1-mini-2025-04-14', isDeployed: false },
  { provider: 'azure', model: 'gpt-4.1-mini-2025-04-14', isDeployed: true },
  { provider: 'vertex_ai', model: 'gemini-3.5-flash', isDeployed: false },
  { provider: 'bedrock', model: 'amazon.nova-lite-v1:0:300k', isDeployed: true },
] as const
