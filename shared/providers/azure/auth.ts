/**
 * Azure's authorisation: the resource's key, or a token of Microsoft Entra. The resource manager takes only tokens, so a
 * connection that deploys needs an application beside its key.
 * @module
 */
import { type EntraProof, entraToken, type FieldSpec } from '../../credentials/index.ts'
import { ApiError } from '../../openai/index.ts'
import type { AuthTools, ProviderRequest, Settings } from '../provider.ts'
import { DEFAULT_ARM_URL, DEFAULT_LOGIN_URL, isArm, placeOf } from './url.ts'

/** Good on both surfaces; `https://ai.azure.com/.default` is on v1 only. */
const RESOURCE_SCOPE = 'https://cognitiveservices.azure.com/.default'
const ARM_SCOPE = 'https://management.azure.com/.default'

/** Names of variables are those of Microsoft's own libraries where they have one. */
export const fields = {
  apiKey: { name: 'AZURE_OPENAI_API_KEY', request: 'api_key', kind: 'credential' },
  baseUrl: { name: 'AZURE_OPENAI_ENDPOINT', request: 'api_base', kind: 'place' },
  apiVersion: { name: 'OPENAI_API_VERSION', request: 'api_version', kind: 'place' },
  tenantId: { name: 'AZURE_TENANT_ID', kind: 'credential' },
  clientId: { name: 'AZURE_CLIENT_ID', kind: 'credential' },
  clientSecret: { name: 'AZURE_CLIENT_SECRET', kind: 'credential' },
  federatedToken: { name: 'AZURE_FEDERATED_TOKEN', kind: 'credential' },
  loginUrl: { name: 'AZURE_AUTHORITY_HOST', kind: 'place', fallback: DEFAULT_LOGIN_URL },
  armUrl: { name: 'AZURE_RESOURCE_MANAGER_URL', kind: 'place', fallback: DEFAULT_ARM_URL },
  subscriptionId: { name: 'AZURE_SUBSCRIPTION_ID', kind: 'account' },
  resourceGroup: { name: 'AZURE_RESOURCE_GROUP', kind: 'account' },
  account: { name: 'AZURE_OPENAI_ACCOUNT', kind: 'account' },
  deploymentSku: { name: 'AZURE_OPENAI_DEPLOYMENT_SKU', kind: 'account', fallback: 'Standard' },
  deploymentCapacity: { name: 'AZURE_OPENAI_DEPLOYMENT_CAPACITY', kind: 'account', fallback: '10' },
  webhookSecret: { name: 'AZURE_OPENAI_WEBHOOK_SECRET', kind: 'account' },
} as const satisfies Record<string, FieldSpec>

export type Field = keyof typeof fields

/** What an application needs to get tokens; either proof will do, a secret goes first. */
const missingOfIdentity = (settings: Settings): Field | undefined => {
  if (!settings.tenantId) return 'tenantId'
  if (!settings.clientId) return 'clientId'
  return settings.clientSecret || settings.federatedToken ? undefined : 'clientSecret'
}

const IDENTITY: readonly Field[] = ['tenantId', 'clientId', 'clientSecret', 'federatedToken']

/** The field that is missing before the resource can be called. */
export const missing = (settings: Settings): Field | undefined => {
  if (!settings.baseUrl) return 'baseUrl'
  if (settings.apiKey) return undefined
  // Who has begun to name an application is told what of it is missing.
  return IDENTITY.some(field => settings[field]) ? missingOfIdentity(settings) : 'apiKey'
}

/** A setting that only some calls need. @throws {ApiError} 400 naming it */
export const requireSetting = (settings: Settings, field: Field, purpose: string): string => {
  const value = settings[field]
  if (value) return value
  throw new ApiError({
    status: 400,
    code: 'connection_unconfigured',
    param: field,
    message: `${purpose} needs ${field}, which this connection does not have: set ${fields[field].name}, or ${field} in tunegate.config.ts.`,
  })
}

const tokenFor = (settings: Settings, scope: string, purpose: string, tools: AuthTools): Promise<string> => {
  const { tenantId = '', clientId = '', clientSecret, federatedToken = '' } = settings
  const lacking = missingOfIdentity(settings)
  if (lacking) requireSetting(settings, lacking, purpose)
  const proof: EntraProof = clientSecret
    ? { setting: 'clientSecret', value: clientSecret }
    : { setting: 'federatedToken', value: federatedToken }
  const loginUrl = placeOf(settings, 'loginUrl', DEFAULT_LOGIN_URL)
  return entraToken({ loginUrl, tenantId, clientId, proof }, scope, tools)
}

export const authorise = async (
  settings: Settings,
  { url }: Pick<ProviderRequest, 'url'>,
  tools: AuthTools,
): Promise<Record<string, string>> => {
  if (isArm(settings, url)) {
    const token = await tokenFor(settings, ARM_SCOPE, 'Managing deployments', tools)
    return { authorization: `Bearer ${token}` }
  }
  if (settings.apiKey) return { 'api-key': settings.apiKey }
  return { authorization: `Bearer ${await tokenFor(settings, RESOURCE_SCOPE, 'Calling Azure', tools)}` }
}
